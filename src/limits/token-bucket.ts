/**
 * A token bucket: `capacity` may come at once, `perSecond` come back. Pure: time is handed in, in ms, and the state is one
 * pair of numbers. A clock that goes back fills nothing and takes nothing away.
 */
import type { BucketSize } from '../protocol/plan.ts'

export interface BucketState {
  readonly tokens: number
  /** When `tokens` was true, ms. */
  readonly at: number
}

export interface Taken {
  readonly state: BucketState
  readonly ok: boolean
  /** Whole requests that are left. */
  readonly remaining: number
  /** Until one more would be let through, in ms; 0 when it would be now. */
  readonly retryAfterMs: number
  /** Until it is full again, in ms. */
  readonly fullAfterMs: number
}

/** Fractions are not exact: what is this close to a whole request is one. */
const NEARLY = 1e-6

/** @param before null: full, as for somebody who comes for the first time */
export function take(before: BucketState | null, size: BucketSize, now: number): Taken {
  const at = Math.max(now, before?.at ?? now)
  const { capacity, perSecond } = size
  const perMs = perSecond / 1000
  const held = before ? Math.min(capacity, before.tokens + (at - before.at) * perMs) : capacity
  const ok = held >= 1 - NEARLY
  const tokens = ok ? Math.max(0, held - 1) : held
  return {
    state: { tokens, at },
    ok,
    remaining: Math.floor(tokens + NEARLY),
    // Rounded up, and the clock may stand behind: whoever waits that long is let through.
    retryAfterMs: tokens >= 1 ? 0 : Math.ceil((1 - tokens) / perMs) + (at - now),
    fullAfterMs: Math.ceil((capacity - tokens) / perMs) + (at - now),
  }
}
