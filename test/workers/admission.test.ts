/**
 * Who is let in: a stranger learns nothing at any door, not even that there is one; and a ticket opens one socket, for a
 * short time.
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { Tokens } from '../../src/auth/tokens.ts'
import { TICKET_TTL_S } from '../../src/protocol/limits.ts'
import { newConversation } from './started-conversation.ts'
import { Guest, ask, message, problemOf, unique } from './worker-guest.ts'

describe('a stranger', () => {
  test("E3 is told of another's conversation what is told of none, at every door", async () => {
    const { guest, id } = await newConversation('A title')
    const owner = await guest.join(id)
    await owner.chat(message(unique(), 'text=secret'))
    await owner.next('stream_complete')
    const stranger = await Guest.arrive()
    const none = crypto.randomUUID()
    const doors: ((conversationId: string) => Promise<Response>)[] = [
      (each) => stranger.request('GET', `/api/conversations/${each}`),
      (each) => stranger.request('PATCH', `/api/conversations/${each}`, { title: 'Mine' }),
      (each) => stranger.request('DELETE', `/api/conversations/${each}`),
      (each) => stranger.request('GET', `/api/conversations/${each}/messages`),
      (each) => stranger.request('GET', `/api/conversations/${each}/messages/m2/stream`),
      (each) => stranger.request('POST', `/api/conversations/${each}/stop`, { turnId: 't2' }),
      (each) => stranger.request('POST', '/api/chat', { conversationId: each, message: 'Hi' }),
      (each) => stranger.request('POST', '/api/chat/stream', { conversationId: each, message: 'Hi' }),
      async (each) => stranger.upgrade(each, await stranger.ticket()),
    ]
    for (const open of doors) {
      const [foreign, unknown] = [await open(id), await open(none)]
      expect([foreign.status, unknown.status]).toEqual([404, 404])
      const said = await problemOf(foreign)
      expect(said).toEqual(await problemOf(unknown))
      expect(said.code).toBe('not_found')
      const comparable = (response: Response): string[] =>
        [...response.headers.keys()].filter((name) => name !== 'x-request-id')
      expect(comparable(foreign)).toEqual(comparable(unknown))
    }
    expect(await guest.messages(id)).toHaveLength(2)
    await owner.settle()
    expect(owner.all('conversation_updated')).toEqual([])
  })

  test('E3 an id that cannot be one names nothing', async () => {
    const guest = await Guest.arrive()
    for (const id of ['1', 'readiness', '..%2F..', crypto.randomUUID().slice(1), "'; DROP TABLE messages"]) {
      const response = await guest.request('GET', `/api/conversations/${encodeURIComponent(id)}`)
      expect({ id, status: response.status }).toEqual({ id, status: 404 })
    }
  })
})

/** The secret that this installation made for itself. */
async function secrets(): Promise<string[]> {
  const made = await env.DB.prepare("SELECT value FROM settings WHERE name = 'auth_secret'").first<string>(
    'value',
  )
  if (made === null) throw new Error('there is no secret')
  return [made]
}

const verified = async (guest: Guest) => await new Tokens(secrets).verifyTicket(await guest.ticket())

describe('a ticket', () => {
  test('W1 opens one socket', async () => {
    const { guest, id } = await newConversation('A title')
    const ticket = await guest.ticket()
    expect((await guest.upgrade(id, ticket)).status).toBe(101)
    const again = await guest.upgrade(id, ticket)
    expect(again.status).toBe(401)
    expect(await problemOf(again)).toMatchObject({ code: 'unauthorized' })
  })

  test('W1 opens one socket of a hundred that come with it at once', async () => {
    const { guest, id } = await newConversation('A title')
    const ticket = await guest.ticket()
    const responses = await Promise.all(Array.from({ length: 100 }, () => guest.upgrade(id, ticket)))
    const statuses = responses.map((response) => response.status)
    expect(statuses.filter((status) => status === 101)).toHaveLength(1)
    expect(statuses.filter((status) => status === 401)).toHaveLength(99)
  })

  test('W1 is needed, and an access token is none; neither is a ticket an access token', async () => {
    const { guest, id } = await newConversation('A title')
    for (const ticket of ['', 'x', guest.token]) {
      expect((await guest.upgrade(id, ticket)).status).toBe(401)
    }
    const ticket = await guest.ticket()
    const response = await ask('/api/conversations', { headers: { authorization: `Bearer ${ticket}` } })
    expect(response.status).toBe(401)
  })

  test('W1 is refused when its time is over', async () => {
    const { guest, id } = await newConversation('A title')
    const { principal } = await verified(guest)
    const late = new Tokens(secrets, () => Date.now() - (TICKET_TTL_S + 1) * 1_000)
    const response = await guest.upgrade(id, (await late.issueTicket(principal)).token)
    expect(response.status).toBe(401)
    expect(await problemOf(response)).toMatchObject({ code: 'unauthorized' })
    const early = new Tokens(secrets, () => Date.now() - (TICKET_TTL_S - 20) * 1_000)
    expect((await guest.upgrade(id, (await early.issueTicket(principal)).token)).status).toBe(101)
  })

  test('W1 is remembered as long as it could serve, and no longer', async () => {
    const tickets = () => env.TICKETS.get(env.TICKETS.idFromName(unique()))
    const now = Math.floor(Date.now() / 1_000)
    const stub = tickets()
    expect(await stub.redeem('fresh', now + 60)).toBe(true)
    await runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec('INSERT INTO used VALUES (?, ?)', 'old', now - 1)
    })
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    expect(await stub.redeem('fresh', now + 60)).toBe(false)
    expect(await stub.redeem('old', now + 60)).toBe(true)
    // With the last of them the object is empty again, and sets no alarm.
    await runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec('UPDATE used SET expires_at = ?', now - 1)
    })
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    await runInDurableObject(stub, async (_, { storage }) => {
      const ours = "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'"
      expect(storage.sql.exec(ours).toArray()).toEqual([])
      expect(await storage.getAlarm()).toBeNull()
    })
  })

  test('W1 is for sockets: a plain request is told so, and uses nothing up', async () => {
    const { guest, id } = await newConversation('A title')
    const ticket = await guest.ticket()
    const response = await ask(`/api/conversations/${id}/ws?ticket=${ticket}`)
    expect(await problemOf(response)).toMatchObject({ code: 'bad_request', status: 400 })
    expect((await guest.upgrade(id, ticket)).status).toBe(101)
  })
})
