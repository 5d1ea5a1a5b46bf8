/**
 * Where the history begins that a model is sent, when it does not fit: pure.
 *
 * Providers keep what begins alike, and charge little for it. If the oldest message fell out with each new one, no two
 * requests of a long conversation would begin alike. So the beginning is put on an anchor within the oldest quarter of what
 * fits, and stays there until that has slid past it: the window is up to a quarter smaller, and begins alike for many turns.
 */
import type { Role } from '../protocol/message.ts'

export interface WindowRow {
  readonly number: number
  readonly role: Role
  /** As it counts within the budget. */
  readonly tokens: number
}

/** How much of the budget may be given up for a stable beginning. */
const SLACK = 1 / 4

/**
 * @param rows that fit, oldest first, of a history of which older ones do not
 * @returns the index of the first that is sent; the last row always is
 */
export function stableStart(rows: readonly WindowRow[], budget: number): number {
  let best = 0
  let bestRank = -1
  let passed = 0
  // What is free already, because the next older one is long, counts as given up.
  const slack = budget * SLACK - (budget - rows.reduce((sum, { tokens }) => sum + tokens, 0))
  for (const [index, { number, role, tokens }] of rows.slice(0, -1).entries()) {
    if (passed > slack) break
    const rank = role === 'user' ? rankOf(number) : -1
    if (rank > bestRank) [best, bestRank] = [index, rank]
    passed += tokens
  }
  return best
}

/**
 * Of questions in a row (odd numbers) half rank 0, a quarter 1, an eighth 2: the highest around is alone, and stays it for
 * long. Where a branch holds only some of them, equals are told apart by an order that has nothing to do with their own.
 */
function rankOf(question: number): number {
  const index = question >>> 1
  const zeros = index === 0 ? 31 : 31 - Math.clz32(index & -index)
  return zeros + (Math.imul(index, 0x9e3779b1) >>> 0) / 2 ** 32
}
