/**
 * A chain of real adapters over real model servers, for tests: with a gate that remembers what it is told, a clock that
 * stands still, and pauses that are noted and over at once.
 *
 * Provider `a` has the model `a-model`, and so on: `[[for=a-model status=500]]` is a fault of one of them.
 */
import { candidatesOf, type Offers } from '../../src/models/candidates.ts'
import { ModelChain, type ChainDeps } from '../../src/models/chain.ts'
import { OPEN_GATE, type CallReport, type ProviderGate } from '../../src/models/provider-gate.ts'
import { RetryBudget } from '../../src/models/retry-budget.ts'
import type { OpenAIModelOptions } from '../../src/models/openai.ts'
import { ModelServerClient } from './model-server-client.ts'
import { ModelServer } from './model-server.ts'
import { makeOpenAIModel } from './openai-model.ts'

export interface ChainOptions {
  /** Which of the servers are in the chain, in order; all when left out. */
  readonly providers?: readonly string[]
  readonly gate?: Partial<ProviderGate>
  readonly deps?: Partial<Omit<ChainDeps, 'gate' | 'candidatesOf' | 'modelOf'>>
  readonly adapter?: Partial<OpenAIModelOptions>
}

const NAMES = ['a', 'b', 'c'] as const

export class ChainWorld {
  readonly #servers = new Map<string, ModelServer>()

  static async start(): Promise<ChainWorld> {
    const world = new ChainWorld()
    for (const name of NAMES) world.#servers.set(name, await ModelServer.start())
    return world
  }

  async end(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.close()))
  }

  client(name: string): ModelServerClient {
    return new ModelServerClient(this.#server(name).url)
  }

  /** How many calls with this message each provider had. */
  calls(message: string): Record<string, number> {
    const counts = [...this.#servers].map(([name, { log }]) => [name, log.countOf(message)] as const)
    return Object.fromEntries(counts.filter(([, count]) => count > 0))
  }

  /** The newest call of a provider. */
  lastCall(name: string) {
    return this.#server(name).log.calls.at(-1)
  }

  chain({ providers = NAMES, gate = {}, deps = {}, adapter = {} }: ChainOptions = {}) {
    const reports: CallReport[] = []
    const pauses: number[] = []
    const models = new Map(
      providers.map((name) => [
        name,
        makeOpenAIModel(`${this.#server(name).url}/v1`, { name, model: `${name}-model`, ...adapter }),
      ]),
    )
    const offers = providers.map((name) => ({ name, models: [`${name}-model`] as const, tiers: {} }))
    const chain = new ModelChain({
      gate: { ...OPEN_GATE, ...gate, report: (call) => reports.push(call) },
      budget: new RetryBudget(() => 0),
      candidatesOf: (name) => candidatesOf(offers as unknown as Offers, name),
      modelOf: (name) => models.get(name) ?? fail(name),
      retries: 1,
      continues: false,
      hedgeMs: 0,
      answerTokens: 100,
      now: () => 0,
      random: () => 0.5,
      wait: (ms, signal) => {
        signal.throwIfAborted()
        pauses.push(ms)
        return Promise.resolve()
      },
      every: () => () => undefined,
      ...deps,
    })
    return {
      chain,
      reports,
      pauses,
      /** What became of each call, in short: `a first server`. */
      story: () => reports.map(({ provider, kind, outcome }) => `${provider} ${kind} ${outcome}`),
    }
  }

  #server(name: string): ModelServer {
    return this.#servers.get(name) ?? fail(name)
  }
}

function fail(name: string): never {
  throw new Error(`no provider ${name}`)
}
