/**
 * The model's side of the composition root: adapters and their chain, built once per isolate from the configuration, and
 * what others must know of the providers (what callers may name, what it costs).
 *
 * The gate in front of them is handed in: what is known of providers' health and room lives elsewhere.
 */
import { readConfig, type Config, type Env } from './env.ts'
import { candidatesOf, namesOf } from './models/candidates.ts'
import { ModelChain } from './models/chain.ts'
import type { Model } from './models/model.ts'
import { OfflineModel } from './models/offline.ts'
import { OpenAIModel } from './models/openai.ts'
import { DEFAULT_PRICES, type Prices } from './models/prices.ts'
import type { ProviderGate } from './models/provider-gate.ts'
import { pricesOf, providersOf, type Provider } from './models/provider-list.ts'
import { RetryBudget } from './models/retry-budget.ts'
import { waitFor } from './models/wait.ts'
import { WorkersAiModel, type AiBinding } from './models/workers-ai.ts'
import { perIsolate } from './per-isolate.ts'

export interface Providers {
  /** In the order in which they are asked. */
  readonly list: readonly Provider[]
  /** What a caller may name: models and tiers. */
  readonly names: readonly string[]
  readonly prices: Prices
  /** Who may answer a request that names this, in order; each provider once. */
  readonly candidates: (name: string) => ReturnType<typeof candidatesOf>
  /** The model that a tier means, for what it is expected to cost; any other name is its own. */
  readonly modelBehind: (name: string) => string
}

/** @throws AppError `misconfigured` naming the secret or binding that a provider lacks */
export const providersFor = perIsolate((env): Providers => {
  const config = readConfig(env)
  const list = providersOf(config, env)
  const candidates = rememberAll((name) => candidatesOf(list, name))
  const names = namesOf(list)
  return {
    list,
    names,
    prices: { ...DEFAULT_PRICES, ...pricesOf(list), ...config.MODEL_PRICES },
    candidates,
    modelBehind: (name) => (names.includes(name) ? candidates(name)[0].model : name),
  }
})

/** All of them, as one model, behind a gate. */
export function chainOf(env: Env, gate: ProviderGate): Model {
  const config = readConfig(env)
  const { list, candidates } = providersFor(env)
  const models = new Map(list.map((provider) => [provider.name, adapterOf(provider, env, config)]))
  return new ModelChain({
    gate,
    budget: new RetryBudget(Date.now),
    candidatesOf: candidates,
    modelOf: (provider) => models.get(provider) ?? unknownProvider(provider),
    retries: config.MODEL_RETRIES,
    continues: config.MODEL_CONTINUE,
    hedgeMs: config.MODEL_HEDGE_MS,
    answerTokens: config.ANSWER_TOKENS,
    now: Date.now,
    random: Math.random,
    wait: waitFor,
    every(ms, run) {
      const timer = setInterval(run, ms)
      return () => clearInterval(timer)
    },
  })
}

function adapterOf(provider: Provider, env: Env, config: Config): Model {
  const { name, continuation } = provider
  const [model] = provider.models
  const patience = {
    firstTokenTimeoutMs: config.FIRST_TOKEN_TIMEOUT_MS,
    gapTimeoutMs: config.CHUNK_GAP_TIMEOUT_MS,
    totalTimeoutMs: config.MODEL_TOTAL_TIMEOUT_MS,
  }
  switch (provider.kind) {
    case 'openai': {
      const { apiKey, baseUrl } = provider
      return new OpenAIModel({ name, model, continuation, apiKey, baseUrl, ...patience })
    }
    case 'workers-ai':
      // The list has made sure that it is there; its own type knows only the models that it was made for.
      return new WorkersAiModel({
        name,
        model,
        continuation,
        ai: env.AI as unknown as AiBinding,
        ...patience,
      })
    case 'offline':
      return new OfflineModel({ name, paceMs: config.OFFLINE_PACE_MS })
  }
}

/** Names come from callers, but only those that are offered: there are few. A turn asks once for each call. */
function rememberAll<T>(find: (name: string) => T): (name: string) => T {
  const known = new Map<string, T>()
  return (name) => {
    const found = known.get(name) ?? find(name)
    // What is not offered any more (a turn of an older configuration) may be anything.
    if (known.size < MAX_REMEMBERED) known.set(name, found)
    return found
  }
}

/** As many names as 16 providers of 64 models can have. */
const MAX_REMEMBERED = 1_100

function unknownProvider(name: string): never {
  throw new Error(`no provider is called ${name}`)
}
