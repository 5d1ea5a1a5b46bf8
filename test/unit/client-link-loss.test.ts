/**
 * How a link is lost and found again: what counts as lost, how long it waits, and when it gives up for good. Against a
 * scripted socket and a clock moved by hand.
 */
import { describe, expect, test } from 'vitest'
import { GUEST, answerJoin, join, newRoom, open, respond, status } from '../support/client-room.ts'
import { CONVERSATION_ID } from '../support/conversation-model.ts'
import { json, problemOf, settle } from '../support/fake-environment.ts'

describe('losing the link', () => {
  test('waits grow, are jittered and stay below ten seconds, and start anew after a link that lasted', async () => {
    const all = newRoom()
    all.env.chance = 0.999
    const room = await open(all)
    const waits: number[] = []
    for (let i = 0; i < 8; i++) {
      all.env.socket.end()
      await settle()
      const { status } = room.snapshot
      if (!('retryAt' in status) || status.retryAt === null) throw new Error('it should wait')
      waits.push(status.retryAt - all.env.now())
      await all.env.advance(10_000)
      all.env.socket.open()
    }
    expect(waits).toEqual([399, 799, 1598, 3196, 6393, 9990, 9990, 9990])
    answerJoin(all)
    await all.env.advance(6_000)
    all.env.socket.end()
    expect(room.snapshot.status).toMatchObject({ retryAt: all.env.now() + 399 })
  })

  test('W4: silence is followed by a ping, and a ping without a pong by a new link', async () => {
    const all = newRoom()
    const room = await open(all)
    await all.env.advance(25_000)
    expect(all.env.socket.sent.at(-1)).toBe('ping')
    all.env.socket.say('pong')
    await all.env.advance(24_000)
    expect(all.env.socket.sent.filter((text) => text === 'ping')).toHaveLength(1)
    await all.env.advance(1_000 + 7_999)
    expect(status(room)).toBe('open')
    await all.env.advance(1)
    expect(all.env.sockets[0]?.closedWith).toBe(1000)
    expect(status(room)).toBe('reconnecting')
  })

  test('when the page wakes, a waiting link tries at once and an open one is asked for a sign of life', async () => {
    const all = newRoom()
    all.env.chance = 0.999
    const room = await open(all)
    all.env.wake()
    expect(all.env.socket.sent.at(-1)).toBe('ping')
    await all.env.advance(3_000)
    expect(status(room)).toBe('reconnecting')
    all.env.wake()
    await settle()
    expect(all.env.sockets).toHaveLength(2)
  })

  test('"offline" of the browser is a reason to ask, not to believe', async () => {
    const all = newRoom()
    const room = await open(all)
    all.env.goOffline()
    expect(status(room)).toBe('open')
    all.env.socket.say('pong')
    await all.env.advance(3_000)
    expect(status(room)).toBe('open')
    all.env.goOffline()
    await all.env.advance(3_000)
    expect(status(room)).toBe('offline')
  })

  test('a socket that does not open, and a join that is not answered, count as lost', async () => {
    const all = newRoom()
    all.room.open()
    await all.env.advance(10_000)
    await all.env.advance(400)
    expect(all.env.sockets).toHaveLength(2)
    all.env.socket.open()
    await all.env.advance(10_000)
    expect(all.env.sockets[1]?.closedWith).toBe(1000)
    expect(status(all.room)).not.toBe('open')
  })

  test('what an abandoned attempt still says is not heard', async () => {
    const all = newRoom()
    const room = await open(all)
    const old = all.env.socket
    old.end()
    await all.env.advance(1_000)
    join(all)
    old.say({ type: 'conversation_deleted', conversationId: CONVERSATION_ID })
    old.end(4410)
    expect(status(room)).toBe('open')
  })
})

