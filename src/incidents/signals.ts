/**
 * What the installation says of itself besides numbers: which breakers are not closed and what is paused, since when, and
 * what of it has just changed. Pure; the newest state is a row, so that a restart does not make it look new.
 */
import type { Entry, IncidentRecord } from './incident.ts'
import type { Observation } from './observation.ts'
import { ALL, type View } from './rules.ts'

/**
 * A breaker that was not heard of for this long counts as quiet, whatever else was told: without calls nothing probes it,
 * and an incident that only the next question of somebody could end would wake people all night. A fallback is not called
 * for as long as those before it answer.
 */
export const STALE_MS = 5 * 60_000

export interface Breaker {
  readonly provider: string
  readonly model: string
  readonly state: 'open' | 'half_open'
  /** When it left closed, ms since the epoch; as all times here. */
  readonly since: number
  readonly heardAt: number
  /** Since when it was heard of without a break of {@link STALE_MS}. */
  readonly heardSince: number
}

export interface Signals {
  /** Of the newest observation. */
  readonly at: number
  readonly ms: number
  readonly breakers: readonly Breaker[]
  readonly paused: readonly { readonly what: string; readonly since: number }[]
}

export interface SignalChange extends Entry {
  /** Null: it is about everyone. */
  readonly provider: string | null
}

export const SILENCE: Signals = { at: 0, ms: 0, breakers: [], paused: [] }

const nameOf = ({ provider, model }: Pick<Breaker, 'provider' | 'model'>): string => `${provider}/${model}`

/** @param at when the observation is taken to have been made */
export function nextSignals(
  before: Signals,
  observation: Observation,
  at: number,
): { readonly signals: Signals; readonly changes: readonly SignalChange[] } {
  const known = new Map(before.breakers.map((breaker) => [nameOf(breaker), breaker]))
  const breakers = observation.breakers.map(({ provider, model, state, ...told }): Breaker => {
    const was = known.get(nameOf({ provider, model }))
    const heardAt = Math.min(told.heardAt, at)
    const heardSince = was && heardAt - was.heardAt <= STALE_MS ? was.heardSince : heardAt
    return { provider, model, state, since: was?.since ?? at, heardAt, heardSince }
  })
  const paused = observation.paused.map((what) => ({
    what,
    since: before.paused.find((each) => each.what === what)?.since ?? at,
  }))
  const changes = [
    ...breakers
      .filter((now) => known.get(nameOf(now))?.state !== now.state)
      .map((now) => breakerEntry(now, now.state, at)),
    ...before.breakers
      .filter((was) => !breakers.some((now) => nameOf(now) === nameOf(was)))
      .map((was) => breakerEntry(was, 'closed', at)),
    ...paused
      .filter(({ what }) => !before.paused.some((was) => was.what === what))
      .map(({ what }) => pauseEntry(what, 'paused', at)),
    ...before.paused
      .filter(({ what }) => !observation.paused.includes(what))
      .map(({ what }) => pauseEntry(what, 'resumed', at)),
  ]
  return { signals: { at: observation.at, ms: observation.ms, breakers, paused }, changes }
}

/** What a new incident begins with: what was so before it opened. */
export function standing(signals: Signals): SignalChange[] {
  return [
    // However it stands by now, that is when it opened.
    ...signals.breakers.map((breaker) => breakerEntry(breaker, 'open', breaker.since)),
    ...signals.paused.map(({ what, since }) => pauseEntry(what, 'paused', since)),
  ]
}

/** Breakers that are not closed, as far as they are still heard of; and since when that is so. */
export function breakersNow({ breakers }: Signals, now: number): View['breakers'] {
  return breakers
    .filter(({ heardAt }) => now - heardAt <= STALE_MS)
    .map(({ provider, model, heardSince }) => ({ provider, model, since: heardSince }))
}

export function concerns({ provider }: SignalChange, { subject }: Pick<IncidentRecord, 'subject'>): boolean {
  return provider === null || subject === ALL || provider === subject
}

function breakerEntry(breaker: Breaker, state: Breaker['state'] | 'closed', at: number): SignalChange {
  const kind = `breaker_${state === 'open' ? 'opened' : state}` as const
  return { at, kind, text: nameOf(breaker), by: null, provider: breaker.provider }
}

function pauseEntry(what: string, kind: 'paused' | 'resumed', at: number): SignalChange {
  const provider = what.startsWith('provider:') ? what.slice('provider:'.length) : null
  return { at, kind, text: what, by: null, provider }
}
