/**
 * The clock that all processes of a machine share, so that a benchmark can subtract one's time from another's. Unlike
 * the time of day it is never set.
 */

/** Milliseconds since some fixed moment, to the nanosecond. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
