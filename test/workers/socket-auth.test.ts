/**
 * Who may open a socket, from which page, with which proof; what happens when the proof expires; and how many there may be.
 */
import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { PRINCIPAL_HEADER, type Principal } from '../../src/protocol/principal.ts'
import { askWith, problemFrom } from './http-checks.ts'
import { newConversation } from './started-conversation.ts'
import { TestSocket } from './test-socket.ts'
import { Guest, alarmOf, ask, message, stubOf, unique } from './worker-guest.ts'

/** As in env.ts. */
const GRACE_S = 60
const SOCKETS_PER_USER = 20

const pathOf = (id: string, ticket?: string): string =>
  `/api/conversations/${id}/ws${ticket === undefined ? '' : `?ticket=${ticket}`}`

const upgrade = (headers: Record<string, string>): RequestInit => ({
  headers: { upgrade: 'websocket', ...headers },
})

const seconds = (): number => Math.floor(Date.now() / 1000)

/** A socket whose proof ends then, opened as the Worker opens it. */
async function connectUntil(guest: Guest, id: string, expiresAt: number): Promise<TestSocket> {
  const principal: Principal = {
    userId: guest.userId,
    name: guest.name,
    role: 'guest',
    kind: 'guest',
    expiresAt,
  }
  const headers = { upgrade: 'websocket', [PRINCIPAL_HEADER]: JSON.stringify(principal) }
  const response = await stubOf(id).fetch('http://parley.test/', { headers })
  if (!response.webSocket) throw new Error(`no socket: ${response.status}`)
  return new TestSocket(response.webSocket)
}

describe('W6 the origin of a page that opens a socket', () => {
  test('must be ours; a foreign page is refused, and its ticket is not spent', async () => {
    const { guest, id } = await newConversation()
    const ticket = await guest.ticket()
    for (const origin of [
      'https://evil.example',
      'http://parley.test.evil.example',
      'http://parley.test:81',
      'https://parley.test',
      'null',
      '',
    ]) {
      const response = await ask(pathOf(id, ticket), upgrade({ origin }))
      if (origin !== '') await problemFrom(response, 403, 'forbidden')
    }
    const own = await ask(pathOf(id, await guest.ticket()), upgrade({ origin: 'http://parley.test' }))
    expect(own.status).toBe(101)
    own.webSocket?.accept()
    own.webSocket?.close()
  })

  test('may be one of the configured ones, or any', async () => {
    const { guest, id } = await newConversation()
    for (const [allowed, origin, status] of [
      ['https://chat.example', 'https://chat.example', 101],
      ['https://chat.example', 'https://other.example', 403],
      ['*', 'https://other.example', 101],
    ] as const) {
      const response = await askWith(
        { CORS_ORIGINS: allowed },
        pathOf(id, await guest.ticket()),
        upgrade({ origin }),
      )
      expect(response.status).toBe(status)
      response.webSocket?.accept()
      response.webSocket?.close()
    }
  })

  test('is absent from what is no browser', async () => {
    const { guest, id } = await newConversation()
    expect((await ask(pathOf(id, await guest.ticket()), upgrade({}))).status).toBe(101)
  })
})

describe('W7 an access token among the subprotocols', () => {
  test('opens a socket; the answer names the protocol and not the token', async () => {
    const { guest, id } = await newConversation('A title')
    const response = await ask(pathOf(id), upgrade({ 'sec-websocket-protocol': `parley, ${guest.token}` }))
    expect(response.status).toBe(101)
    expect(response.headers.get('sec-websocket-protocol')).toBe('parley')
    if (!response.webSocket) throw new Error('no socket')
    const socket = new TestSocket(response.webSocket)
    expect((await socket.join()).you.userId).toBe(guest.userId)
  })

  test.each([
    ['parley, nonsense', 401],
    ['parley, a.b.c', 401],
    ['parley', 401],
    ['other', 401],
  ])('that is none opens nothing: %s', async (offer, status) => {
    const { id } = await newConversation()
    const response = await ask(pathOf(id), upgrade({ 'sec-websocket-protocol': offer }))
    await problemFrom(response, status, 'unauthorized')
  })

  test('of a stranger is answered as for nothing', async () => {
    const { id } = await newConversation()
    const stranger = await Guest.arrive()
    const headers = { 'sec-websocket-protocol': `parley, ${stranger.token}` }
    await problemFrom(await ask(pathOf(id), upgrade(headers)), 404, 'not_found')
  })
})

