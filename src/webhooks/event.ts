/**
 * What is told to other people's servers, and how it is handed over: by whoever knows of a fact, to the queue that
 * delivers it. Delivery is at least once; `id` is the same for each attempt, so that a receiver can count it once.
 */
import { OPERATOR_EVENTS, PERSONAL_EVENTS } from '../protocol/webhooks.ts'

export const WEBHOOK_EVENTS = [...PERSONAL_EVENTS, ...OPERATOR_EVENTS] as const
export type WebhookEventType = (typeof WEBHOOK_EVENTS)[number]

export interface WebhookEvent {
  readonly id: string
  readonly type: WebhookEventType
  /** Ms since the epoch at which it happened. */
  readonly at: number
  /** Whose endpoints are told; null: those of the operators. */
  readonly userId: string | null
  readonly data: Readonly<Record<string, unknown>>
}

export interface Webhooks {
  /** Hands over events for delivery. @throws when the queue does not take them: hand them over again */
  send(events: readonly WebhookEvent[]): Promise<void>
}
