/**
 * A person's limiter object that does not answer: that person is told `unavailable` and nothing of theirs is accepted, nobody
 * else notices, and what it was not told of a turn that ended it is told when it is back.
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import type { ErrorShape } from '../../src/errors.ts'
import { conversationPage } from '../../src/protocol/http.ts'
import { askerWith, problemFrom } from './http-checks.ts'
import { guestWith, limiterOf, quotaOf, tellAll } from './limited-people.ts'
import { personWith } from './people.ts'
import { sharedConversation } from './shared-conversation.ts'
import { Guest, message, model, stubOf, unique } from './worker-guest.ts'

/** Namespaces of limiters in which those of these people cannot be reached, with how often somebody tried. */
function without(lost: readonly Guest[]) {
  const ids = lost.map(({ userId }) => String(env.LIMITER.idFromName(userId)))
  const tries = { count: 0 }
  const LIMITER = new Proxy(env.LIMITER, {
    get(limiters, name) {
      if (name !== 'get') return (Reflect.get(limiters, name) as () => unknown).bind(limiters)
      return (id: DurableObjectId) => {
        if (!ids.includes(String(id))) return limiters.get(id)
        tries.count++
        throw new Error('Network connection lost.')
      }
    },
  })
  return { LIMITER, tries }
}

/** In this person's limiter every write fails, as on a full disk, until it is mended. */
const breakRows = (userId: string): Promise<void> =>
  runInDurableObject(limiterOf(userId), (_object, { storage: { sql } }) => {
    for (const moment of ['INSERT', 'UPDATE'])
      sql.exec(
        `CREATE TRIGGER full_${moment} BEFORE ${moment} ON facts BEGIN SELECT RAISE(ABORT, 'disk is full'); END`,
      )
  })

const mendRows = (userId: string): Promise<void> =>
  runInDurableObject(limiterOf(userId), (_object, { storage: { sql } }) => {
    for (const moment of ['INSERT', 'UPDATE']) sql.exec(`DROP TRIGGER full_${moment}`)
  })

const bearer = ({ token }: Guest) => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
})

describe('a limiter that cannot be reached', () => {
  test('refuses that person at every door, after one repeat, and accepts nothing of theirs', async () => {
    const { owner, member, id } = await sharedConversation('editor')
    const ticket = await owner.ticket()
    const { LIMITER, tries } = without([owner])
    const ask = askerWith({ LIMITER })
    const tag = unique()
    const body = JSON.stringify({ conversationId: id, message: message(tag, 'text=ok') })
    const first = JSON.stringify({ message: message(tag, 'text=ok') })
    const doors: [string, string, RequestInit?][] = [
      ['GET', `/api/conversations/${id}`],
      ['GET', `/api/conversations/${id}/messages`],
      ['GET', '/api/conversations'],
      ['GET', '/api/usage'],
      ['POST', '/api/auth/ticket'],
      ['POST', '/api/chat', { body }],
      ['POST', '/api/chat/stream', { body }],
      ['POST', '/api/chat', { body: first }],
      ['POST', '/api/conversations', { body: '{}' }],
      ['DELETE', `/api/conversations/${id}`],
      ['GET', `/api/conversations/${id}/ws?ticket=${ticket}`, { headers: { upgrade: 'websocket' } }],
      [
        'GET',
        `/api/conversations/${id}/ws`,
        { headers: { upgrade: 'websocket', 'sec-websocket-protocol': `parley, ${owner.token}` } },
      ],
    ]
    for (const [method, path, init] of doors) {
      tries.count = 0
      const response = await ask(path, { method, headers: bearer(owner), ...init })
      expect(response.headers.get('retry-after')).toBe('1')
      expect(await problemFrom(response, 503, 'unavailable')).toMatchObject({ retryable: true })
      expect(tries.count).toBe(2)
    }
    expect(await owner.messages(id)).toEqual([])
    const list = await owner.request('GET', '/api/conversations')
    expect(conversationPage.parse(await list.json()).conversations.map((each) => each.id)).toEqual([id])
    expect((await model.calls()).filter((call) => call.lastUserMessage.includes(tag))).toEqual([])

    // In the same conversation, through the same Worker.
    const others = await ask('/api/chat', {
      method: 'POST',
      headers: bearer(member),
      body: JSON.stringify({ conversationId: id, message: message(unique(), 'text=ok') }),
    })
    expect(others.status).toBe(200)
    expect(await owner.messages(id)).toHaveLength(2)
  })

  test('is asked again when it was lost once, and nobody notices', async () => {
    const guest = await Guest.arrive()
    let lost = 1
    const LIMITER = new Proxy(env.LIMITER, {
      get(limiters, name) {
        if (name === 'get' && lost-- > 0) throw new Error('Network connection lost.')
        return (Reflect.get(limiters, name) as () => unknown).bind(limiters)
      },
    })
    const response = await askerWith({ LIMITER })('/api/conversations', { headers: bearer(guest) })
    expect(response.status).toBe(200)
    expect(lost).toBeLessThan(0)
  })
})

