/**
 * When a delivery that failed is tried again: after 10 seconds, then three times as long each time, up to an hour, or when
 * the receiver says (`Retry-After`), but not later than that. Eight attempts take about two hours together; then the
 * platform puts the message into the dead-letter queue. Pure: time and chance are handed in.
 */
export const MAX_ATTEMPTS = 8

const FIRST_S = 10
const FACTOR = 3
const MOST_S = 3_600
/** So that what failed together does not come back together. */
const SPREAD = 0.2

/**
 * Whole seconds, from 10 to 3,600.
 *
 * @param attempts how many there were, from 1
 * @param retryAfter the receiver's header: seconds or a date
 * @param random from 0 to below 1
 */
export function retryDelayS(
  attempts: number,
  retryAfter: string | null,
  now: number,
  random: () => number,
): number {
  const asked = retryAfterS(retryAfter, now)
  // Asked for a time, nobody is early: a receiver that is spared is spared for as long as it said.
  const base = Math.min(MOST_S, FIRST_S * FACTOR ** (Math.max(1, attempts) - 1))
  const delay = base * (1 - SPREAD + 2 * SPREAD * random())
  return Math.min(MOST_S, Math.max(FIRST_S, Math.round(delay), asked))
}

function retryAfterS(header: string | null, now: number): number {
  const text = header?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text)
  // Only a date as HTTP writes it: `Date.parse` makes one of almost anything.
  const at = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : NaN
  return Number.isNaN(at) ? 0 : Math.max(0, Math.ceil((at - now) / 1000))
}
