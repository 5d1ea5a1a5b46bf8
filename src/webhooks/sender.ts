/**
 * Hands events over: finds who is to be told of each and puts one message per endpoint into the queue. Most people have no
 * endpoint, and each of their turns comes by here: that somebody has none is kept in the isolate for a moment, so that a
 * busy conversation of theirs asks the database once in a while. A new endpoint elsewhere is known within that time.
 */
import type { WebhookEvent, WebhookEventType, Webhooks } from './event.ts'
import { batchesOf, fitting, type QueueMessage } from './queue-message.ts'

/** How long it may be missed that somebody has an endpoint now. */
export const NONE_KNOWN_MS = 30_000
/** Bounds the memory of an isolate; then all are asked for anew. */
const MAX_KNOWN = 10_000

export interface SenderDeps {
  /** Endpoints that are told, by owner; null: the operators'. */
  endpointsOf(
    ownerId: string | null,
  ): Promise<readonly { readonly id: string; readonly events: readonly WebhookEventType[] }[]>
  enqueue(batch: readonly QueueMessage[]): Promise<void>
  now(): number
}

export class WebhookSender implements Webhooks {
  readonly #deps: SenderDeps
  /** Who had none, and until when that is believed. */
  readonly #none = new Map<string, number>()

  constructor(deps: SenderDeps) {
    this.#deps = deps
  }

  async send(events: readonly WebhookEvent[]): Promise<void> {
    const messages: QueueMessage[] = []
    for (const [ownerId, own] of Map.groupBy(events, ({ userId }) => userId)) {
      if (this.#hasNone(ownerId)) continue
      const endpoints = await this.#deps.endpointsOf(ownerId)
      if (endpoints.length === 0) this.#believe(ownerId)
      for (const event of own.map(fitting)) {
        const told = endpoints.filter((endpoint) => endpoint.events.includes(event.type))
        messages.push(...told.map(({ id }) => ({ endpointId: id, event })))
      }
    }
    for (const batch of batchesOf(messages)) await this.#deps.enqueue(batch)
  }

  /** Whoever has an endpoint now, in this isolate, is told at once. */
  forget(ownerId: string | null): void {
    this.#none.delete(keyOf(ownerId))
  }

  #hasNone(ownerId: string | null): boolean {
    const until = this.#none.get(keyOf(ownerId))
    return until !== undefined && this.#deps.now() < until
  }

  #believe(ownerId: string | null): void {
    if (this.#none.size >= MAX_KNOWN) this.#none.clear()
    this.#none.set(keyOf(ownerId), this.#deps.now() + NONE_KNOWN_MS)
  }
}

/** No user id is empty. */
const keyOf = (ownerId: string | null): string => ownerId ?? ''
