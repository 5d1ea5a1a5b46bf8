/**
 * Which waiting turn runs next (rule O7). Pure: the turns are rows, and the caller keeps them.
 *
 * Strict priority starves; so a turn gains one priority for each {@link AGE_STEP_MS} that it waits. Among equals the
 * oldest goes first, which a turn that has aged to the top always is.
 */
import type { Priority } from '../protocol/ids.ts'

/** After this long a waiting turn counts as one priority higher: three steps lift `low` over every newcomer. */
export const AGE_STEP_MS = 30_000

export interface WaitingTurn {
  /** Rises with acceptance. */
  readonly number: number
  readonly priority: Priority
  /** When it was accepted, ms since the epoch. */
  readonly createdAt: number
}

const RANK: Record<Priority, number> = { urgent: 0, high: 1, normal: 2, low: 3 }

/** 0 is the most urgent; never below, so that age makes equal and never more than equal. */
export function effectiveRank(turn: WaitingTurn, now: number): number {
  const steps = Math.floor(Math.max(0, now - turn.createdAt) / AGE_STEP_MS)
  return Math.max(0, RANK[turn.priority] - steps)
}

/** The waiting turns in the order in which they would run if none came. */
export function inOrder<T extends WaitingTurn>(waiting: readonly T[], now: number): T[] {
  return waiting.toSorted((a, b) => effectiveRank(a, now) - effectiveRank(b, now) || a.number - b.number)
}
