/**
 * Hysteresis: from what a rule says of one subject over time to "open now" and "over now". Pure; the state is a row.
 *
 * It opens when it was bad without a break for `forSeconds`, and is over when it was good without a break for
 * `clearForSeconds`. Between the two thresholds nothing changes, so nothing flaps.
 */
import type { IncidentRule } from '../protocol/incident-rules.ts'
import type { Level } from './rules.ts'

/**
 * After somebody resolved an incident the same is not reported again until it was good once, for the window still holds
 * what was. Not for ever: whoever was wrong hears of it again.
 */
export const MUTE_MS = 30 * 60_000

export interface Watch {
  /** The incident that is open, or null. */
  readonly openId: number | null
  /** Since when it is bad without a break, while none is open; ms since the epoch. */
  readonly breachedSince: number | null
  /** Since when it is good without a break, while one is open. */
  readonly clearSince: number | null
  readonly mutedUntil: number | null
  /** The last one that was over by itself, and when: it goes on when the same comes back soon. */
  readonly last: { readonly id: number; readonly at: number } | null
}

export const UNWATCHED: Watch = {
  openId: null,
  breachedSince: null,
  clearSince: null,
  mutedUntil: null,
  last: null,
}

export type Verdict = 'nothing' | 'open' | 'over'

/** What one more look makes of it. Looking again at the same time says the same. */
export function look(
  watch: Watch,
  level: Level,
  rule: Pick<IncidentRule, 'forSeconds' | 'clearForSeconds'>,
  now: number,
): { readonly watch: Watch; readonly verdict: Verdict } {
  if (watch.openId !== null) {
    const clearSince = level === 'clear' ? (watch.clearSince ?? now) : null
    const isOver = clearSince !== null && now - clearSince >= rule.clearForSeconds * 1000
    return { watch: { ...watch, clearSince }, verdict: isOver ? 'over' : 'nothing' }
  }
  const isMuted = watch.mutedUntil !== null && level !== 'clear' && now < watch.mutedUntil
  const breachedSince = level === 'breached' && !isMuted ? (watch.breachedSince ?? now) : null
  const isOpen = breachedSince !== null && now - breachedSince >= rule.forSeconds * 1000
  const mutedUntil = isMuted ? watch.mutedUntil : null
  return { watch: { ...watch, breachedSince, mutedUntil }, verdict: isOpen ? 'open' : 'nothing' }
}

/** The incident that it opened. */
export function openedAs(id: number): Watch {
  return { ...UNWATCHED, openId: id }
}

/** It was over by itself. */
export function overAt(id: number, at: number): Watch {
  return { ...UNWATCHED, last: { id, at } }
}

/** Somebody said that it is over. */
export function mutedAt(now: number): Watch {
  return { ...UNWATCHED, mutedUntil: now + MUTE_MS }
}

/** The incident that goes on instead of a new one: the same came back within `reopenMs` after it was over. */
export function returning({ last, breachedSince }: Watch, reopenMs: number): number | null {
  if (last === null || breachedSince === null) return null
  return breachedSince - last.at <= reopenMs ? last.id : null
}

/** Whether time alone may change something. */
export function isUnsettled({ openId, breachedSince, mutedUntil }: Watch): boolean {
  return openId !== null || breachedSince !== null || mutedUntil !== null
}

export function isSame(a: Watch, b: Watch): boolean {
  return (
    a.openId === b.openId &&
    a.breachedSince === b.breachedSince &&
    a.clearSince === b.clearSince &&
    a.mutedUntil === b.mutedUntil &&
    a.last?.id === b.last?.id &&
    a.last?.at === b.last?.at
  )
}
