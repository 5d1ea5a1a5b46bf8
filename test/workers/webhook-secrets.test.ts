/**
 * Secrets of webhooks when something goes wrong: an answer that nobody got, two who rotate at once, a trail that cannot be
 * written. What a receiver has goes on signing, and what somebody was told signs.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { webhookSecretAnswer } from '../../src/protocol/webhooks.ts'
import { createServices } from '../../src/services.ts'
import { personWith, trailOf, whileNotInTrail } from './people.ts'
import { consume, endpointsOf, messageFor, newEndpoint, type Asker } from './webhook-endpoints.ts'
import { problemOf } from './worker-guest.ts'

async function rotated(owner: Asker, id: string): Promise<string> {
  const answer = await owner.request('POST', `/api/webhooks/${id}/rotate`)
  return webhookSecretAnswer.parse(await answer.json()).secret
}

const previousOf = (id: string) =>
  env.DB.prepare('SELECT previous_secret, previous_until FROM webhooks WHERE id = ?').bind(id).first()

const setPrevious = (id: string, column: 'previous_secret' | 'previous_until', value: string | number) =>
  env.DB.prepare(`UPDATE webhooks SET ${column} = ? WHERE id = ?`).bind(value, id).run()

describe('rotating again', () => {
  test('H3 within a day keeps the secret that was replaced first, until its day is over', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada)
    const lost = await rotated(ada, made.id)
    const kept = await previousOf(made.id)
    const newest = await rotated(ada, made.id)
    expect(await previousOf(made.id)).toEqual(kept)
    await receiver.script({ secrets: [made.secret, lost, newest] })
    await consume(messageFor(made.id))
    await setPrevious(made.id, 'previous_until', Date.now() - 1)
    await consume(messageFor(made.id))
    expect(await receiver.received()).toMatchObject([
      { signatures: 2, verified: [true, false, true] },
      { signatures: 1, verified: [false, false, true] },
    ])
  })

  test('H3 after that day keeps the newest', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada)
    const second = await rotated(ada, made.id)
    await setPrevious(made.id, 'previous_until', Date.now() - 1)
    const third = await rotated(ada, made.id)
    await receiver.script({ secrets: [made.secret, second, third] })
    await consume(messageFor(made.id))
    expect(await receiver.received()).toMatchObject([{ signatures: 2, verified: [false, true, true] }])
  })

  test('H3 keeps the newest where nobody can read the one before', async () => {
    const ada = await personWith('user')
    const { made, receiver } = await newEndpoint(ada)
    const second = await rotated(ada, made.id)
    await setPrevious(made.id, 'previous_secret', 'v1.gone.gone.gone')
    const third = await rotated(ada, made.id)
    await receiver.script({ secrets: [second, third] })
    await consume(messageFor(made.id))
    expect(await receiver.received()).toMatchObject([{ signatures: 2, verified: [true, true] }])
  })
})

test('H3 of two who rotate at once one is told a secret, which signs; the other is told of a conflict', async () => {
  const ada = await personWith('user')
  const { made, receiver } = await newEndpoint(ada)
  const told: string[] = []
  // Between what the second one read and what it writes, the first one is done.
  const DB = new Proxy(env.DB, {
    get(db, name) {
      const method = (Reflect.get(db, name) as (...args: unknown[]) => unknown).bind(db)
      if (name !== 'batch') return method
      return async (...args: unknown[]) => {
        told.push(await rotated(ada, made.id))
        return await method(...args)
      }
    },
  })
  const { endpoints } = createServices({ ...env, DB }).webhooks
  const by = { actor: { userId: ada.id, role: 'user' }, requestId: 'r1', address: null, agent: null } as const
  await expect(endpoints.rotate(ada.id, made.id, by)).rejects.toMatchObject({ code: 'conflict' })
  expect(told).toHaveLength(1)
  await receiver.script({ secrets: [made.secret, ...told] })
  await consume(messageFor(made.id))
  expect(await receiver.received()).toMatchObject([{ signatures: 2, verified: [true, true] }])
  expect(await trailOf({ resource: `webhook:${made.id}`, action: 'webhook_rotated' })).toHaveLength(1)
})

describe.each([
  ['a person', '/api/webhooks', 'user', 'turn.completed'],
  ['the operators', '/api/admin/webhooks', 'admin', 'incident.opened'],
] as const)('of %s, what cannot be in the trail does not happen:', (_, base, role, event) => {
  test('no endpoint is made', async () => {
    const owner = await personWith(role)
    const before = await endpointsOf(owner, base)
    await whileNotInTrail('webhook_created', async () => {
      const body = { url: 'https://hooks.example/in', events: [event] }
      expect(await problemOf(await owner.request('POST', base, body))).toMatchObject({ status: 500 })
    })
    expect(await endpointsOf(owner, base)).toEqual(before)
    expect(await trailOf({ actor: owner.id, action: 'webhook_created' })).toEqual([])
  })

  test('H3 no secret is replaced', async () => {
    const owner = await personWith(role)
    const { made, receiver } = await newEndpoint(owner, undefined, base)
    const rotate = () => owner.request('POST', `${base}/${made.id}/rotate`)
    await whileNotInTrail('webhook_rotated', async () => {
      expect(await problemOf(await rotate())).toMatchObject({ status: 500 })
    })
    await consume(messageFor(made.id))
    const { secret } = webhookSecretAnswer.parse(await (await rotate()).json())
    await receiver.script({ secrets: [made.secret, secret] })
    await consume(messageFor(made.id))
    expect(await receiver.received()).toMatchObject([
      { signatures: 1, verified: [true] },
      { signatures: 2, verified: [true, true] },
    ])
    expect(await trailOf({ resource: `webhook:${made.id}` })).toMatchObject([
      { action: 'webhook_rotated', actor: owner.id, actorRole: role, details: null },
      { action: 'webhook_created', actor: owner.id, actorRole: role, details: { events: event } },
    ])
  })
})
