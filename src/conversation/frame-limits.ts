/**
 * How fast one connection may send, by kind of frame. In memory: a connection that slept was slow. What is too fast is
 * refused and nothing else happens: the connection stays, and the frame may be sent again (rule L5).
 */
import { AppError } from '../errors.ts'
import { take, type BucketState } from '../limits/token-bucket.ts'
import type { ClientFrame } from '../protocol/client-frames.ts'
import type { FrameRates } from '../protocol/plan.ts'
import type { Reader } from './room.ts'

type Kind = keyof FrameRates

const KIND: Partial<Record<ClientFrame['type'], Kind>> = {
  stream_chat: 'chat',
  continue_turn: 'chat',
  typing: 'typing',
  join_conversation: 'join',
}

export class FrameLimits {
  readonly #rates: FrameRates
  readonly #now: () => number
  readonly #buckets = new WeakMap<Reader, Map<Kind, BucketState>>()

  constructor(rates: FrameRates, now: () => number) {
    this.#rates = rates
    this.#now = now
  }

  /**
   * Counts one frame.
   *
   * @param type null for what is no frame of this protocol
   * @throws AppError `rate_limited`
   */
  count(reader: Reader, type: ClientFrame['type'] | null): void {
    const kind = (type && KIND[type]) ?? 'other'
    let buckets = this.#buckets.get(reader)
    if (!buckets) this.#buckets.set(reader, (buckets = new Map()))
    const now = this.#now()
    const size = this.#rates[kind]
    const taken = take(buckets.get(kind) ?? null, size, now)
    buckets.set(kind, taken.state)
    if (taken.ok) return
    throw new AppError('rate_limited', 'This connection sends too fast. Wait a moment and send it again.', {
      retryAfterMs: taken.retryAfterMs,
      limit: {
        name: `socket_${kind}`,
        unit: 'frames',
        limit: size.capacity,
        remaining: taken.remaining,
        resetAt: new Date(now + taken.fullAfterMs).toISOString(),
      },
    })
  }
}
