/**
 * The shape of `BREAKER`: when the breaker of one model of one provider opens, and how it closes again. Here, because the
 * configuration checks it and may import nothing but the protocol; the page needs none of it.
 */
import * as z from 'zod'

const count = z.int().min(1).max(100_000)
const ms = z.int().min(1).max(3_600_000)
const share = z.number().gt(0).max(1)

/** All times in ms. */
export const breakerSettings = z.strictObject({
  /** It opens when, of at least `minCalls` calls in this time, so many failed or so many were slow. */
  windowMs: ms.min(10).default(30_000),
  minCalls: count.default(10),
  failureShare: share.default(0.5),
  slowShare: share.default(0.8),
  /** A call whose first text comes later than this is slow. */
  slowMs: ms.default(20_000),
  /** It opens after so many failures in a row, however few calls there were. */
  failuresInRow: count.default(5),
  /** The same for refused credentials and used-up quotas, which do not heal by themselves. */
  refusalsInRow: count.default(3),
  /** How long it stays open, doubled each time it opens again, up to the second. */
  openMs: ms.default(15_000),
  maxOpenMs: ms.default(120_000),
  /** Longest `Retry-After` of a provider that is followed. */
  maxRetryAfterMs: ms.default(300_000),
  /** Calls that a half-open breaker lets through at a time, and how long one may go without being heard of. */
  probes: count.max(100).default(3),
  probeLeaseMs: ms.default(30_000),
  /** Probes that must succeed before it closes; it opens again when more fail than `probes` has beyond these. */
  closeAfter: count.default(2),
})
export type BreakerSettings = Readonly<z.infer<typeof breakerSettings>>
