/**
 * What lies in the queue: one event for one endpoint, without its address and its secret, which are looked up when it is
 * delivered. Also how it gets in: data that is too large is cut to what it refers to, and batches keep the platform's limits.
 */
import * as z from 'zod'
import { webhookEventType } from '../protocol/webhooks.ts'
import type { WebhookEvent } from './event.ts'

/** Of an event's data, as JSON. A message may have 128 KB on the platform. */
export const MAX_DATA_BYTES = 64 * 1024
/** Of one `sendBatch`: the platform allows 100 messages and 256 KB; the rest is for what it adds to each. */
const MAX_BATCH = 100
const MAX_BATCH_BYTES = 240 * 1024
/** A text of this length or less may be an id; longer ones are content. */
const MAX_REFERENCE_CHARS = 256
/** Fields that are kept of data that is too large. */
const MAX_REFERENCES = 50

export const queueMessage = z.object({
  endpointId: z.string(),
  event: z.object({
    id: z.string(),
    type: webhookEventType,
    at: z.number(),
    userId: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
  }),
})
export type QueueMessage = z.infer<typeof queueMessage>

const sizeOf = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length

/** The event as it may be sent: with `truncated: true` and its ids, numbers and short texts alone when it is too large. */
export function fitting(event: WebhookEvent): WebhookEvent {
  if (sizeOf(event.data) <= MAX_DATA_BYTES) return event
  const references = Object.entries(event.data)
    .filter(
      ([name, value]) =>
        name.length <= MAX_REFERENCE_CHARS &&
        (value === null ||
          ['number', 'boolean'].includes(typeof value) ||
          (typeof value === 'string' && value.length <= MAX_REFERENCE_CHARS)),
    )
    .slice(0, MAX_REFERENCES)
  return { ...event, data: { ...Object.fromEntries(references), truncated: true } }
}

/** In the same order, in as few batches as the platform allows. */
export function batchesOf(messages: readonly QueueMessage[]): QueueMessage[][] {
  const batches: QueueMessage[][] = []
  let bytes = 0
  for (const message of messages) {
    const size = sizeOf(message)
    const last = batches.at(-1)
    if (last && last.length < MAX_BATCH && bytes + size <= MAX_BATCH_BYTES) {
      last.push(message)
      bytes += size
    } else {
      batches.push([message])
      bytes = size
    }
  }
  return batches
}

/** The body of the request; the same for each attempt. */
export function bodyOf({ type, at, data }: Pick<WebhookEvent, 'type' | 'at' | 'data'> | TestEvent): string {
  return JSON.stringify({ type, timestamp: new Date(at).toISOString(), data })
}

/** What an endpoint is tried with. */
export interface TestEvent {
  readonly id: string
  readonly type: 'ping'
  readonly at: number
  readonly data: Readonly<Record<string, unknown>>
}