describe('giving up', () => {
  test('E3: a socket refused because the conversation is unknown closes as not found', async () => {
    const all = newRoom()
    all.env.respond = (request) =>
      request.path.endsWith(CONVERSATION_ID) ? problemOf(404, 'not_found') : respond(request)
    all.room.open()
    await settle()
    all.env.socket.end()
    await all.env.advance(60_000)
    expect(all.room.snapshot.status).toEqual({ state: 'closed', reason: 'not_found' })
    expect(all.env.sockets).toHaveLength(1)
  })

  test('a socket refused for a passing reason is tried again', async () => {
    const all = newRoom()
    all.room.open()
    await settle()
    all.env.socket.end()
    await all.env.advance(1_000)
    join(all)
    expect(status(all.room)).toBe('open')
  })

  test('a refused token is replaced by a new one, once; a second refusal fails', async () => {
    const all = newRoom()
    all.env.respond = (request) => {
      if (request.path === '/api/auth/ticket' && request.token === 'token-1') {
        GUEST_AGAIN.count++
        return problemOf(401, 'unauthorized')
      }
      if (request.path === '/api/auth/guest' && GUEST_AGAIN.count > 0)
        return json(200, { ...GUEST, accessToken: 'token-2' })
      return respond(request)
    }
    const GUEST_AGAIN = { count: 0 }
    const room = await open(all)
    expect(status(room)).toBe('open')
    expect(GUEST_AGAIN.count).toBe(1)

    const refused = newRoom()
    refused.env.respond = (request) =>
      request.path === '/api/auth/ticket' ? problemOf(401, 'unauthorized') : respond(request)
    refused.room.open()
    await refused.env.advance(60_000)
    expect(refused.room.snapshot.status).toMatchObject({ state: 'failed', error: { code: 'unauthorized' } })
    expect(refused.env.requests.filter((request) => request.path === '/api/auth/ticket')).toHaveLength(2)
  })

  test('C2 C3: a deletion closes for good, by its frame or by the close code alone', async () => {
    const byFrame = newRoom()
    await open(byFrame)
    byFrame.env.socket.say({ type: 'conversation_deleted', conversationId: CONVERSATION_ID })
    byFrame.env.socket.end(4410)
    await byFrame.env.advance(60_000)
    expect(byFrame.room.snapshot.status).toEqual({ state: 'closed', reason: 'deleted' })
    expect(byFrame.env.sockets).toHaveLength(1)

    const byCode = newRoom()
    await open(byCode)
    byCode.env.socket.end(4410)
    expect(byCode.room.snapshot.status).toEqual({ state: 'closed', reason: 'deleted' })
  })

  test('T1: leaving closes the socket and sends nothing', async () => {
    const all = newRoom()
    const room = await open(all)
    const sent = all.env.socket.sent.length
    room.close()
    await all.env.advance(60_000)
    expect(all.env.socket).toMatchObject({ closedWith: 1000 })
    expect(all.env.socket.sent).toHaveLength(sent)
    expect(all.env.sockets).toHaveLength(1)
  })
})

describe('a proof that expires', () => {
  test('M7: is replaced on the open link, with a token that is renewed when it has to be, and nobody notices', async () => {
    const all = newRoom()
    const room = await open(all)
    const before = room.snapshot
    const asked = all.env.requests.length
    all.env.socket.say({ type: 'auth_required', graceMs: 60_000 })
    await settle()
    const [frame] = all.env.socket.frames.slice(-1)
    expect(frame).toMatchObject({ type: 'authenticate' })
    expect(typeof frame?.['token']).toBe('string')
    all.env.socket.say({ type: 'authenticated', expiresAt: null })
    expect(all.env.requests).toHaveLength(asked)
    expect(all.env.sockets).toHaveLength(1)
    expect(room.snapshot.state).toBe(before.state)
    expect(status(room)).toBe('open')
  })
})

describe('a link that is cut because access has changed', () => {
  const cut = async (answer: (path: string) => Response | null) => {
    const all = newRoom()
    const room = await open(all)
    all.env.respond = (request) => answer(request.path) ?? respond(request)
    all.env.socket.end(4403)
    expect(status(room)).toBe('reconnecting')
    await settle()
    return { ...all, room }
  }
  const isRoom = (path: string) => path === `/api/conversations/${CONVERSATION_ID}`

  test('promise 7: who is no member any more is told so, and does not come back', async () => {
    const { env, room } = await cut((path) => (isRoom(path) ? problemOf(404, 'not_found') : null))
    expect(room.snapshot.status).toEqual({ state: 'closed', reason: 'removed' })
    await env.advance(60_000)
    expect(env.sockets).toHaveLength(1)
  })

  test('who is a member still, with another role, comes back by itself', async () => {
    const all = await cut(() => null)
    await all.env.advance(1_000)
    join(all)
    expect(status(all.room)).toBe('open')
  })

  test('who is suspended hears that, and nothing is tried again', async () => {
    const { env, room } = await cut((path) => (isRoom(path) ? problemOf(403, 'suspended') : null))
    expect(room.snapshot.status).toMatchObject({ state: 'failed', error: { code: 'suspended' } })
    await env.advance(60_000)
    expect(env.sockets).toHaveLength(1)
  })
})
