/**
 * The providers of this installation, as the configuration names them: `MODEL_PROVIDERS`, or what its shorthands mean.
 *
 * Pure, and the only place that looks up a key by the name of its secret. Adapters are built from the list by providers.ts.
 */
import { AppError } from '../errors.ts'
import type { Continuation, ProviderConfig, Tier } from '../protocol/provider-config.ts'
import type { ProviderLimits } from '../protocol/provider-limits.ts'
import type { Price } from './prices.ts'

export interface Provider {
  readonly name: string
  readonly kind: ProviderConfig['kind']
  readonly baseUrl: string | undefined
  readonly apiKey: string | undefined
  /** At least one; the first is its own default. */
  readonly models: readonly [string, ...string[]]
  readonly tiers: Readonly<Partial<Record<Tier, string>>>
  readonly prices: Readonly<Record<string, Price>>
  readonly limits: ProviderLimits | undefined
  readonly continuation: Continuation
}

export interface ProviderSettings {
  readonly MODEL_PROVIDERS?: readonly ProviderConfig[] | undefined
  readonly OPENAI_API_KEY?: string | undefined
  readonly OPENAI_BASE_URL?: string | undefined
  readonly OPENAI_MODEL: string
  readonly OPENAI_MODELS: readonly string[]
}

/** Of Workers AI, where the configuration names none. */
const WORKERS_AI_MODEL = '@cf/meta/llama-3.3-70b-instruct-fp8-fast'
const OFFLINE_MODEL = 'offline'

/**
 * @param env where secrets and the `AI` binding are looked up
 * @throws AppError `misconfigured` naming the secret or the binding that is missing
 */
export function providersOf(
  settings: ProviderSettings,
  env: Readonly<Record<string, unknown>>,
): readonly [Provider, ...Provider[]] {
  const [first, ...others] = configured(settings, env).map((config) => resolve(config, env))
  if (first === undefined) throw new AppError('misconfigured', 'MODEL_PROVIDERS names no provider.')
  return [first, ...others]
}

function configured(
  settings: ProviderSettings,
  env: Readonly<Record<string, unknown>>,
): readonly ProviderConfig[] {
  const { MODEL_PROVIDERS, OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_MODEL, OPENAI_MODELS } = settings
  if (MODEL_PROVIDERS !== undefined) return MODEL_PROVIDERS
  if (OPENAI_API_KEY !== undefined || OPENAI_BASE_URL !== undefined) {
    return [
      {
        name: 'openai',
        kind: 'openai',
        baseUrl: OPENAI_BASE_URL,
        key: OPENAI_API_KEY === undefined ? undefined : 'OPENAI_API_KEY',
        models: [...new Set([OPENAI_MODEL, ...OPENAI_MODELS])],
      },
    ]
  }
  if (env['AI'] !== undefined) return [{ name: 'workers-ai', kind: 'workers-ai', models: [WORKERS_AI_MODEL] }]
  return [{ name: 'offline', kind: 'offline' }]
}

function resolve(config: ProviderConfig, env: Readonly<Record<string, unknown>>): Provider {
  const { name, kind, baseUrl, tiers = {}, prices = {}, limits, continuation = 'none' } = config
  if (kind === 'workers-ai' && env['AI'] === undefined) {
    throw new AppError('misconfigured', `The provider "${name}" needs the binding AI, which is not there.`)
  }
  const [first = OFFLINE_MODEL, ...others] = config.models ?? []
  return {
    name,
    kind,
    baseUrl,
    apiKey: keyOf(config, env),
    models: [first, ...others],
    tiers,
    prices,
    limits,
    continuation,
  }
}

function keyOf({ name, key }: ProviderConfig, env: Readonly<Record<string, unknown>>): string | undefined {
  if (key === undefined) return undefined
  const value = env[key]
  const secret = typeof value === 'string' ? value.trim() : ''
  if (secret === '') {
    throw new AppError('misconfigured', `${key}, the key of the provider "${name}", is not set.`)
  }
  return secret
}

/** Of two providers that price the same model, the first one counts. */
export function pricesOf(providers: readonly Provider[]): Readonly<Record<string, Price>> {
  const prices: Record<string, Price> = {}
  for (const provider of providers.toReversed()) Object.assign(prices, provider.prices)
  return prices
}
