/**
 * Puts the sender, the endpoints and the consumer of the queues over one database and one queue. The composition root hands
 * these in; what is done with them is decided in the files beside this one.
 */
import { ATTEMPT_LIMIT_MS } from './attempt.ts'
import * as store from '../storage/webhooks.ts'
import { bury, deliver, type DeliveryDeps, type Letter, type Verdict } from './delivery.ts'
import { Endpoints } from './endpoints.ts'
import type { WebhookEvent, WebhookEventType } from './event.ts'
import { SealedSecrets } from './sealed-secret.ts'
import { WebhookSender } from './sender.ts'

export interface WebhookParts {
  readonly db: D1Database
  readonly queue: Queue
  readonly isLocal: boolean
  /** The operators' endpoint of the variables. */
  readonly configured: { readonly url: string; readonly secret: string } | null
  /** What secrets are sealed with: the current AUTH_SECRET first, then the one before. */
  readonly secrets: () => Promise<readonly string[]>
  readonly report: DeliveryDeps['report']
  /** Of one attempt, ms. */
  readonly limitMs?: number
}

/** How the queue of dead letters is told from the other: wrangler.toml names both. */
const DEAD_QUEUE = /-dead$/

export type WebhookServices = ReturnType<typeof createWebhooks>

export function createWebhooks(parts: WebhookParts) {
  const { db, queue, configured, report } = parts
  const now = (): number => Date.now()
  const delivery: Omit<DeliveryDeps, 'target'> = {
    fetch: (...args: Parameters<typeof fetch>) => fetch(...args),
    rules: { isLocal: parts.isLocal },
    limitMs: parts.limitMs ?? ATTEMPT_LIMIT_MS,
    now,
    random: () => Math.random(),
    record: (row, disable) => store.recordDelivery(db, row, disable),
    recordDead: (row, most) => store.recordDead(db, row, most),
    report,
  }
  const endpoints = new Endpoints({
    db,
    seals: new SealedSecrets(parts.secrets),
    configured,
    delivery,
    added: (ownerId) => sender.forget(ownerId),
  })
  const sender = new WebhookSender({
    endpointsOf: async (ownerId) =>
      (await endpoints.told(ownerId)).map(({ id, events }) => ({ id, events: events as WebhookEventType[] })),
    enqueue: async (batch) =>
      void (await queue.sendBatch(batch.map((body) => ({ body, contentType: 'json' as const })))),
    now,
  })
  const deliveryDeps: DeliveryDeps = { ...delivery, target: (id) => endpoints.target(id) }
  return {
    endpoints,
    send: (events: readonly WebhookEvent[]) => sender.send(events),
    /** Each message is settled by itself: one receiver that is down holds up none of the others. */
    async consume(batch: MessageBatch): Promise<void> {
      const isDead = DEAD_QUEUE.test(batch.queue)
      const settle = (letter: Letter): Promise<Verdict> =>
        isDead ? bury(letter, deliveryDeps) : deliver(letter, deliveryDeps)
      await Promise.all(
        batch.messages.map(async (message) => {
          const verdict = await settle(message)
          if (verdict.done) message.ack()
          else message.retry({ delaySeconds: verdict.delayS })
        }),
      )
    },
  }
}
