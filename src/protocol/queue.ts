/**
 * What an operator is told of the queues in front of providers (rule Q12), and may do about dead letters. For the server
 * and the client.
 */
import * as z from 'zod'
import { priority, providerName } from './ids.ts'
import { providerLimits } from './provider-limits.ts'

const count = z.int().nonnegative()
/** Null where nothing was granted. */
const ms = z.int().nonnegative().nullable()

/** One priority of one provider; counts and waits are of the last five minutes. */
export const queuePriority = z.object({
  priority,
  waiting: count,
  grantedPerMinute: count,
  granted: count,
  p50Ms: ms,
  p95Ms: ms,
  p99Ms: ms,
})

/** `<provider>.<shard>.<number>` */
export const deadLetterId = z
  .string()
  .max(64)
  .regex(/^[a-z0-9][a-z0-9-]{0,31}\.\d{1,2}\.\d{1,15}$/, 'must be the id of a dead letter')

export const deadLetter = z.object({
  id: deadLetterId,
  conversationId: z.string(),
  turnId: z.string(),
  userId: z.string(),
  priority,
  /** Its conversation did not answer, or took places and died with them. */
  why: z.enum(['not_told', 'lost_leases']),
  at: z.iso.datetime(),
  attempts: count,
})

export const providerQueue = z.object({
  provider: providerName,
  limits: providerLimits,
  /** Calls that have a place now. */
  running: count,
  waiting: count,
  timedOut: count,
  /** The most urgent first. */
  priorities: z.array(queuePriority),
  /** Newest first. */
  deadLetters: z.array(deadLetter),
})
export type ProviderQueue = z.infer<typeof providerQueue>

/** `GET /queue`: in the order of the configuration; a provider without limits has none. */
export const queueAnswer = z.object({ providers: z.array(providerQueue) })
export type QueueAnswer = z.infer<typeof queueAnswer>

/** `POST /queue/dead-letters/:id/requeue` */
export const requeueAnswer = z.object({ requeued: z.literal(true) })
export type RequeueAnswer = z.infer<typeof requeueAnswer>
