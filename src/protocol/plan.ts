/**
 * The shape of a plan, as an operator writes it into the variable `PLANS`: a part of a plan over the standard one
 * (`limits/plans.ts`), by name. Here, because the configuration checks it and may import nothing but the protocol.
 */
import * as z from 'zod'

const most = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER)
/** Null: without a limit. */
const whole = most.int().nullable()

const bucket = z.strictObject({
  /** Requests that may come at once. */
  capacity: z.int().min(1).max(1_000_000),
  /** How fast they come back. */
  perSecond: z.number().min(0.001).max(1_000_000),
})
export type BucketSize = Readonly<z.infer<typeof bucket>>

export const plan = z.strictObject({
  messagesPerDay: whole,
  tokensPerDay: whole,
  tokensPerMonth: whole,
  /** US dollars. */
  usdPerMonth: most.max(1_000_000_000).nullable(),
  /** Turns that have not ended, waiting ones included. */
  concurrentTurns: whole.refine((n) => n === null || n <= 1_000, 'must be at most 1000'),
  documents: whole,
  storageBytes: whole,
  buckets: z.strictObject({ read: bucket, write: bucket, auth: bucket, manage: bucket, admin: bucket }),
})
export type Plan = z.infer<typeof plan>

export const planName = z.string().min(1).max(32)

export const planOverrides = z.record(
  planName,
  plan.partial().extend({ buckets: plan.shape.buckets.partial().optional() }),
)
export type PlanOverrides = z.infer<typeof planOverrides>

/** Of one socket, by kind of frame. */
export const frameRates = z.strictObject({ chat: bucket, typing: bucket, join: bucket, other: bucket })
export type FrameRates = z.infer<typeof frameRates>