describe('M7 a proof that expires while a socket is open', () => {
  test('is asked for, and a fresh one of the same person is taken', async () => {
    const { guest, id } = await newConversation('A title')
    const socket = await connectUntil(guest, id, seconds() - 1)
    await socket.join()
    await runDurableObjectAlarm(stubOf(id))
    const asked = await socket.next('auth_required')
    expect(asked.graceMs).toBeGreaterThan(0)
    expect(asked.graceMs).toBeLessThanOrEqual(GRACE_S * 1000)
    socket.send({ type: 'authenticate', token: guest.token })
    const { expiresAt } = await socket.next('authenticated')
    expect(Date.parse(expiresAt ?? '')).toBeGreaterThan(Date.now())
    await runDurableObjectAlarm(stubOf(id))
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
    expect(socket.all('auth_required')).toHaveLength(1)
  })

  test('is asked for once, also when the object sleeps in between', async () => {
    const { guest, id } = await newConversation('A title')
    const socket = await connectUntil(guest, id, seconds() - 1)
    await socket.join()
    await evictDurableObject(stubOf(id))
    await runDurableObjectAlarm(stubOf(id))
    await socket.next('auth_required')
    await evictDurableObject(stubOf(id))
    await runDurableObjectAlarm(stubOf(id))
    await socket.settle()
    expect(socket.all('auth_required')).toHaveLength(1)
    socket.send({ type: 'authenticate', token: guest.token })
    await socket.next('authenticated')
  })

  test('is not replaced by somebody else’s, by a ticket, or by nonsense', async () => {
    const { guest, id } = await newConversation('A title')
    const stranger = await Guest.arrive()
    const socket = await connectUntil(guest, id, seconds() - 1)
    for (const token of [stranger.token, await guest.ticket(), 'a.b.c', 'nonsense']) {
      socket.send({ type: 'authenticate', token })
      expect(await socket.next('error')).toMatchObject({ code: 'unauthorized' })
    }
    expect(socket.all('authenticated')).toEqual([])
    expect((await socket.join()).you.userId).toBe(guest.userId)
  })

  test('and is not replaced in time ends the connection', async () => {
    const { guest, id } = await newConversation('A title')
    const socket = await connectUntil(guest, id, seconds() - GRACE_S - 1)
    await runDurableObjectAlarm(stubOf(id))
    expect(await socket.closed).toBe(4401)
    expect(socket.received.at(-1)).toMatchObject({ type: 'error', code: 'unauthorized' })
  })

  test('and is not replaced in time refuses what still comes, also a fresh proof', async () => {
    const { guest, id } = await newConversation('A title')
    for (const frame of [{ type: 'join_conversation' }, { type: 'authenticate', token: guest.token }]) {
      const socket = await connectUntil(guest, id, seconds() - GRACE_S - 1)
      socket.send(frame)
      expect(await socket.closed).toBe(4401)
      expect(socket.received.map(({ type }) => type)).toEqual(['error'])
    }
  })

  test('is looked at in time, whatever else the alarm is set for', async () => {
    const { guest, id } = await newConversation('A title')
    const expiresAt = seconds() + 3_600
    const socket = await connectUntil(guest, id, expiresAt)
    await socket.join()
    expect(await alarmOf(id)).toBe(expiresAt * 1000)
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
    expect(await alarmOf(id)).toBeLessThan(expiresAt * 1000)
    await runDurableObjectAlarm(stubOf(id))
    // What was set for the turn has gone off early, so it stands; then comes the proof.
    for (let alarm = await alarmOf(id); alarm !== expiresAt * 1000; alarm = await alarmOf(id)) {
      expect(alarm).toBeLessThan(expiresAt * 1000)
      await evictDurableObject(stubOf(id))
      await runDurableObjectAlarm(stubOf(id))
    }
  })

  test('a ticket carries when the token ends that it was given for', async () => {
    const { guest, id } = await newConversation('A title')
    const socket = await guest.join(id)
    expect((await alarmOf(id)) ?? 0).toBeGreaterThan(Date.now())
    socket.close()
  })
})

describe('M8 connections', () => {
  test('of one person are limited; one that closes makes room', async () => {
    const { guest, id } = await newConversation('A title')
    const sockets = []
    for (let i = 0; i < SOCKETS_PER_USER; i++) sockets.push(await connectUntil(guest, id, seconds() + 900))
    const refused = await problemFrom(
      await guest.upgrade(id, await guest.ticket()),
      429,
      'too_many_connections',
    )
    expect(refused.limit).toEqual({
      name: 'connections_per_user',
      unit: 'connections',
      limit: SOCKETS_PER_USER,
      remaining: 0,
      resetAt: null,
    })
    await evictDurableObject(stubOf(id))
    expect((await guest.upgrade(id, await guest.ticket())).status).toBe(429)
    sockets[0]?.close()
    await sockets[0]?.closed
    const again = await guest.join(id)
    expect(again.all('conversation_joined')).toHaveLength(1)
    for (const socket of [...sockets.slice(1), again]) socket.close()
  })

  test('a person is known to their limiter as long as they have one here', async () => {
    const { guest, id } = await newConversation('A title')
    const limiter = env.LIMITER.get(env.LIMITER.idFromName(guest.userId))
    const socket = await guest.join(id)
    await expect.poll(() => limiter.connections()).toEqual([id])
    socket.close()
    await expect.poll(() => limiter.connections()).toEqual([])
  })
})
