/**
 * What somebody tries who has much of something: new guests, addresses, sign-ins that succeed, readers, links, text,
 * sessions that end. Each is bounded, and the bound costs others nothing.
 */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { networkOf } from '../../src/auth/attempts.ts'
import { DEFAULT_PLANS } from '../../src/limits/plans.ts'
import { shareList } from '../../src/protocol/members.ts'
import { askWith, problemFrom } from './http-checks.ts'
import { limiterOf, usageOf } from './limited-people.ts'
import { share } from './shared-conversation.ts'
import { held, newConversation } from './started-conversation.ts'
import { newAddress, newEmail, PASSWORD, send } from './worker-account.ts'
import { Guest, ask, message, model, stubOf, unique } from './worker-guest.ts'

/** As in protocol/limits.ts, env.ts and conversation/shares.ts. */
const MAX_LINKS = 100
const READERS_PER_USER = 20
const MAX_SHARED_CHARS = 2 * 1024 * 1024

describe('people who are new here', () => {
  const few = { NEWCOMERS_PER_HOUR: '3' }
  const arrive = (address: string, headers: Record<string, string> = {}) =>
    askWith(few, '/api/auth/guest', { method: 'POST', headers: { 'cf-connecting-ip': address, ...headers } })
  const register = (address: string, token?: string) =>
    askWith(few, '/api/auth/register', {
      method: 'POST',
      headers: {
        'cf-connecting-ip': address,
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ email: newEmail(), password: PASSWORD }),
    })

  test('L11 are counted by their network: of many guests at once, no more come than may', async () => {
    const address = newAddress()
    const answers = await Promise.all(Array.from({ length: 20 }, () => arrive(address)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3)
    const refused = await arrive(address)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1_000)
    const problem = await problemFrom(refused, 429, 'rate_limited')
    expect(problem.limit).toMatchObject({ name: 'newcomers', limit: 3, remaining: 0, unit: 'people' })
    expect((await arrive(newAddress())).status).toBe(201)
  })

  test('L11 are counted whether they are guests or register; a guest who registers is not new', async () => {
    const address = newAddress()
    const { accessToken } = await (await arrive(address)).json<{ accessToken: string }>()
    expect((await register(address)).status).toBe(201)
    expect((await register(address)).status).toBe(201)
    await problemFrom(await register(address), 429, 'rate_limited')
    await problemFrom(await arrive(address), 429, 'rate_limited')
    expect((await arrive(address, { authorization: `Bearer ${accessToken}` })).status).toBe(201)
    expect((await register(address, accessToken)).status).toBe(201)
  })
})

describe('the flood guard', () => {
  test('L1 counts an IPv6 network as one address: its customer has 2^64', async () => {
    const from = (host: number) =>
      askWith({ FLOOD_GUARD: env.FLOOD_TEST, FLOOD_LIMIT: '3' }, '/api/conversations', {
        headers: { 'cf-connecting-ip': `2001:db8:aa:bb::${host}` },
      })
    for (let i = 0; i < 3; i++) expect((await from(i)).status).toBe(401)
    await problemFrom(await from(77), 429, 'rate_limited')
  })
})

describe('whoever asks without having proved who they are', () => {
  test('L1 signs in and refreshes as often as a person does, though each time it succeeds', async () => {
    const address = newAddress()
    // As if it were the network of somebody whose plan is small.
    const { capacity } = DEFAULT_PLANS.free.buckets.auth
    await limiterOf(`address:${networkOf(address)}`).setPlan('free')
    const routes = ['register', 'login', 'refresh']
    const answers = await Promise.all(
      Array.from({ length: capacity + 60 }, (_, i) =>
        // What is wrong with the body comes after: a flood of bad ones is a flood.
        send('POST', `/api/auth/${routes[i % 3]}`, { address, body: {} }),
      ),
    )
    const refused = answers.filter(({ status }) => status === 429)
    for (const [first, name] of routes.entries())
      expect(
        answers.some(({ status }, i) => i % 3 === first && status === 429),
        name,
      ).toBe(true)
    const problem = await problemFrom(refused[0] ?? Response.error(), 429, 'rate_limited')
    expect(problem.limit).toMatchObject({ name: 'auth', limit: capacity })
  })
})

