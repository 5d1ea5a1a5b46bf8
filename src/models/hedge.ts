/**
 * Two calls for one answer: when the first one's text is late, a second begins, and whoever begins to speak first has the
 * turn. Who may be the second, and whether there is money for it, is the chain's to say.
 */
import type { UpstreamCall } from './upstream-call.ts'
import type { waitFor } from './wait.ts'

/**
 * @param start begins the second call; null when there is none to be had
 * @returns the call that has begun; the other was cancelled
 * @throws what the first one failed with, when both did, or nobody else was asked
 */
export async function firstToBegin(
  first: UpstreamCall,
  lateMs: number,
  start: () => Promise<UpstreamCall | null>,
  wait: typeof waitFor,
): Promise<UpstreamCall> {
  const firstBegun = first.begin().then(() => first)
  const timer = new AbortController()
  const late = wait(lateMs, timer.signal).then(
    () => null,
    () => null,
  )
  let early: UpstreamCall | null
  try {
    early = await Promise.race([firstBegun, late])
  } finally {
    timer.abort()
  }
  if (early !== null) return early
  const second = await start()
  if (second === null) return await firstBegun
  const secondBegun = second.begin().then(() => second)
  try {
    const winner = await Promise.any([firstBegun, secondBegun])
    ;(winner === first ? second : first).cancel()
    return winner
  } catch {
    return await firstBegun
  }
}
