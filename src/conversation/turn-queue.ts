/**
 * Which waiting turn runs next (rule O7). Pure: the turns are rows, and the caller keeps them.
 *
 * Strict priority starves; so a turn gains one priority for each `AGE_STEP_MS` that it waits. Among equals the
 * oldest goes first, which a turn that has aged to the top always is.
 */
import type { Priority } from '../protocol/ids.ts'
import { effectiveRank } from '../protocol/priority.ts'

export interface WaitingTurn {
  /** Rises with acceptance. */
  readonly number: number
  readonly priority: Priority
  /** When it was accepted, and when somebody last had it go on after its end, ms since the epoch. */
  readonly createdAt: number
  readonly resumedAt: number | null
  /** How often the model was called for it, and how often before it was had go on. */
  readonly attempts: number
  readonly resumedAttempt: number | null
}

/** It lost its process in the middle, and what it said lies where the next answer will be written. */
export function hasBegun(turn: Pick<WaitingTurn, 'attempts' | 'resumedAttempt'>): boolean {
  return turn.attempts > (turn.resumedAttempt ?? 0)
}

/** The waiting turns in the order in which they would run if none came: nobody overtakes one that has begun. */
export function inOrder<T extends WaitingTurn>(waiting: readonly T[], now: number): T[] {
  const rank = (turn: T): number =>
    hasBegun(turn) ? -1 : effectiveRank(turn.priority, turn.resumedAt ?? turn.createdAt, now)
  return waiting.toSorted((a, b) => rank(a) - rank(b) || a.number - b.number)
}