describe('readers of one turn over SSE', () => {
  test('M8 are as many of one person as sockets may be', async () => {
    const { guest, id, turnId, gate } = await held()
    const answerId = `m${turnId.slice(1)}`
    const path = `/api/conversations/${id}/messages/${answerId}/stream`
    const open = await Promise.all(Array.from({ length: READERS_PER_USER }, () => guest.request('GET', path)))
    expect(open.map(({ status }) => status)).toEqual(open.map(() => 200))
    const problem = await problemFrom(await guest.request('GET', path), 429, 'too_many_connections')
    expect(problem.limit).toMatchObject({ name: 'connections_per_user', limit: READERS_PER_USER })
    // They end with their turn, and make room.
    await model.openGate(gate)
    await Promise.all(open.map((response) => response.text()))
    expect((await guest.request('GET', path)).status).toBe(200)
  })
})

describe('links', () => {
  test('M9 are no more than may be, however many are made at once', async () => {
    const { guest, id } = await newConversation('A title')
    const made = await Promise.all(
      Array.from({ length: MAX_LINKS + 50 }, () =>
        guest.request('POST', `/api/conversations/${id}/shares`, { mode: 'live' }),
      ),
    )
    expect(made.filter(({ status }) => status === 201)).toHaveLength(MAX_LINKS)
    const listed = await guest.request('GET', `/api/conversations/${id}/shares`)
    expect(shareList.parse(await listed.json()).shares).toHaveLength(MAX_LINKS)
    const known = await env.DB.prepare('SELECT count(*) AS n FROM links WHERE conversation_id = ?')
      .bind(id)
      .first<{ n: number }>()
    expect(known?.n).toBe(MAX_LINKS)
  })

  test('M11 show no more than fits: a very long branch loses its beginning', async () => {
    const { guest, id } = await newConversation('A title')
    await longBranch(id, 200)
    const { token } = await share(guest, id, { mode: 'live' })
    const response = await ask(`/api/shares/${token}`)
    const shared = await response.json<{ messages: { text: string }[]; isWhole: boolean }>()
    expect(shared.isWhole).toBe(false)
    const chars = shared.messages.reduce((sum, { text }) => sum + text.length, 0)
    expect(chars).toBeLessThanOrEqual(MAX_SHARED_CHARS)
    expect(chars).toBeGreaterThan(MAX_SHARED_CHARS / 2)
    expect(shared.messages.at(-1)?.text).toMatch(/^the newest/)
  })
})

describe('sessions that end in masses', () => {
  test('A7 do not grow what is kept of a person: all their tokens are void instead', async () => {
    const { userId } = await Guest.arrive()
    const limiter = limiterOf(userId)
    const now = Math.floor(Date.now() / 1000)
    const ids = Array.from({ length: 2_000 }, () => crypto.randomUUID())
    for (const sessionId of ids) await limiter.endSessions({ sessionId, until: now + 900 })
    const size = await runInDurableObject(limiter, (_object, { storage }) =>
      storage.sql.exec<{ n: number }>('SELECT max(length(value)) AS n FROM facts').one(),
    )
    expect(size.n).toBeLessThan(50_000)
    for (const sessionId of [ids[0], ids[1_000], ids[1_999]]) {
      const admission = await limiter.admit('read', { kind: 'user', sessionId, issuedAt: now })
      expect(admission).toMatchObject({ ok: false, error: { code: 'unauthorized' } })
    }
    expect(await limiter.admit('read', { kind: 'user', sessionId: 'new', issuedAt: now + 60 })).toMatchObject(
      {
        ok: true,
      },
    )
  })
})

describe('a conversation that is deleted and made again under the same key', () => {
  test('L10 is counted each time, in the quotas and in the ledger', async () => {
    const guest = await Guest.arrive()
    const body = { message: message(unique(), 'text=ok'), idempotencyKey: 'again' }
    const ids = new Set<string>()
    for (let i = 0; i < 3; i++) {
      const { conversationId } = await guest.chat(body)
      ids.add(conversationId)
      expect((await guest.request('DELETE', `/api/conversations/${conversationId}`)).status).toBe(204)
    }
    expect(ids.size).toBe(1)
    const usage = await usageOf(guest)
    expect(usage.quotas.find(({ name }) => name === 'messages_per_day')?.used).toBe(3)
    expect(usage.days.map(({ messages }) => messages)).toEqual([3])
  })
})

/** Rows of a conversation that took long to write. */
async function longBranch(id: string, messages: number): Promise<void> {
  await runInDurableObject(stubOf(id), (_object, { storage }) => {
    for (let number = 1; number <= messages; number++) {
      const text = `${number === messages ? 'the newest ' : ''}${'x'.repeat(31_000)}`
      storage.sql.exec(
        `INSERT INTO messages (number, parent, turn, role, status, content, tokens, created_at)
         VALUES (?, ?, ?, ?, 'completed', ?, 1, 0)`,
        number,
        number === 1 ? null : number - 1,
        number + (number % 2),
        number % 2 === 1 ? 'user' : 'assistant',
        text,
      )
    }
  })
}
