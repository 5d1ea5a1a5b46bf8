/**
 * Which limit was reached, as every refusal for that reason says it: in the body of a problem, and in the `error` frame of
 * a socket. How long to wait is beside it, in `retryAfterMs`.
 */
import * as z from 'zod'

export const limitReached = z.object({
  name: z.string(),
  /** What is counted (`requests`, `messages`, `tokens`, `usd`, `turns`, `connections`). */
  unit: z.string(),
  limit: z.number(),
  remaining: z.number(),
  /** When it is whole again, or the next period begins, ISO 8601; null when that is not a matter of time. */
  resetAt: z.string().nullable(),
})
export type LimitReached = z.infer<typeof limitReached>
