/**
 * What a socket may say and hear: joining and leaving, presence and typing, the short form of deltas, and every way of
 * saying something wrong, none of which harms anybody else.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { Tokens } from '../../src/auth/tokens.ts'
import { decodeCompactChunk } from '../../src/protocol/compact-chunk.ts'
import { MAX_CONTENT_CHARS, MAX_FRAME_BYTES, TICKET_TTL_S } from '../../src/protocol/limits.ts'
import { Guest, ask, message, model, problemOf, stubOf, unique } from './worker-guest.ts'

async function setUp() {
  const guest = await Guest.arrive()
  return { guest, id: await guest.createConversation('A title') }
}

describe('before joining', () => {
  test('R1 nothing is heard of the room, and nothing may be said in it', async () => {
    const { guest, id } = await setUp()
    const socket = await guest.connect(id)
    const other = await guest.join(id)
    await other.chat(message(unique(), 'text=ok'))
    await other.next('stream_complete')
    for (const frame of [
      { type: 'stream_chat', id: 'c1', content: 'Hi' },
      { type: 'stop_stream', turnId: 't2' },
      { type: 'typing' },
      { type: 'leave_conversation' },
    ]) {
      socket.send(frame)
      expect(await socket.next('error')).toMatchObject({ code: 'not_joined' })
    }
    expect(new Set(socket.received.map((frame) => frame.type))).toEqual(new Set(['error']))
    // And its going is no news, because it was never here.
    socket.close()
    await socket.closed
    await other.settle()
    expect(other.all('presence')).toEqual([])
  })

  test('W4 ping is answered pong, also while the conversation sleeps, and does not wake it', async () => {
    const { guest, id } = await setUp()
    const socket = await guest.connect(id)
    await socket.ping()
    await evictDurableObject(stubOf(id))
    await socket.ping()
    await socket.ping()
    // Evicting an object that does not run fails: it slept through the pings.
    await expect(evictDurableObject(stubOf(id))).rejects.toThrow()
    expect(socket.received).toEqual([])
  })
})

describe('joining', () => {
  test('R2 an empty conversation has an empty page, and says who is asking', async () => {
    const { guest, id } = await setUp()
    const joined = await (await guest.connect(id)).join()
    expect(joined).toMatchObject({
      seq: 0,
      reset: true,
      messages: [],
      before: null,
      turns: [],
      conversation: { id, title: 'A title', ownerId: guest.userId, messageCount: 0 },
      viewers: [{ userId: guest.userId, name: guest.name, connections: 1 }],
      you: { userId: guest.userId, name: guest.name },
    })
  })

  test('tells the others who is here, counting windows, and again when one is gone', async () => {
    const { guest, id } = await setUp()
    const first = await guest.join(id)
    const second = await guest.join(id)
    const here = (connections: number) => [{ userId: guest.userId, name: guest.name, connections }]
    expect((await first.next('presence')).viewers).toEqual(here(2))
    expect(second.all('conversation_joined')[0]?.viewers).toEqual(here(2))
    second.close()
    expect((await first.next('presence')).viewers).toEqual(here(1))
    const third = await guest.join(id)
    await first.next('presence')
    third.send({ type: 'leave_conversation' })
    expect((await first.next('presence')).viewers).toEqual(here(1))
    await third.settle()
    expect(third.all('presence')).toEqual([])
  })

  test('R8 again on the same socket is a resume: no second place in the room, and every frame once', async () => {
    const { guest, id } = await setUp()
    const socket = await guest.join(id)
    const other = await guest.join(id)
    await socket.next('presence')
    const again = await socket.join({ after: 0 })
    expect(again).toMatchObject({ reset: false, seq: 0 })
    expect(again.viewers[0]?.connections).toBe(2)
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
    await other.settle()
    expect(socket.all('message_created')).toHaveLength(1)
    expect(socket.all('stream_chunk')).toHaveLength(1)
    expect(other.all('presence')).toEqual([])
  })

  test('C1 leaving ends what is heard; the socket stays and may join again', async () => {
    const { guest, id } = await setUp()
    const socket = await guest.join(id)
    const other = await guest.join(id)
    socket.send({ type: 'leave_conversation' })
    await other.next('presence')
    await other.chat(message(unique(), 'text=unheard'))
    await other.next('stream_complete')
    await socket.settle()
    expect(socket.types).toEqual(['conversation_joined', 'presence'])
    const joined = await socket.join({ after: 0 })
    expect(joined).toMatchObject({ reset: false, seq: 3 })
    await socket.next('stream_complete')
  })

  test('typing is told to the others and not to oneself', async () => {
    const { guest, id } = await setUp()
    const [socket, other] = [await guest.join(id), await guest.join(id)]
    socket.send({ type: 'typing' })
    socket.send({ type: 'typing', active: false })
    const who = { type: 'typing', userId: guest.userId, name: guest.name }
    expect(await other.next('typing')).toEqual({ ...who, active: true })
    expect(await other.next('typing')).toEqual({ ...who, active: false })
    await socket.settle()
    expect(socket.all('typing')).toEqual([])
  })
})

describe('the short form', () => {
  test('W3 deltas come in it to who asked for it, and everything else as JSON', async () => {
    const { guest, id } = await setUp()
    const compact = await guest.join(id, { compact: true })
    const plain = await guest.join(id)
    await plain.chat(message(unique(), 'text="{\\"a\\": 😀}\\n" size=2 delay=20'))
    await plain.next('stream_complete')
    await compact.next('stream_complete')
    const short = compact.texts.filter((text) => !text.startsWith('{'))
    expect(short.length).toBeGreaterThan(1)
    expect(short.map((text) => decodeCompactChunk(text))).toEqual(plain.all('stream_chunk'))
    expect(plain.texts.every((text) => text.startsWith('{'))).toBe(true)
    for (const text of compact.texts.filter((each) => each.startsWith('{'))) {
      expect(JSON.parse(text)).not.toMatchObject({ type: 'stream_chunk' })
    }
  })

  test('W3 what was missed comes in it too, and joining without it ends it', async () => {
    const { guest, id } = await setUp()
    const socket = await guest.join(id)
    await socket.chat(message(unique(), 'text="Hello"'))
    await socket.next('stream_complete')
    await socket.join({ after: 2, compact: true })
    await socket.next('stream_complete')
    expect(socket.texts.at(-2)).toBe('2.0:Hello')
    await socket.join({ after: 2 })
    await socket.next('stream_complete')
    expect(JSON.parse(socket.texts.at(-2) ?? '')).toMatchObject({ type: 'stream_chunk', delta: 'Hello' })
  })
})

describe('a bad frame', () => {
  test.each([
    ['no JSON', 'hello', 'invalid_json', undefined],
    ['an array', '[]', 'invalid_frame', 'type'],
    ['an unknown type', '{"type":"shutdown"}', 'invalid_frame', 'type'],
    ['an unknown field', '{"type":"typing","force":true}', 'validation_failed', 'force'],
    ['no content', '{"type":"stream_chat","id":"c9"}', 'validation_failed', 'content'],
    [
      'nothing but spaces',
      '{"type":"stream_chat","id":"c9","content":" \\n"}',
      'validation_failed',
      'content',
    ],
    ['a NUL', '{"type":"stream_chat","id":"c9","content":"a\\u0000b"}', 'validation_failed', 'content'],
    ['half a pair', '{"type":"stream_chat","id":"c9","content":"\\ud83d"}', 'validation_failed', 'content'],
    [
      'too long a message',
      JSON.stringify({ type: 'stream_chat', id: 'c9', content: 'a'.repeat(MAX_CONTENT_CHARS + 1) }),
      'validation_failed',
      'content',
    ],
    [
      'too large a frame',
      JSON.stringify({ type: 'stream_chat', id: 'c9', content: '文'.repeat(MAX_FRAME_BYTES / 3) }),
      'frame_too_large',
      undefined,
    ],
    [
      'a parent that is not here',
      '{"type":"stream_chat","id":"c9","content":"a","parentId":"m7"}',
      'validation_failed',
      'parentId',
    ],
    [
      'an agent that is not here',
      '{"type":"stream_chat","id":"c9","content":"a","agentId":"spy"}',
      'validation_failed',
      'agentId',
    ],
    ['a binary frame', new Uint8Array([123, 125]).buffer, 'invalid_frame', undefined],
  ] as const)('E1 E2 is answered and closes nothing: %s', async (_, frame, code, field) => {
    const { guest, id } = await setUp()
    const [socket, other] = [await guest.join(id), await guest.join(id)]
    socket.send(frame)
    const error = await socket.next('error')
    expect(error).toMatchObject({ code, retryable: false })
    expect(error.field).toBe(field)
    if (typeof frame === 'string' && frame.includes('"c9"') && code !== 'frame_too_large') {
      expect(error.id).toBe('c9')
    }
    await other.chat(message(unique(), 'text=ok'))
    await other.next('stream_complete')
    await socket.next('stream_complete')
    expect(other.all('error')).toEqual([])
    expect(await guest.messages(id)).toHaveLength(2)
  })

  test('W2 the longest message that is allowed is answered, if its frame is small enough', async () => {
    const { guest, id } = await setUp()
    const socket = await guest.join(id)
    const tag = `${unique()} [[text=ok]] `
    await socket.chat(tag + 'é'.repeat(MAX_CONTENT_CHARS - tag.length))
    await socket.next('stream_complete')
    const longest = tag + '文'.repeat(MAX_CONTENT_CHARS - tag.length)
    const answer = await guest.chat({ conversationId: id, message: longest })
    expect(answer.message.status).toBe('completed')
    // The room sees what came by HTTP.
    expect((await socket.next('message_created')).message.parts[0]?.text).toBe(longest)
  })

  test('E4 an unexpected error says internal and an id that the log has, and nothing of itself', async () => {
    const { guest, id } = await setUp()
    const [socket, other] = [await guest.join(id), await guest.join(id)]
    await runInDurableObject(stubOf(id), (_, state) => {
      state.storage.sql.exec('ALTER TABLE messages RENAME TO lost')
    })
    socket.send({ type: 'stream_chat', id: 'c1', content: 'Hi' })
    const error = await socket.next('error')
    expect(error).toMatchObject({ code: 'internal', id: 'c1', retryable: true })
    expect(error.detail).toMatch(/request id is [0-9a-f-]{36}/)
    expect(JSON.stringify(error)).not.toMatch(/messages|sql|table/i)
    await runInDurableObject(stubOf(id), (_, state) => {
      state.storage.sql.exec('ALTER TABLE lost RENAME TO messages')
    })
    // Sent again, it is as if nothing had been.
    const tag = unique()
    expect((await socket.chat(message(tag, 'text=ok'), { id: 'c2' })).turnId).toBe('t2')
    await other.next('stream_complete')
    expect(await model.wait({ match: tag })).toHaveLength(1)
  })
})

describe('a stranger', () => {
  test("E3 is told of another's conversation what is told of none, at every door", async () => {
    const { guest, id } = await setUp()
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
async function secret(): Promise<string> {
  const made = await env.DB.prepare("SELECT value FROM settings WHERE name = 'auth_secret'").first<string>(
    'value',
  )
  if (made === null) throw new Error('there is no secret')
  return made
}

const verified = async (guest: Guest) => await new Tokens(secret).verifyTicket(await guest.ticket())

describe('a ticket', () => {
  test('W1 opens one socket', async () => {
    const { guest, id } = await setUp()
    const ticket = await guest.ticket()
    expect((await guest.upgrade(id, ticket)).status).toBe(101)
    const again = await guest.upgrade(id, ticket)
    expect(again.status).toBe(401)
    expect(await problemOf(again)).toMatchObject({ code: 'unauthorized' })
  })

  test('W1 opens one socket of a hundred that come with it at once', async () => {
    const { guest, id } = await setUp()
    const ticket = await guest.ticket()
    const responses = await Promise.all(Array.from({ length: 100 }, () => guest.upgrade(id, ticket)))
    const statuses = responses.map((response) => response.status)
    expect(statuses.filter((status) => status === 101)).toHaveLength(1)
    expect(statuses.filter((status) => status === 401)).toHaveLength(99)
  })

  test('W1 is needed, and an access token is none; neither is a ticket an access token', async () => {
    const { guest, id } = await setUp()
    for (const ticket of ['', 'x', guest.token]) {
      expect((await guest.upgrade(id, ticket)).status).toBe(401)
    }
    const ticket = await guest.ticket()
    const response = await ask('/api/conversations', { headers: { authorization: `Bearer ${ticket}` } })
    expect(response.status).toBe(401)
  })

  test('W1 is refused when its time is over', async () => {
    const { guest, id } = await setUp()
    const { principal } = await verified(guest)
    const late = new Tokens(secret, () => Date.now() - (TICKET_TTL_S + 1) * 1_000)
    const response = await guest.upgrade(id, (await late.issueTicket(principal)).token)
    expect(response.status).toBe(401)
    expect(await problemOf(response)).toMatchObject({ code: 'unauthorized' })
    const early = new Tokens(secret, () => Date.now() - (TICKET_TTL_S - 20) * 1_000)
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
    const { guest, id } = await setUp()
    const ticket = await guest.ticket()
    const response = await ask(`/api/conversations/${id}/ws?ticket=${ticket}`)
    expect(await problemOf(response)).toMatchObject({ code: 'bad_request', status: 400 })
    expect((await guest.upgrade(id, ticket)).status).toBe(101)
  })
})
