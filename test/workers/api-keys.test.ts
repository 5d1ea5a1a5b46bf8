/**
 * Keys of machines: shown once, stored hashed, able to do what their scopes say and nothing else, and gone when revoked.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { KEY_CACHE_MS, makeKey, ServiceKeys, type FoundKey } from '../../src/auth/api-keys.ts'
import { createdKeyAnswer, keysAnswer, type CreatedKeyAnswer } from '../../src/protocol/accounts.ts'
import type { ChatAnswer } from '../../src/protocol/http.ts'
import { usageAnswer } from '../../src/protocol/usage.ts'
import { askWith } from './http-checks.ts'
import { limiterOf, tellAll } from './limited-people.ts'
import { personWith, trailOf, whileNotInTrail } from './people.ts'
import { Account, send } from './worker-account.ts'
import { message, problemOf, unique } from './worker-guest.ts'

async function newKey(owner: Account, body: object = {}): Promise<CreatedKeyAnswer> {
  const response = await owner.request('POST', '/api/keys', { name: 'CI', scopes: ['chat', 'read'], ...body })
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
  return createdKeyAnswer.strict().parse(await response.json())
}

const status = async (method: string, path: string, token: string, body?: unknown): Promise<number> =>
  (await send(method, path, { token, body })).status

describe('a service key', () => {
  test('A10 is shown once, and only its hash is stored', async () => {
    const ada = await Account.register()
    const made = await newKey(ada, { expiresInDays: 30 })
    expect(made.key).toMatch(/^pk_[a-f\d]{24}_[\w-]{43}$/)
    const listed = keysAnswer.parse(await (await ada.request('GET', '/api/keys')).json())
    const { key, ...rest } = made
    expect(listed.keys).toEqual([rest])
    const row = await env.DB.prepare('SELECT * FROM service_keys WHERE id = ?').bind(made.id).first()
    expect(JSON.stringify(row)).not.toContain(key.split('_').slice(2).join('_'))
  })

  test('A10 is a principal of its own, that chats and reads', async () => {
    const ada = await Account.register()
    const { id, key } = await newKey(ada)
    const chat = await send('POST', '/api/chat', {
      token: key,
      body: { message: message(unique(), 'text=Hi') },
    })
    expect(chat.status).toBe(200)
    const me = await send('GET', '/api/me', { token: key })
    expect(await me.json()).toMatchObject({
      kind: 'service',
      user: { id: `service:${id}`, role: 'service', email: null },
    })
    expect(await (await send('GET', '/api/conversations', { token: key })).json()).toMatchObject({
      conversations: [{ ownerId: `service:${id}` }],
    })
  })

  test('A10 L6 draws on the quotas of who made it: more keys are not more quota', async () => {
    const ada = await Account.register()
    const keys = await Promise.all([newKey(ada), newKey(ada, { name: 'Another' })])
    await limiterOf(ada.userId).setPlan('one')
    const [first, second] = keys.map(
      ({ key }) =>
        (content: string) =>
          send('POST', '/api/chat', { token: key, body: { message: content, idempotencyKey: 'same' } }),
    )
    const answer = await first?.(message(unique(), 'text=ok'))
    expect(answer?.status).toBe(200)
    const refused = await second?.(message(unique(), 'text=ok'))
    expect(await problemOf(refused ?? Response.error())).toMatchObject({
      status: 429,
      code: 'quota_exceeded',
      limit: { name: 'messages_per_day', limit: 1, remaining: 0 },
    })
    const own = await ada.request('POST', '/api/chat', { message: message(unique(), 'text=ok') })
    expect(own.status).toBe(429)
    const { conversationId } = (await answer?.json<ChatAnswer>()) ?? { conversationId: '' }
    await tellAll(conversationId)
    for (const token of [ada.session.accessToken, keys[1]?.key ?? '']) {
      const usage = usageAnswer.parse(await (await send('GET', '/api/usage', { token })).json())
      expect(usage.quotas.find(({ name }) => name === 'messages_per_day')).toMatchObject({
        used: 1,
        reserved: 0,
      })
    }
  })

  test('A10 does no more than its scopes say, and nothing that is for people', async () => {
    const ada = await Account.register()
    const { key } = await newKey(ada, { scopes: ['read'] })
    expect(await status('GET', '/api/conversations', key)).toBe(200)
    expect(await status('POST', '/api/conversations', key, {})).toBe(403)
    expect(await status('POST', '/api/chat', key, { message: 'Hi' })).toBe(403)
    expect(await status('POST', '/api/auth/ticket', key)).toBe(403)
    const both = await newKey(ada)
    for (const [method, path] of [
      ['POST', '/api/keys'],
      ['GET', '/api/keys'],
      ['GET', '/api/me/sessions'],
      ['PATCH', '/api/me'],
      ['POST', '/api/auth/logout-all'],
    ] as const) {
      expect(await status(method, path, both.key)).toBe(403)
    }
  })

  test('A10 is refused when it is revoked, expired, changed or made up', async () => {
    const ada = await Account.register()
    const { id, key } = await newKey(ada)
    expect(await status('GET', '/api/me', key)).toBe(200)
    const end = key.at(-1) === 'A' ? 'B' : 'A'
    const forged = [
      `${key.slice(0, -1)}${end}`,
      key.replace(id, 'f'.repeat(24)),
      `pk_${id}_`,
      'pk_',
      `${key}x`,
    ]
    for (const text of forged) expect(await status('GET', '/api/me', text)).toBe(401)
    expect((await ada.request('DELETE', `/api/keys/${id}`)).status).toBe(204)
    expect(await status('GET', '/api/me', key)).toBe(401)
    expect((await ada.request('DELETE', `/api/keys/${id}`)).status).toBe(404)
    const short = await newKey(ada, { expiresInDays: 1 })
    await env.DB.prepare('UPDATE service_keys SET expires_at = ? WHERE id = ?')
      .bind(Date.now() - 1, short.id)
      .run()
    expect(await status('GET', '/api/me', short.key)).toBe(401)
  })

  test("A10 id guessing: another's key answers like one that does not exist, and goes on", async () => {
    const [ada, eve] = [await Account.register(), await Account.register()]
    const { id, key } = await newKey(ada)
    const foreign = await eve.request('DELETE', `/api/keys/${id}`)
    const unknown = await eve.request('DELETE', `/api/keys/${'0'.repeat(24)}`)
    expect(await problemOf(foreign)).toEqual(await problemOf(unknown))
    expect(foreign.status).toBe(404)
    expect(await status('GET', '/api/me', key)).toBe(200)
    expect(keysAnswer.parse(await (await eve.request('GET', '/api/keys')).json()).keys).toEqual([])
  })

  test('A10 a person has ten, also when they ask for more at once', async () => {
    const ada = await Account.register()
    const body = { name: 'CI', scopes: ['read'] }
    const tries = await Promise.all(Array.from({ length: 15 }, () => ada.request('POST', '/api/keys', body)))
    expect(tries.filter((response) => response.status === 201)).toHaveLength(10)
    expect(tries.filter((response) => response.status === 409)).toHaveLength(5)
  })

  test.each([
    ['scopes', { scopes: ['admin'] }],
    ['scopes', { scopes: [] }],
    ['scopes', { scopes: ['read', 'read'] }],
    ['name', { name: '' }],
    ['expiresInDays', { expiresInDays: 0 }],
    ['expiresInDays', { expiresInDays: 1e9 }],
    ['ownerId', { ownerId: 'user:1' }],
    ['key', { key: 'pk_mine' }],
  ])('mass assignment and bad input: A10 refuses %s: %j', async (field, change) => {
    const ada = await Account.register()
    const response = await ada.request('POST', '/api/keys', { name: 'CI', scopes: ['read'], ...change })
    const problem = await problemOf(response)
    expect(problem).toMatchObject({ status: 422 })
    expect(problem.field?.split('.')[0]).toBe(field)
  })

  test('A10 is not made when the trail cannot say so', async () => {
    const ada = await personWith('user')
    const body = { name: 'CI', scopes: ['chat'] }
    await whileNotInTrail('key_created', async () => {
      expect((await ada.request('POST', '/api/keys', body)).status).toBe(500)
    })
    expect(await (await ada.request('GET', '/api/keys')).json()).toEqual({ keys: [] })
    expect((await ada.request('POST', '/api/keys', body)).status).toBe(201)
    expect(await trailOf({ actor: ada.id, action: 'key_created' })).toHaveLength(1)
  })

  test('A10 of somebody who is suspended is refused in an isolate that asks', async () => {
    const ada = await Account.register()
    const { key } = await newKey(ada)
    await env.DB.prepare('UPDATE users SET suspended_at = 1 WHERE id = ?').bind(ada.userId).run()
    const response = await askWith({}, '/api/me', { headers: { authorization: `Bearer ${key}` } })
    expect(await problemOf(response)).toMatchObject({ status: 403, code: 'suspended' })
  })
})

test('A10 a key is looked up once in 30 seconds, so that revoking takes hold within them', async () => {
  let nowMs = 1_800_000_000_000
  let asked = 0
  const made = await makeKey()
  let found: FoundKey | null = {
    key: { name: 'CI', hash: made.hash, scopes: 'chat', expiresAt: null },
    owner: { id: 'user:ada', plan: 'pro', suspended: false },
  }
  const keys = new ServiceKeys(
    () => {
      asked += 1
      return Promise.resolve(found)
    },
    () => nowMs,
  )
  for (let i = 0; i < 10; i += 1)
    expect(await keys.verify(made.text)).toMatchObject({ plan: 'pro', scopes: ['chat'] })
  expect(asked).toBe(1)
  found = null
  nowMs += KEY_CACHE_MS - 1
  expect(await keys.verify(made.text)).toBeTruthy()
  nowMs += 1
  await expect(keys.verify(made.text)).rejects.toMatchObject({ code: 'unauthorized' })
})
