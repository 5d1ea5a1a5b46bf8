/**
 * How long to wait before a call is made again: exponential backoff with full jitter, or what the provider asked for.
 *
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: any moment between now and the growing limit is
 * as likely as another, so that those who failed together do not come back together.
 */

const BASE_MS = 250
const CAP_MS = 8_000

/** A provider that asks for more is not waited for: somebody sits in front of the page. */
export const LONGEST_WAIT_MS = 5_000

/**
 * @param attempt 0 before the first repeat
 * @param random from 0 up to 1
 * @returns ms; undefined when the provider asks for more than we wait
 */
export function pauseBefore(
  attempt: number,
  retryAfterMs: number | undefined,
  random: () => number,
): number | undefined {
  const ownMs = random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt)
  if (retryAfterMs === undefined) return ownMs
  return retryAfterMs > LONGEST_WAIT_MS ? undefined : Math.max(retryAfterMs, ownMs)
}
