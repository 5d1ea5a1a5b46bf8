/**
 * The routes of webhooks: what is taken and refused, whose an endpoint is, that its secret is seen once, what rotating and
 * trying do, and that all of it goes with its person.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import type { Env } from '../../src/env.ts'
import { exported } from '../../src/protocol/privacy.ts'
import { delivery, webhookSecretAnswer } from '../../src/protocol/webhooks.ts'
import { createServices } from '../../src/services.ts'
import { tablesWith, untilErased } from './erasures.ts'
import { askWith } from './http-checks.ts'
import { personWith, trailOf, whileNotInTrail } from './people.ts'
import { consume, deliveriesOf, endpointsOf, messageFor, newEndpoint } from './webhook-endpoints.ts'
import { problemOf } from './worker-guest.ts'

const PERSONAL = { url: 'https://hooks.example/in', events: ['turn.completed'] }
const ALERTS = { url: 'https://hooks.example/in', events: ['incident.opened', 'incident.resolved'] }

describe('an endpoint', () => {
  test('H3 has a secret that is shown once, and lies sealed in the database', async () => {
    const ada = await personWith('user')
    const { made } = await newEndpoint(ada)
    const { secret, ...rest } = made
    expect(secret).toMatch(/^whsec_/)
    expect(await endpointsOf(ada)).toEqual([rest])
    expect(await tablesWith(secret)).toEqual([])
    expect(await tablesWith(secret.slice('whsec_'.length))).toEqual([])
  })

  test('is in the trail by its id, without its address', async () => {
    const ada = await personWith('user')
    const { made } = await newEndpoint(ada)
    await ada.request('POST', `/api/webhooks/${made.id}/rotate`)
    await ada.request('POST', `/api/webhooks/${made.id}/test`)
    await ada.request('DELETE', `/api/webhooks/${made.id}`)
    const entries = await trailOf({ resource: `webhook:${made.id}` })
    expect(entries.map(({ action }) => action)).toEqual([
      'webhook_removed',
      'webhook_tested',
      'webhook_rotated',
      'webhook_created',
    ])
    expect(JSON.stringify(entries)).not.toContain('127.0.0.1')
  })

  test('stays while the trail cannot say that it went', async () => {
    const ada = await personWith('user')
    const { made } = await newEndpoint(ada)
    await consume(messageFor(made.id))
    const before = await deliveriesOf(ada, made.id)
    await whileNotInTrail('webhook_removed', async () => {
      expect((await ada.request('DELETE', `/api/webhooks/${made.id}`)).status).toBe(500)
    })
    expect(await endpointsOf(ada)).toMatchObject([{ id: made.id }])
    expect(before).toHaveLength(1)
    expect(await deliveriesOf(ada, made.id)).toEqual(before)
    expect((await ada.request('DELETE', `/api/webhooks/${made.id}`)).status).toBe(204)
    expect(await trailOf({ resource: `webhook:${made.id}`, action: 'webhook_removed' })).toHaveLength(1)
  })

  test("id guessing: H4 another's answers like one that does not exist, on every route, and goes on", async () => {
    const [ada, eve, admin] = [await personWith('user'), await personWith('user'), await personWith('admin')]
    const { made, receiver } = await newEndpoint(ada)
    for (const [who, base] of [
      [eve, '/api/webhooks'],
      [admin, '/api/webhooks'],
      [admin, '/api/admin/webhooks'],
    ] as const) {
      for (const [method, path] of [
        ['DELETE', ''],
        ['POST', '/rotate'],
        ['POST', '/test'],
        ['GET', '/deliveries'],
      ] as const) {
        const foreign = await problemOf(await who.request(method, `${base}/${made.id}${path}`))
        const unknown = await problemOf(await who.request(method, `${base}/wh_${'0'.repeat(32)}${path}`))
        expect(foreign).toEqual(unknown)
        expect(foreign).toMatchObject({ status: 404, code: 'not_found' })
      }
      expect(await endpointsOf(who, base)).not.toContainEqual(expect.objectContaining({ id: made.id }))
    }
    expect((await trailOf({ resource: `webhook:${made.id}` })).map(({ action }) => action)).toEqual([
      'webhook_created',
    ])
    expect(await receiver.received()).toEqual([])
    expect(await consume(messageFor(made.id))).toBeNull()
    expect(await receiver.received()).toMatchObject([{ verified: [true] }])
  })

  test('H4 a person has ten, also when they ask for more at once', async () => {
    const ada = await personWith('user')
    const tries = await Promise.all(
      Array.from({ length: 15 }, () => ada.request('POST', '/api/webhooks', PERSONAL)),
    )
    expect(tries.filter(({ status }) => status === 201)).toHaveLength(10)
    expect(tries.filter(({ status }) => status === 409)).toHaveLength(5)
    expect(await trailOf({ actor: ada.id, action: 'webhook_created' })).toHaveLength(10)
  })

  test('H4 of the operators is any admin’s to handle', async () => {
    const [one, two] = [await personWith('admin'), await personWith('admin')]
    const made = webhookSecretAnswer.parse(
      await (await one.request('POST', '/api/admin/webhooks', ALERTS)).json(),
    )
    expect(await endpointsOf(two, '/api/admin/webhooks')).toContainEqual(
      expect.objectContaining({ id: made.id, events: ALERTS.events }),
    )
    expect((await two.request('DELETE', `/api/admin/webhooks/${made.id}`)).status).toBe(204)
  })

  test.each([
    ['url', { url: 'not an address' }],
    ['url', { url: '' }],
    ['url', { url: 7 }],
    ['url', { url: `https://hooks.example/${'a'.repeat(3000)}` }],
    ['url', { url: 'ftp://hooks.example/' }],
    ['url', { url: 'https://me:secret@hooks.example/' }],
    ['url', { url: 'http://169.254.169.254/latest/meta-data/' }],
    ['url', { url: 'http://parley.test/api/admin/users' }],
    ['events', { events: [] }],
    ['events', { events: ['turn.completed', 'turn.completed'] }],
    ['events', { events: ['incident.opened'] }],
    ['events', { events: ['*'] }],
    ['secret', { secret: 'whsec_mine' }],
    ['ownerId', { ownerId: null }],
    ['id', { id: 'configured' }],
    ['disabledAt', { disabledAt: null }],
  ])('mass assignment and bad input: H5 refuses %s: %j', async (field, change) => {
    const ada = await personWith('user')
    const problem = await problemOf(await ada.request('POST', '/api/webhooks', { ...PERSONAL, ...change }))
    expect(problem).toMatchObject({ status: 422, code: 'validation_failed' })
    expect(problem.field?.split('.')[0]).toBe(field)
    expect(await endpointsOf(ada)).toEqual([])
  })

  test.each(['http://hooks.example/', 'https://localhost/', 'https://127.0.0.1/', 'https://db.internal/'])(
    'H5 is refused in production at %s',
    async (url) => {
      const { token } = await personWith('user')
      const services = createServices(env as unknown as Env)
      await services.ready()
      const secret = await env.DB.prepare(
        "SELECT value FROM settings WHERE name = 'auth_secret'",
      ).first<string>('value')
      const response = await askWith({ ENVIRONMENT: 'production', AUTH_SECRET: secret }, '/api/webhooks', {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ ...PERSONAL, url }),
      })
      expect(await problemOf(response)).toMatchObject({ status: 422, field: 'url' })
    },
  )
})

describe('rotating', () => {
  test('H3 signs with both secrets for a day, then with the new one', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada)
    const answer = await ada.request('POST', `/api/webhooks/${made.id}/rotate`)
    const { secret } = webhookSecretAnswer.parse(await answer.json())
    expect(secret).not.toBe(made.secret)
    await receiver.script({ secrets: [made.secret, secret] })
    await consume(messageFor(made.id))
    await env.DB.prepare('UPDATE webhooks SET previous_until = ? WHERE id = ?')
      .bind(Date.now() - 1, made.id)
      .run()
    await consume(messageFor(made.id))
    expect(await receiver.received()).toMatchObject([
      { signatures: 2, verified: [true, true] },
      { signatures: 1, verified: [false, true] },
    ])
  })

  test('H3 AUTH_SECRET keeps secrets readable, and the hourly run seals them with the new one', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada)
    const old = await env.DB.prepare("SELECT value FROM settings WHERE name = 'auth_secret'").first<string>(
      'value',
    )
    const next = crypto.randomUUID() + crypto.randomUUID()
    const both = { AUTH_SECRET: next, AUTH_SECRET_PREVIOUS: old }
    expect(await consume(messageFor(made.id), { variables: both })).toBeNull()
    await createServices({ ...env, ...both }).webhooks.endpoints.tidy()
    expect(await consume(messageFor(made.id), { variables: { AUTH_SECRET: next } })).toBeNull()
    expect(await receiver.received()).toMatchObject([{ verified: [true] }, { verified: [true] }])
    // The Worker of these tests does not know the new one: it says so, and a rotation mends it.
    expect(await consume(messageFor(made.id))).toBeNull()
    expect((await endpointsOf(ada))[0]?.disabled).toMatchObject({ reason: 'secret_unreadable' })
    expect(await problemOf(await ada.request('POST', `/api/webhooks/${made.id}/test`))).toMatchObject({
      status: 409,
    })
    expect((await ada.request('POST', `/api/webhooks/${made.id}/rotate`)).status).toBe(200)
    expect((await endpointsOf(ada))[0]?.disabled).toBeNull()
    // Others' endpoints of this file are sealed anew too: back to the secret that the Worker has.
    await createServices({
      ...env,
      AUTH_SECRET: old,
      AUTH_SECRET_PREVIOUS: next,
    }).webhooks.endpoints.tidy()
  })
})

describe('a test', () => {
  test('H10 sends one signed ping and says what became of it', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada, [{ status: 202 }])
    const answer = delivery
      .strict()
      .parse(await (await ada.request('POST', `/api/webhooks/${made.id}/test`)).json())
    expect(answer).toMatchObject({ type: 'ping', outcome: 'delivered', status: 202, failure: null })
    expect(await receiver.received()).toMatchObject([
      { id: answer.eventId, verified: [true], body: { type: 'ping', data: { webhookId: made.id } } },
    ])
    expect(await deliveriesOf(ada, made.id)).toEqual([answer])
  })

  test('H10 that succeeds enables an endpoint again; one that fails does not, and nothing is tried again', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada, [{ status: 410 }, { status: 500 }, { status: 200 }])
    await consume(messageFor(made.id))
    const outcome = async (): Promise<unknown> =>
      (await (await ada.request('POST', `/api/webhooks/${made.id}/test`)).json<{ outcome: string }>()).outcome
    expect(await outcome()).toBe('dead')
    expect((await endpointsOf(ada))[0]?.disabled).not.toBeNull()
    expect(await outcome()).toBe('delivered')
    expect((await endpointsOf(ada))[0]?.disabled).toBeNull()
    expect(await consume(messageFor(made.id))).toBeNull()
    expect(await receiver.received()).toHaveLength(4)
  })
})

test('H10 deliveries are the last 50 of a week; what is older goes', async () => {
  const ada = await personWith('user')
  const { made } = await newEndpoint(ada)
  const day = 24 * 3600 * 1000
  const add = env.DB.prepare(
    "INSERT INTO webhook_deliveries VALUES (?, ?, ?, 'turn.completed', 1, 'delivered', NULL, 200, 5)",
  )
  const now = Date.now()
  await env.DB.batch([
    ...Array.from({ length: 60 }, (_, n) => add.bind(made.id, now - n, `e${n}`)),
    add.bind(made.id, now - 8 * day, 'old'),
  ])
  const shown = await deliveriesOf(ada, made.id)
  expect(shown.map(({ eventId }) => eventId)).toEqual(Array.from({ length: 50 }, (_, n) => `e${n}`))
  await createServices(env as unknown as Env).webhooks.endpoints.tidy()
  const { results } = await env.DB.prepare('SELECT event_id FROM webhook_deliveries WHERE endpoint_id = ?')
    .bind(made.id)
    .all()
  expect(results).toHaveLength(60)
})

test('P1 P3 endpoints are in the export without secrets, and go with their person', async () => {
  const ada = await personWith('user')
  const { made } = await newEndpoint(ada)
  await consume(messageFor(made.id))
  const { webhooks } = exported.parse(await (await ada.request('GET', '/api/me/export')).json())
  expect(webhooks).toMatchObject([{ id: made.id, url: made.url, events: ['turn.completed'] }])
  const { receiptId } = await (await ada.request('DELETE', '/api/me', {})).json<{ receiptId: string }>()
  const { receipt } = await untilErased(ada.id, receiptId)
  expect(receipt.removed).toMatchObject({ webhooks: 1, account: 1 })
  expect(await tablesWith(made.id)).toEqual(['audit'])
  expect(await tablesWith(made.url)).toEqual([])
})