describe('a limiter that cannot write', () => {
  /** Two people in a conversation; the second has a quota, a turn behind them, and a limiter that fails. */
  async function broken() {
    const shared = await sharedConversation('editor')
    await limiterOf(shared.member.userId).setPlan('hundred')
    await shared.member.chat({ conversationId: shared.id, message: message(unique(), 'text=ok') })
    await tellAll(shared.id)
    await breakRows(shared.member.userId)
    return shared
  }

  test('has no message of theirs accepted, over HTTP or a socket, and those of others are', async () => {
    const { owner, member, id } = await broken()
    const before = await owner.messages(id)
    const tag = unique()
    const response = await member.request('POST', '/api/chat', {
      conversationId: id,
      message: message(tag, 'text=ok'),
    })
    expect(response.headers.get('retry-after')).toBe('1')
    await problemFrom(response, 503, 'unavailable')
    const first = await member.request('POST', '/api/chat', { message: message(tag, 'text=ok') })
    await problemFrom(first, 503, 'unavailable')

    const [mine, theirs] = [await member.join(id), await owner.join(id)]
    mine.send({ type: 'stream_chat', id: 'c1', content: message(tag, 'text=ok') })
    expect(await mine.next('error')).toMatchObject({
      code: 'unavailable',
      id: 'c1',
      retryable: true,
      retryAfterMs: 1_000,
    } satisfies Partial<ErrorShape> & { id: string })
    expect(await owner.messages(id)).toEqual(before)
    expect((await model.calls()).filter((call) => call.lastUserMessage.includes(tag))).toEqual([])

    await theirs.chat(message(unique(), 'text=ok'))
    await mine.next('stream_complete')
    await mendRows(member.userId)
    // The same message, sent again as a client does, is accepted once.
    expect(await mine.chat(message(tag, 'text=ok'), { id: 'c1' })).toMatchObject({ duplicate: false })
    await mine.next('stream_complete')
    await tellAll(id)
    expect(await quotaOf(member, 'messages_per_day')).toMatchObject({ used: 2, reserved: 0 })
  })

  test('L10 is told of a turn that ended meanwhile by the alarm, once', async () => {
    const guest = await guestWith('hundred')
    const id = await guest.createConversation('A title')
    const gate = unique()
    const socket = await guest.join(id)
    await socket.chat(message(gate, `tokens=20 gate=${gate} after=10`))
    await breakRows(guest.userId)
    await model.openGate(gate)
    await socket.next('stream_complete')
    const answer = (await guest.messages(id)).at(-1)
    if (!answer?.usage) throw new Error('nothing was used')
    // It ends for everyone; only its quota is not told, however often it is tried.
    await tellAll(id)
    await tellAll(id)
    expect(await quotaOf(guest, 'messages_per_day')).toMatchObject({ used: 0, reserved: 1 })
    await mendRows(guest.userId)
    expect(await runDurableObjectAlarm(stubOf(id))).toBe(true)
    const used = answer.usage.inputTokens + answer.usage.outputTokens
    expect(await quotaOf(guest, 'tokens_per_day')).toMatchObject({ used, reserved: 0 })
    await tellAll(id)
    expect(await quotaOf(guest, 'messages_per_day')).toMatchObject({ used: 1, reserved: 0 })
  })
})

test('a suspension that a limiter could not keep fails, and takes hold when it is repeated', async () => {
  const [admin, guest] = [await personWith('admin'), await guestWith('hundred')]
  const suspend = () => admin.request('POST', `/api/admin/users/${guest.userId}/suspend`, { reason: 'spam' })
  await breakRows(guest.userId)
  await problemFrom(await suspend(), 503, 'unavailable')
  expect((await guest.request('GET', '/api/usage')).status).toBe(200)
  await mendRows(guest.userId)
  expect((await suspend()).status).toBe(200)
  await problemFrom(await guest.request('GET', '/api/usage'), 403, 'suspended')
})
