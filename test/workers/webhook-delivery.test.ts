/**
 * Webhooks on their way: through the real queue to a real server, which verifies them by itself, and, where the time between
 * attempts matters, with the Worker's consumer called by hand.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import type { Env } from '../../src/env.ts'
import { createServices } from '../../src/services.ts'
import { createWebhooks } from '../../src/webhooks/wiring.ts'
import { newWebhookSecret } from '../../src/webhooks/sign.ts'
import { personWith } from './people.ts'
import {
  batchOf,
  consume,
  DEAD_QUEUE,
  deliveriesOf,
  endpointsOf,
  messageFor,
  newEndpoint,
  QUEUE,
  ReceiverPath,
  TestMessage,
} from './webhook-endpoints.ts'

const DATE = Date.UTC(2026, 10, 20)
const bindings = env as unknown as Env

describe('through the queue', () => {
  test('H1 H2 H8 a finished turn is told to the endpoint of whoever asked, signed, without a word of it', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada)
    const chat = await ada.request('POST', '/api/chat', { message: 'private question [[text=private]]' })
    const { conversationId } = await chat.json<{ conversationId: string }>()
    const [first] = await vi.waitUntil(async () => {
      const all = await receiver.received()
      return all.length > 0 && all
    }, 20_000)
    expect(first).toMatchObject({ verified: [true], signatures: 1, contentType: 'application/json' })
    expect(first?.id).toMatch(new RegExp(`^turn_${conversationId}_\\d+$`))
    expect(first?.body).toMatchObject({
      type: 'turn.completed',
      data: { conversationId, userId: ada.id, model: 'test-model' },
    })
    expect(JSON.stringify(first)).not.toContain('private')
    const [delivery] = await vi.waitUntil(async () => {
      const all = await deliveriesOf(ada, made.id)
      return all.length > 0 && all
    }, 20_000)
    expect(delivery).toMatchObject({ eventId: first?.id, outcome: 'delivered', attempt: 1, status: 204 })
    expect((await endpointsOf(ada))[0]?.lastSuccessAt).not.toBeNull()
  })

  test('H1 an incident is told to the endpoints of operators, and to the one that is configured', async () => {
    const [admin, configured] = [await personWith('admin'), new ReceiverPath()]
    const { receiver } = await newEndpoint(admin, undefined, '/api/admin/webhooks')
    const secret = newWebhookSecret()
    await configured.script({ secrets: [secret] })
    const sent: unknown[] = []
    const variables = { ALERT_WEBHOOK_URL: configured.url, ALERT_WEBHOOK_SECRET: secret }
    const services = createServices({
      ...bindings,
      ...variables,
      WEBHOOK_QUEUE: {
        sendBatch: (batch: Iterable<{ body: unknown }>) => Promise.resolve(void sent.push(...batch)),
      },
    } as unknown as Env)
    const [id, data] = [crypto.randomUUID(), { incidentId: 'i1' }]
    await services.webhooks.send([{ id, type: 'incident.opened', at: DATE, userId: null, data }])
    for (const { body } of sent as { body: unknown }[]) expect(await consume(body, { variables })).toBeNull()
    for (const told of [receiver, configured])
      expect((await told.received()).at(-1)).toMatchObject({ id, verified: [true], body: { data } })
  })
})

describe('a delivery', () => {
  test('H6 that fails comes again later, under the same id and signed anew, and is written down each time', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada, [{ status: 500 }, { status: 200 }])
    const message = messageFor(made.id)
    const delay = await consume(message)
    expect(delay).toBeGreaterThanOrEqual(10)
    expect(delay).toBeLessThanOrEqual(12)
    expect(await consume(message, { attempts: 2 })).toBeNull()
    expect(await receiver.received()).toMatchObject([
      { id: message.event.id, verified: [true] },
      { id: message.event.id, verified: [true] },
    ])
    expect(
      (await deliveriesOf(ada, made.id)).map(({ outcome, status, attempt }) => [outcome, status, attempt]),
    ).toEqual(
      expect.arrayContaining([
        ['failed', 500, 1],
        ['delivered', 200, 2],
      ]),
    )
  })

  test('H6 comes again when the receiver says', async () => {
    const ada = await personWith('user')
    const { made } = await newEndpoint(ada, [{ status: 429, headers: { 'retry-after': '300' } }])
    expect(await consume(messageFor(made.id))).toBe(300)
  })

  test('H5 does not follow a redirect, whatever kind', async () => {
    const ada = await personWith('user')
    const target = new ReceiverPath()
    for (const status of [301, 302, 303, 307, 308]) {
      const { made } = await newEndpoint(ada, [{ status, headers: { location: target.url } }])
      expect(await consume(messageFor(made.id))).not.toBeNull()
      expect((await deliveriesOf(ada, made.id))[0]).toMatchObject({ failure: 'redirect', status })
      await ada.request('DELETE', `/api/webhooks/${made.id}`)
    }
    expect(await target.received()).toEqual([])
  })

  test('H6 to a receiver that does not answer is given up in time; one whose answer never ends is done', async () => {
    const ada = await personWith('user')
    const { made: silent } = await newEndpoint(ada, [{ status: 'hang' }])
    const { made: endless } = await newEndpoint(ada, [{ status: 'drip' }])
    const webhooks = createWebhooks({
      db: env.DB,
      queue: env.WEBHOOK_QUEUE,
      isLocal: true,
      configured: null,
      secrets: secretsOf,
      report: () => {},
      limitMs: 300,
    })
    const messages = [silent, endless].map(({ id }) => new TestMessage(messageFor(id)))
    await webhooks.consume(batchOf(QUEUE, messages))
    expect(messages.map(({ verdicts }) => verdicts)).toEqual([[expect.any(Number)], [null]])
    expect((await deliveriesOf(ada, silent.id))[0]).toMatchObject({ failure: 'timeout', status: null })
    expect((await deliveriesOf(ada, endless.id))[0]).toMatchObject({ outcome: 'delivered' })
  })

  test('H6 to where nobody listens comes again', async () => {
    const ada = await personWith('user')
    const body = { url: 'http://127.0.0.1:1/', events: ['turn.completed'] }
    const { id } = await (await ada.request('POST', '/api/webhooks', body)).json<{ id: string }>()
    expect(await consume(messageFor(id))).not.toBeNull()
    expect((await deliveriesOf(ada, id))[0]).toMatchObject({ failure: 'network', outcome: 'failed' })
  })

  test('H9 that is answered 410 disables the endpoint, which is told nothing more', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada, [{ status: 410 }])
    expect(await consume(messageFor(made.id))).toBeNull()
    expect((await endpointsOf(ada))[0]?.disabled).toMatchObject({ reason: 'gone' })
    expect(await consume(messageFor(made.id))).toBeNull()
    expect(await receiver.received()).toHaveLength(1)
  })

  test('H5 to an address that is not allowed any more is not made', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada)
    await env.DB.prepare('UPDATE webhooks SET url = ? WHERE id = ?')
      .bind('http://169.254.169.254/latest', made.id)
      .run()
    expect(await consume(messageFor(made.id))).toBeNull()
    expect((await endpointsOf(ada))[0]?.disabled).toMatchObject({ reason: 'address_refused' })
    expect(await receiver.received()).toEqual([])
  })

  test('to an endpoint that is gone is done, and leaves no row', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada)
    await ada.request('DELETE', `/api/webhooks/${made.id}`)
    expect(await consume(messageFor(made.id))).toBeNull()
    expect(await consume(messageFor(made.id), { queue: DEAD_QUEUE })).toBeNull()
    expect(await receiver.received()).toEqual([])
    const row = await env.DB.prepare('SELECT 1 FROM webhook_deliveries WHERE endpoint_id = ?')
      .bind(made.id)
      .first()
    expect(row).toBeNull()
  })

  test.each([null, 'x', {}, { endpointId: 'a', event: { id: 1 } }])(
    'of what is no message is done: %j',
    async (body) => {
      expect(await consume(body)).toBeNull()
      expect(await consume(body, { queue: DEAD_QUEUE })).toBeNull()
    },
  )
})

describe('dead letters', () => {
  test('H9 are written down; five in a row disable the endpoint, and it says so', async () => {
    const ada = await personWith('user')
    const { made } = await newEndpoint(ada)
    const bury = (n: number) =>
      consume(messageFor(made.id, `dead-${n}`), { queue: DEAD_QUEUE, timestamp: DATE + n })
    for (const n of [1, 2, 3, 4]) expect(await bury(n)).toBeNull()
    // Told again, it counts once.
    expect(await bury(4)).toBeNull()
    expect((await endpointsOf(ada))[0]?.disabled).toBeNull()
    await bury(5)
    expect((await endpointsOf(ada))[0]?.disabled).toMatchObject({ reason: 'deliveries_failed' })
  })

  test('H9 count from the last success', async () => {
    const ada = await personWith('user')
    const { made } = await newEndpoint(ada)
    const now = Date.now()
    const bury = (n: number) =>
      consume(messageFor(made.id, `dead-${n}`), { queue: DEAD_QUEUE, timestamp: now + n })
    for (const n of [1, 2, 3, 4]) await bury(n)
    expect(await consume(messageFor(made.id))).toBeNull()
    for (const n of [5, 6, 7, 8]) await bury(n)
    expect((await endpointsOf(ada))[0]?.disabled).toBeNull()
    const dead = (await deliveriesOf(ada, made.id)).filter(({ outcome }) => outcome === 'dead')
    expect(dead).toHaveLength(8)
    expect(dead[0]).toMatchObject({ failure: 'given_up', eventId: 'dead-8' })
  })
})

/** What the Worker of the tests seals with: the secret of its local database. */
async function secretsOf(): Promise<string[]> {
  const row = await env.DB.prepare("SELECT value FROM settings WHERE name = 'auth_secret'").first<{
    value: string
  }>()
  return [row?.value ?? '']
}
