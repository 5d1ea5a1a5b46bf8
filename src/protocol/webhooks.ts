/**
 * Webhooks: which events there are, the endpoints that are told of them, and what became of deliveries. For the server and
 * the client. What a receiver is sent is said in README.md, "Webhooks".
 */
import * as z from 'zod'

const at = z.iso.datetime()

/** What people's own endpoints may be told of, and what those of the operators. */
export const PERSONAL_EVENTS = ['turn.completed'] as const
export const OPERATOR_EVENTS = [
  'incident.opened',
  'incident.escalated',
  'incident.acknowledged',
  'incident.resolved',
] as const
export const webhookEventType = z.enum([...PERSONAL_EVENTS, ...OPERATOR_EVENTS])

/** As in webhooks/address.ts. */
const url = z.string().min(1).max(2_048)

/** Of an endpoint, as Standard Webhooks writes it: base64 of 24 to 64 bytes. */
export const webhookSecret = z
  .string()
  .regex(
    /^whsec_(?:(?:[A-Za-z\d+/]{4}){8,20}(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?|(?:[A-Za-z\d+/]{4}){21}(?:[A-Za-z\d+/]{2}==)?)$/,
    'must be "whsec_" and 24 to 64 bytes in base64',
  )

const eventsOf = <T extends readonly [string, ...string[]]>(names: T) =>
  z
    .array(z.enum(names))
    .min(1)
    .refine((events) => new Set(events).size === events.length, 'names an event twice')

/** `POST /webhooks` */
export const createWebhookBody = z.strictObject({ url, events: eventsOf(PERSONAL_EVENTS) })
export type CreateWebhookBody = z.infer<typeof createWebhookBody>

/** `POST /admin/webhooks` */
export const createAlertWebhookBody = z.strictObject({ url, events: eventsOf(OPERATOR_EVENTS) })
export type CreateAlertWebhookBody = z.infer<typeof createAlertWebhookBody>

/** Why nothing is sent to an endpoint any more; a test that succeeds enables it again. */
export const disabledReason = z.enum([
  /** It answered 410. */
  'gone',
  /** Five deliveries in a row were given up. */
  'deliveries_failed',
  /** Its address is not allowed (any more). */
  'address_refused',
  /** Its secret cannot be read, because `AUTH_SECRET` was replaced twice: rotate it. */
  'secret_unreadable',
])
export type DisabledReason = z.infer<typeof disabledReason>

export const webhook = z.object({
  /** `configured`: that of the variables ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET. */
  id: z.string(),
  url: z.string(),
  events: z.array(z.string()),
  createdAt: at.nullable(),
  disabled: z.object({ at, reason: disabledReason }).nullable(),
  /** To the minute. */
  lastSuccessAt: at.nullable(),
  lastFailureAt: at.nullable(),
})
export type Webhook = z.infer<typeof webhook>

/** `GET /webhooks`, newest first. */
export const webhooksAnswer = z.object({ webhooks: z.array(webhook) })
export type WebhooksAnswer = z.infer<typeof webhooksAnswer>

/** `POST /webhooks` → 201, and `POST /webhooks/:id/rotate`. No other answer has the secret. */
export const webhookSecretAnswer = webhook.extend({ secret: z.string() })
export type WebhookSecretAnswer = z.infer<typeof webhookSecretAnswer>

export const deliveryOutcome = z.enum(['delivered', 'failed', 'dead'])
/** How an attempt failed: its status is said beside it. */
export const deliveryFailure = z.enum([
  'status',
  'redirect',
  'timeout',
  'network',
  'address_refused',
  'secret_unreadable',
  'given_up',
])
export type DeliveryFailure = z.infer<typeof deliveryFailure>

export const delivery = z.object({
  /** `webhook-id` of the request. */
  eventId: z.string(),
  type: z.string(),
  at,
  /** From 1. */
  attempt: z.int(),
  /** `failed` is tried again; `dead` is not. */
  outcome: deliveryOutcome,
  failure: deliveryFailure.nullable(),
  /** HTTP status of the answer; null when there was none. */
  status: z.int().nullable(),
  durationMs: z.int(),
})
export type Delivery = z.infer<typeof delivery>

/** `GET /webhooks/:id/deliveries`: the last 50 of the last 7 days, newest first. */
export const deliveriesAnswer = z.object({ deliveries: z.array(delivery) })
export type DeliveriesAnswer = z.infer<typeof deliveriesAnswer>

/** `POST /webhooks/:id/test`: one attempt, now. */
export const testAnswer = delivery
export type TestAnswer = z.infer<typeof testAnswer>

export const webhookParam = z.object({ id: z.string().max(64) })
