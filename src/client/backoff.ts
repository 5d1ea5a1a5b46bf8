/**
 * How long to wait before trying again: exponential, capped, with full jitter, so that many clients that lost the same
 * server do not come back in step (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */

/** The first wait is up to this long. */
const BASE_MS = 400

/** No wait is longer than this. */
const CAP_MS = 10_000

/**
 * @param attempt 0 for the first wait
 * @param random from 0 up to, not including, 1
 * @returns milliseconds
 */
export function backoffMs(attempt: number, random: number): number {
  return Math.floor(random * Math.min(CAP_MS, BASE_MS * 2 ** attempt))
}
