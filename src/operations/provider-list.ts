/**
 * What an operator is shown of the providers: those that are configured, in their order, each model with its breaker, what
 * is paused of it, and its recent calls. Pure; the facts come from the operations object.
 */
import type {
  BreakerView,
  PauseState,
  ProvidersAnswer,
  RecentCalls,
  SwitchTarget,
} from '../protocol/operations.ts'
import type { ProviderConfig } from '../protocol/provider-config.ts'
import type { BreakerDetails } from './breakers.ts'
import { percentile, type ModelSum } from './call-sums.ts'
import type { Overview } from './operations.ts'
import { keyOf, type Pause } from './snapshot.ts'

/** A provider as it is configured. */
export interface ConfiguredProvider {
  readonly name: string
  readonly kind: ProviderConfig['kind']
  readonly models: readonly string[]
}

const iso = (time: number): string => new Date(time).toISOString()
const isoOrNull = (time: number | null): string | null => (time === null ? null : iso(time))

export function pauseState({ at, ...pause }: Pause): PauseState {
  return { ...pause, at: iso(at) }
}

/** @param providers in the order in which they are asked */
export function providerList(overview: Overview, providers: readonly ConfiguredProvider[]): ProvidersAnswer {
  const pauses = overview.pauses.map(pauseState)
  const breakers = new Map(overview.breakers.map((each) => [keyOf(each.provider, each.model), each]))
  const sums = new Map(overview.recent.map((each) => [keyOf(each.provider, each.model), each]))
  const paused = (target: SwitchTarget): PauseState | null =>
    pauses.find((each) => each.target === target) ?? null
  return {
    providers: providers.map(({ name, kind, models }) => ({
      name,
      kind,
      paused: paused(`provider:${name}`),
      models: models.map((model) => ({
        model,
        paused: paused(`model:${model}`),
        breaker: breakerView(breakers.get(keyOf(name, model))),
        recent: recentCalls(sums.get(keyOf(name, model))),
      })),
    })),
    pauses,
    recentMs: overview.recentMs,
  }
}

function breakerView(details: BreakerDetails | undefined): BreakerView {
  const { state = 'closed', why = null, since = null, retryAt = null, opened = 0 } = details ?? {}
  return { state, why, since: isoOrNull(since), retryAt: isoOrNull(retryAt), opened }
}

function recentCalls(sum: ModelSum | undefined): RecentCalls {
  const firstToken = sum?.firstToken ?? []
  return {
    calls: sum?.calls ?? 0,
    failures: { ...sum?.failures },
    firstTokenMs: { p50: percentile(firstToken, 0.5), p95: percentile(firstToken, 0.95) },
    inputTokens: sum?.inputTokens ?? 0,
    outputTokens: sum?.outputTokens ?? 0,
    costMicros: sum?.micros ?? 0,
  }
}
