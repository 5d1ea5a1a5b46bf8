/**
 * What a priority means while something waits: one rule for the turns of a conversation (rule O7) and for the queue in
 * front of a provider (rule Q2). Pure, and here, because neither of the two may import the other.
 */
import type { Priority } from './ids.ts'

/** After this long something that waits counts as one priority higher: three steps lift `low` over every newcomer. */
export const AGE_STEP_MS = 30_000

/** The most urgent first. */
export const PRIORITIES = ['urgent', 'high', 'normal', 'low'] as const satisfies readonly Priority[]

const RANK: Record<Priority, number> = { urgent: 0, high: 1, normal: 2, low: 3 }

/**
 * 0 is the most urgent; never below, so that age makes equal and never more than equal.
 *
 * @param since when the wait began, ms since the epoch
 */
export function effectiveRank(priority: Priority, since: number, now: number): number {
  const steps = Math.floor(Math.max(0, now - since) / AGE_STEP_MS)
  return Math.max(0, RANK[priority] - steps)
}
