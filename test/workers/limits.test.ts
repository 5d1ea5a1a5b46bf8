/**
 * How often one may ask: the buckets and what is said of them in headers, the flood guard, the frames of a socket, and that
 * who is suspended or signed out is refused with the next request.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { askWith, problemFrom } from './http-checks.ts'
import { guestWith, limiterOf, tablesOf } from './limited-people.ts'
import { ask, Guest, message, problemOf, unique } from './worker-guest.ts'

const NOW_S = () => Math.floor(Date.now() / 1000)

describe('a bucket of requests', () => {
  test('L3 is told with every answer, as the IETF draft has it', async () => {
    const guest = await guestWith('slow')
    const first = await guest.request('GET', '/api/usage')
    expect(first.headers.get('ratelimit-policy')).toBe('"read";q=3;w=300')
    expect(first.headers.get('ratelimit')).toBe('"read";r=2;t=100')
    const unknown = await guest.request('GET', `/api/conversations/${crypto.randomUUID()}`)
    expect(unknown.status).toBe(404)
    expect(unknown.headers.get('ratelimit')).toMatch(/^"read";r=1;t=\d+$/)
    // Writing has a bucket of its own.
    const written = await guest.request('POST', '/api/conversations', {})
    expect(written.headers.get('ratelimit')).toMatch(/^"write";r=\d+;t=\d+$/)
  })

  test('L1 what the audit trail keeps for ever is counted by itself', async () => {
    const guest = await guestWith('slow')
    const id = await guest.createConversation('A title')
    const invite = () => guest.request('POST', `/api/conversations/${id}/invites`, { role: 'viewer' })
    for (let i = 0; i < 2; i++) expect((await invite()).status).toBe(201)
    const problem = await problemFrom(await invite(), 429, 'rate_limited')
    expect(problem.limit).toMatchObject({ name: 'manage', limit: 2, remaining: 0 })
    // Looking and writing go on.
    expect((await guest.request('GET', `/api/conversations/${id}/invites`)).status).toBe(200)
    expect((await guest.request('PATCH', `/api/conversations/${id}`, { title: 'Another' })).status).toBe(200)
  })

  test('L3 L4 refuses what is too much, and says until when', async () => {
    const guest = await guestWith('slow')
    for (let i = 0; i < 3; i++) expect((await guest.request('GET', '/api/usage')).status).toBe(200)
    const response = await guest.request('GET', '/api/usage')
    expect(response.headers.get('ratelimit')).toMatch(/^"read";r=0;t=\d+$/)
    const wait = Number(response.headers.get('retry-after'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(100)
    const problem = await problemFrom(response, 429, 'rate_limited')
    expect(problem.limit).toMatchObject({ name: 'read', unit: 'requests', limit: 3, remaining: 0 })
    expect(problem.retryAfterMs).toBeGreaterThan(0)
  })

  test('L3 can be read by pages of other origins', async () => {
    const guest = await Guest.arrive()
    const response = await askWith({ CORS_ORIGINS: 'https://a.example' }, '/api/usage', {
      headers: { authorization: `Bearer ${guest.token}`, origin: 'https://a.example' },
    })
    const exposed = (response.headers.get('access-control-expose-headers') ?? '').toLowerCase().split(/, ?/)
    expect(exposed).toEqual(expect.arrayContaining(['ratelimit', 'ratelimit-policy', 'retry-after']))
  })

  test('costs no row for somebody who did nothing but read', async () => {
    const guest = await Guest.arrive()
    await guest.request('GET', '/api/usage')
    expect(await tablesOf(guest.userId)).toEqual([])
  })
})

describe('the flood guard', () => {
  test('L1 refuses an address that asks too often, before it looks at who asks', async () => {
    const from = (address: string) =>
      askWith({ FLOOD_GUARD: env.FLOOD_TEST, FLOOD_LIMIT: '3' }, '/api/conversations', {
        headers: { 'cf-connecting-ip': address },
      })
    for (let i = 0; i < 3; i++) expect((await from('192.0.2.1')).status).toBe(401)
    const response = await from('192.0.2.1')
    expect(response.headers.get('retry-after')).toBe('10')
    expect(response.headers.get('ratelimit-policy')).toBe('"address";q=3;w=10')
    const problem = await problemFrom(response, 429, 'rate_limited')
    expect(problem.limit).toMatchObject({ name: 'address', limit: 3, remaining: 0 })
    expect((await from('192.0.2.2')).status).toBe(401)
  })
})

describe('the frames of a socket', () => {
  test('L5 are refused when they come too fast; the connection stays and nothing is lost', async () => {
    const guest = await Guest.arrive()
    const id = await guest.createConversation('A title')
    const socket = await guest.join(id)
    for (let i = 0; i < 250; i++) socket.send({ type: 'typing', active: true })
    socket.send({ type: 'stream_chat', id: 'c1', content: message(unique(), 'text=ok') })
    await socket.next('message_accepted')
    const refused = socket.all('error')
    expect(refused.length).toBeGreaterThan(0)
    for (const error of refused) {
      expect(error).toMatchObject({ code: 'rate_limited', retryable: true, limit: { name: 'socket_typing' } })
      expect(error.retryAfterMs).toBeGreaterThan(0)
    }
    await socket.next('stream_complete')
    expect(await guest.messages(id)).toHaveLength(2)
  })

  test('L5 a message that came too fast is named, and may be sent again', async () => {
    const guest = await guestWith('hundred')
    const id = await guest.createConversation('A title')
    const socket = await guest.join(id)
    const content = message(unique(), 'text=ok')
    const sent = 1_000
    for (let i = 0; i < sent; i++) socket.send({ type: 'stream_chat', id: 'same', content })
    await socket.until(() => socket.all('message_accepted').length + socket.all('error').length === sent)
    const refused = socket.all('error')
    expect(refused.length).toBeGreaterThan(0)
    for (const error of refused)
      expect(error).toMatchObject({ code: 'rate_limited', id: 'same', limit: { name: 'socket_chat' } })
    // The others came through, as one message.
    expect(new Set(socket.all('message_accepted').map(({ turnId }) => turnId))).toEqual(new Set(['t2']))
  })

  test('L5 bad frames count as well', async () => {
    const guest = await Guest.arrive()
    const socket = await guest.connect(await guest.createConversation('A title'))
    for (let i = 0; i < 400; i++) socket.send('{')
    await socket.until((frames) =>
      frames.some((frame) => frame.type === 'error' && frame.code === 'rate_limited'),
    )
    await socket.ping()
  })
})

describe('the standing of a person', () => {
  test('L2 who is suspended is refused with the next request, and let in again when reinstated', async () => {
    const guest = await Guest.arrive()
    const ticket = await guest.ticket()
    const id = await guest.createConversation('A title')
    await limiterOf(guest.userId).suspend('spam')
    expect(await problemOf(await guest.request('GET', '/api/conversations'))).toMatchObject({
      code: 'suspended',
      status: 403,
      detail: expect.not.stringContaining('spam') as string,
    })
    expect((await guest.request('POST', '/api/chat', { message: 'Hello' })).status).toBe(403)
    // A ticket from before opens nothing either.
    expect((await guest.upgrade(id, ticket)).status).toBe(403)
    await limiterOf(guest.userId).reinstate()
    expect((await guest.request('GET', '/api/conversations')).status).toBe(200)
  })

  test('L2 tokens from before a sign-out everywhere are void, newer ones are not', async () => {
    const limiter = limiterOf(`user:${crypto.randomUUID()}`)
    await limiter.endSessions({ before: 1_000 })
    const facts = { kind: 'user' } as const
    expect(await limiter.admit('read', { ...facts, issuedAt: 999 })).toMatchObject({
      ok: false,
      error: { code: 'unauthorized' },
    })
    expect(await limiter.admit('read', facts)).toMatchObject({ ok: false })
    expect(await limiter.admit('read', { ...facts, issuedAt: 1_000 })).toMatchObject({ ok: true })
    // An older time takes nothing back.
    await limiter.endSessions({ before: 10 })
    expect(await limiter.admit('read', { ...facts, issuedAt: 999 })).toMatchObject({ ok: false })
  })

  test('L2 the tokens of one session end without those of another', async () => {
    const limiter = limiterOf(`user:${crypto.randomUUID()}`)
    await limiter.endSessions({ sessionId: 's1', until: NOW_S() + 900 })
    const facts = { kind: 'user', issuedAt: NOW_S() } as const
    expect(await limiter.admit('read', { ...facts, sessionId: 's1' })).toMatchObject({
      ok: false,
      error: { code: 'unauthorized' },
    })
    expect(await limiter.admit('read', { ...facts, sessionId: 's2' })).toMatchObject({ ok: true })
    expect(await limiter.reserve('c/1', { ...facts, sessionId: 's1' }, {})).toMatchObject({
      code: 'unauthorized',
    })
  })

  test('a plan that was given counts before the one that the token names', async () => {
    const limiter = limiterOf(`user:${crypto.randomUUID()}`)
    const facts = { kind: 'user', plan: 'pro' } as const
    expect(await limiter.admit('read', facts)).toMatchObject({ plan: 'pro' })
    await limiter.setPlan('hundred')
    expect(await limiter.admit('read', facts)).toMatchObject({ plan: 'hundred' })
    await limiter.setPlan(null)
    expect(await limiter.admit('read', facts)).toMatchObject({ plan: 'pro' })
    expect(await limiter.admit('read', { ...facts, plan: 'withdrawn' })).toMatchObject({ plan: 'free' })
  })

  test('what is forgotten leaves nothing but that its tokens are void', async () => {
    const limiter = limiterOf(`user:${crypto.randomUUID()}`)
    const facts = { kind: 'user', issuedAt: NOW_S() } as const
    await limiter.suspend('x')
    await limiter.reserve('c/1', facts, { messages: 1 })
    await limiter.forget()
    expect(await limiter.admit('read', facts)).toMatchObject({ ok: false, error: { code: 'unauthorized' } })
    expect((await limiter.quotas(facts)).quotas.every(({ used, reserved }) => used + reserved === 0)).toBe(
      true,
    )
  })
})

test('the administration reads what everyone used, and nobody else does', async () => {
  const guest = await Guest.arrive()
  expect((await guest.request('GET', '/api/admin/usage')).status).toBe(403)
  expect((await ask('/api/admin/usage')).status).toBe(401)
})
