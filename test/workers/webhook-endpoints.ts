/**
 * Webhooks as tests meet them: a receiver of one's own at the server of the global setup, an endpoint that leads there, and
 * the consumer of the queues, driven by hand with messages of the test's making.
 */
import { env } from 'cloudflare:workers'
import { inject } from 'vitest'
import worker from '../../src/index.ts'
import {
  deliveriesAnswer,
  webhookSecretAnswer,
  webhooksAnswer,
  type Delivery,
  type Webhook,
  type WebhookSecretAnswer,
} from '../../src/protocol/webhooks.ts'
import type { Received, ReceiverAnswer } from '../support/webhook-receiver.ts'

export interface Asker {
  request(method: string, path: string, body?: unknown): Promise<Response>
}

export const QUEUE = 'parley-webhooks'
export const DEAD_QUEUE = 'parley-webhooks-dead'

export class ReceiverPath {
  readonly #path: string = crypto.randomUUID()

  get url(): string {
    return `${inject('receiverUrl')}/in/${this.#path}`
  }

  async script(script: {
    readonly secrets?: readonly string[]
    readonly answers?: readonly ReceiverAnswer[]
  }): Promise<void> {
    const body = JSON.stringify(script)
    await fetch(`${inject('receiverUrl')}/script/${this.#path}`, { method: 'PUT', body })
  }

  async received(): Promise<Received[]> {
    return await (await fetch(`${inject('receiverUrl')}/received/${this.#path}`)).json<Received[]>()
  }
}

/** An endpoint of this person that leads to a receiver of its own. */
export async function newEndpoint(
  owner: Asker,
  answers: readonly ReceiverAnswer[] = [{ status: 204 }],
  base = '/api/webhooks',
): Promise<{ made: WebhookSecretAnswer; receiver: ReceiverPath }> {
  const receiver = new ReceiverPath()
  const events = base === '/api/webhooks' ? ['turn.completed'] : ['incident.opened']
  const response = await owner.request('POST', base, { url: receiver.url, events })
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
  const made = webhookSecretAnswer.strict().parse(await response.json())
  await receiver.script({ secrets: [made.secret], answers })
  return { made, receiver }
}

export async function deliveriesOf(owner: Asker, id: string, base = '/api/webhooks'): Promise<Delivery[]> {
  const response = await owner.request('GET', `${base}/${id}/deliveries`)
  return deliveriesAnswer.parse(await response.json()).deliveries
}

export async function endpointsOf(owner: Asker, base = '/api/webhooks'): Promise<Webhook[]> {
  return webhooksAnswer.parse(await (await owner.request('GET', base)).json()).webhooks
}

export const messageFor = (endpointId: string, eventId: string = crypto.randomUUID()) => ({
  endpointId,
  event: {
    id: eventId,
    type: 'turn.completed' as const,
    at: Date.UTC(2026, 10, 20),
    userId: 'user:ada',
    data: { conversationId: 'c1' },
  },
})

/** A message that remembers what was said of it; that of `createMessageBatch` forgets for how long it is put off. */
export class TestMessage implements Message {
  readonly id: string = crypto.randomUUID()
  readonly timestamp: Date
  /** Seconds after which it comes again; null: it is done. */
  readonly verdicts: (number | null)[] = []

  constructor(
    readonly body: unknown,
    readonly attempts = 1,
    timestamp = Date.now(),
  ) {
    this.timestamp = new Date(timestamp)
  }

  ack(): void {
    this.verdicts.push(null)
  }

  retry({ delaySeconds = 0 }: QueueRetryOptions = {}): void {
    this.verdicts.push(delaySeconds)
  }
}

export function batchOf(queue: string, messages: TestMessage[]): MessageBatch {
  const never = (): never => {
    throw new Error('each message is settled by itself')
  }
  const metadata = { metrics: { backlogCount: 0, backlogBytes: 0 } }
  return { queue, messages, metadata, ackAll: never, retryAll: never }
}

/** Hands one message to the Worker's consumer. @returns the seconds after which it comes again; null when it is done */
export async function consume(
  body: unknown,
  { queue = QUEUE, attempts = 1, timestamp = Date.now(), variables = {} } = {},
): Promise<number | null> {
  const message = new TestMessage(body, attempts, timestamp)
  await worker.queue(batchOf(queue, [message]), { ...env, ...variables })
  if (message.verdicts.length !== 1) throw new Error('the message was settled more or less than once')
  return message.verdicts[0] ?? null
}
