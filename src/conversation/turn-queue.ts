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
  /** When it was accepted, ms since the epoch. */
  readonly createdAt: number
}

/** The waiting turns in the order in which they would run if none came. */
export function inOrder<T extends WaitingTurn>(waiting: readonly T[], now: number): T[] {
  const rank = (turn: T): number => effectiveRank(turn.priority, turn.createdAt, now)
  return waiting.toSorted((a, b) => rank(a) - rank(b) || a.number - b.number)
}
