/**
 * The life of a link: joining, losing, waiting, giving up; and what becomes of messages meanwhile. Against a scripted
 * socket and a clock moved by hand.
 */
import { describe, expect, test } from 'vitest'
import { createParley, memoryStore, type ConversationConnection } from '../../src/client/index.ts'
import { textOf } from '../../src/protocol/message.ts'
import type { JoinConversation } from '../../src/protocol/client-frames.ts'
import { CONVERSATION_ID, ConversationModel } from '../support/conversation-model.ts'
import { FakeEnvironment, json, problemOf, settle, type FakeRequest } from '../support/fake-environment.ts'

const GUEST = {
  accessToken: 'token-1',
  tokenType: 'Bearer',
  expiresIn: 86_400,
  user: { id: 'u-you', name: 'You', role: 'guest' },
}

/** Routes that work; a test overrides the one that it is about. */
function respond(request: FakeRequest): Response {
  if (request.path === '/api/auth/guest') return json(200, GUEST)
  if (request.path === '/api/auth/ticket') return json(200, { ticket: 'a+ticket', expiresIn: 60 })
  if (request.path === `/api/conversations/${CONVERSATION_ID}`) {
    return json(200, new ConversationModel().join({ type: 'join_conversation' })[0]!['conversation' as never])
  }
  return problemOf(404, 'not_found')
}

function setUp() {
  const env = new FakeEnvironment()
  env.respond = respond
  const model = new ConversationModel()
  const pendingStore = memoryStore()
  const tokenStore = memoryStore()
  const connect = () => createParley({ environment: env, tokenStore, pendingStore }).connect(CONVERSATION_ID)
  return { env, model, connect, room: connect() }
}

type SetUp = ReturnType<typeof setUp>

/** Opens the newest socket and answers its join from the model. */
function join({ env, model }: SetUp): void {
  env.socket.open()
  answerJoin({ env, model } as SetUp)
}

function answerJoin({ env, model }: SetUp): void {
  const { socket } = env
  const frame = socket.frames.findLast((sent) => sent.type === 'join_conversation')
  for (const answer of model.join(frame as unknown as JoinConversation)) socket.say(answer)
  model.show = (live) => socket.say(live)
}

async function open(all: SetUp): Promise<ConversationConnection> {
  all.room.open()
  await settle()
  join(all)
  return all.room
}

const status = (room: ConversationConnection) => room.snapshot.status.state
const chats = (all: SetUp) => all.env.socket.frames.filter((frame) => frame.type === 'stream_chat')

describe('joining', () => {
  test('W1 R2: a ticket opens the socket, and the first join asks for a page in compact form', async () => {
    const all = setUp()
    all.room.open()
    expect(status(all.room)).toBe('connecting')
    await settle()
    expect(all.env.socket.url).toBe(
      `ws://parley.test/api/conversations/${CONVERSATION_ID}/ws?ticket=a%2Bticket`,
    )
    join(all)
    expect(all.env.socket.frames).toEqual([{ type: 'join_conversation', compact: true }])
    expect(status(all.room)).toBe('open')
  })

  test('R3 R4 W3: after a loss it resumes where it was, in the middle of an answer', async () => {
    const all = setUp()
    const room = await open(all)
    all.model.say('?')
    all.model.start()
    all.env.socket.say('2.0:Hello')
    all.model.show = () => {}
    all.model.delta('Hello world')
    all.env.socket.end()
    expect(status(room)).toBe('reconnecting')
    await all.env.advance(10_000)
    join(all)
    expect(all.env.socket.frames[0]).toEqual({
      type: 'join_conversation',
      compact: true,
      after: 2,
      have: { messageId: 'm2', offset: 5 },
    })
    expect(room.snapshot.state.messages.map(textOf)).toEqual(['?', 'Hello world'])
    expect(status(room)).toBe('open')
  })

  test('R8: a gap is healed by joining again on the same socket', async () => {
    const all = setUp()
    const room = await open(all)
    all.model.show = () => {}
    all.model.say('missed')
    all.model.show = (frame) => all.env.socket.say(frame)
    all.model.say('heard')
    expect(all.env.sockets).toHaveLength(1)
    expect(all.env.socket.frames.at(-1)).toMatchObject({ type: 'join_conversation', after: 0 })
    answerJoin(all)
    expect(room.snapshot.state.messages.map(textOf)).toEqual(['missed', 'heard'])
  })

  test('a server that answers joins and still leaves gaps is given up, after asking for a fresh page', async () => {
    const all = setUp()
    const room = await open(all)
    for (let i = 0; i < 9 && status(room) === 'open'; i++) {
      all.env.socket.say({ type: 'stream_chunk', messageId: 'm9', offset: 9, delta: 'x' })
      if (status(room) === 'open') answerJoin(all)
    }
    expect(room.snapshot.status).toMatchObject({ state: 'failed', error: { code: 'bad_answer' } })
    const joins = all.env.socket.frames.filter((frame) => frame.type === 'join_conversation')
    expect(joins.map((frame) => 'after' in frame)).toEqual([false, true, false, true, false])
    room.retryNow()
    await settle()
    join(all)
    expect(status(room)).toBe('open')
  })

  test('an unknown frame, half a frame and a wrong one are passed over', async () => {
    const all = setUp()
    const room = await open(all)
    const before = room.snapshot
    for (const text of [
      '{"type":"surprise"}',
      '{"type":',
      'pong',
      'nonsense',
      '{"type":"presence","viewers":3}',
      '',
    ]) {
      all.env.socket.say(text)
    }
    expect(room.snapshot).toBe(before)
  })
})

describe('losing the link', () => {
  test('waits grow, are jittered and stay below ten seconds, and start anew after a link that lasted', async () => {
    const all = setUp()
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
    const all = setUp()
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
    const all = setUp()
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
    const all = setUp()
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
    const all = setUp()
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
    const all = setUp()
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
    const all = setUp()
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
    const all = setUp()
    all.room.open()
    await settle()
    all.env.socket.end()
    await all.env.advance(1_000)
    join(all)
    expect(status(all.room)).toBe('open')
  })

  test('a refused token is replaced by a new one, once; a second refusal fails', async () => {
    const all = setUp()
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

    const refused = setUp()
    refused.env.respond = (request) =>
      request.path === '/api/auth/ticket' ? problemOf(401, 'unauthorized') : respond(request)
    refused.room.open()
    await refused.env.advance(60_000)
    expect(refused.room.snapshot.status).toMatchObject({ state: 'failed', error: { code: 'unauthorized' } })
    expect(refused.env.requests.filter((request) => request.path === '/api/auth/ticket')).toHaveLength(2)
  })

  test('C2 C3: a deletion closes for good, by its frame or by the close code alone', async () => {
    const byFrame = setUp()
    await open(byFrame)
    byFrame.env.socket.say({ type: 'conversation_deleted', conversationId: CONVERSATION_ID })
    byFrame.env.socket.end(4410)
    await byFrame.env.advance(60_000)
    expect(byFrame.room.snapshot.status).toEqual({ state: 'closed', reason: 'deleted' })
    expect(byFrame.env.sockets).toHaveLength(1)

    const byCode = setUp()
    await open(byCode)
    byCode.env.socket.end(4410)
    expect(byCode.room.snapshot.status).toEqual({ state: 'closed', reason: 'deleted' })
  })

  test('T1: leaving closes the socket and sends nothing', async () => {
    const all = setUp()
    const room = await open(all)
    const sent = all.env.socket.sent.length
    room.close()
    await all.env.advance(60_000)
    expect(all.env.socket).toMatchObject({ closedWith: 1000 })
    expect(all.env.socket.sent).toHaveLength(sent)
    expect(all.env.sockets).toHaveLength(1)
  })
})

describe('sending', () => {
  test('I3: what was not acknowledged is sent again after a loss, with the same id and in order', async () => {
    const all = setUp()
    const room = await open(all)
    const first = room.send('one')
    const second = room.send('two')
    expect(chats(all)).toMatchObject([
      { id: first, content: 'one' },
      { id: second, content: 'two' },
    ])
    all.env.socket.end()
    room.send('three')
    expect(room.snapshot.state.pending.map((sent) => sent.state)).toEqual(['waiting', 'waiting', 'waiting'])

    // The first had arrived; its event is in the replay, so it is not sent again.
    all.model.show = () => {}
    all.model.say('one', first)
    await all.env.advance(1_000)
    join(all)
    expect(chats(all).map((frame) => frame['content'])).toEqual(['two', 'three'])
    expect(chats(all)[0]).toMatchObject({ id: second })
  })

  test('a message that is not acknowledged in time fails, and goes again with the same id', async () => {
    const all = setUp()
    const room = await open(all)
    const id = room.send('hello')
    await all.env.advance(14_999)
    expect(room.snapshot.state.pending).toMatchObject([{ state: 'sending' }])
    all.env.socket.say('pong')
    await all.env.advance(1)
    expect(room.snapshot.state.pending).toMatchObject([{ state: 'failed', error: { retryable: true } }])
    room.retry(id)
    expect(chats(all).map((frame) => frame['id'])).toEqual([id, id])
  })

  test('W2: a message whose frame would be too large goes over HTTP, and leaving that stream is not stopping', async () => {
    const all = setUp()
    const accepted = {
      type: 'message_accepted',
      messageId: 'm1',
      turnId: 't2',
      answerId: 'm2',
      duplicate: false,
    }
    let cancelled = false
    all.env.respond = (request) => {
      if (request.path !== '/api/chat/stream') return respond(request)
      const { idempotencyKey } = request.body as { idempotencyKey: string }
      const event = `event: message_accepted\nid: 1:0\ndata: ${JSON.stringify({ ...accepted, id: idempotencyKey })}\n\n`
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(event)),
        cancel: () => void (cancelled = true),
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    }
    const room = await open(all)
    const long = '\u0001'.repeat(11_000)
    const id = room.send(long)
    room.send('short')
    await settle()
    await settle()
    const request = all.env.requests.at(-1)
    expect(request).toMatchObject({
      path: '/api/chat/stream',
      body: { message: long, conversationId: CONVERSATION_ID, idempotencyKey: id },
    })
    expect(cancelled).toBe(true)
    expect(room.snapshot.state.pending).toMatchObject([{ id, state: 'accepted' }, { state: 'sending' }])
    expect(chats(all)).toMatchObject([{ content: 'short' }])
  })

  test('W2: a long message that is refused says why', async () => {
    const all = setUp()
    all.env.respond = (request) =>
      request.path === '/api/chat/stream'
        ? problemOf(429, 'queue_full', { retryable: true })
        : respond(request)
    const room = await open(all)
    room.send('a'.repeat(32_000))
    room.send('€'.repeat(32_000))
    await settle()
    await settle()
    expect(room.snapshot.state.pending).toMatchObject([
      { state: 'sending' },
      { state: 'failed', error: { code: 'queue_full' } },
    ])
  })

  test('what was typed offline outlives a reload of the page', async () => {
    const all = setUp()
    all.env.respond = () => {
      throw new TypeError('no network')
    }
    all.room.open()
    const id = all.room.send('typed in a tunnel')
    await settle()
    all.room.close()
    all.env.respond = respond
    const again = { ...all, room: all.connect() }
    expect(again.room.snapshot.state.pending).toMatchObject([{ id, state: 'waiting' }])
    await open(again)
    expect(chats(again)).toMatchObject([{ id, content: 'typed in a tunnel' }])
    again.model.say('typed in a tunnel', id)
    expect(again.connect().snapshot.state.pending).toEqual([])
  })

  test('T2: stop goes by the socket, or by HTTP when there is none', async () => {
    const all = setUp()
    const room = await open(all)
    await room.stop('t2')
    expect(all.env.socket.frames.at(-1)).toEqual({ type: 'stop_stream', turnId: 't2' })
    all.env.socket.end()
    all.env.respond = (request) =>
      request.path.endsWith('/stop')
        ? json(200, { turnId: 't2', state: 'stopped', stopped: true })
        : respond(request)
    await room.stop('t2')
    expect(all.env.requests.at(-1)).toMatchObject({ method: 'POST', body: { turnId: 't2' } })
  })

  test('typing is said rarely, taken back once, and of others forgotten when not renewed', async () => {
    const all = setUp()
    const room = await open(all)
    for (let i = 0; i < 5; i++) room.typing(true)
    room.typing(false)
    room.typing(false)
    expect(all.env.socket.frames.slice(1)).toEqual([
      { type: 'typing', active: true },
      { type: 'typing', active: false },
    ])
    all.env.socket.say({ type: 'typing', userId: 'u-2', name: 'Two', active: true })
    expect(room.snapshot.state.typing).toHaveLength(1)
    await all.env.advance(7_000)
    expect(room.snapshot.state.typing).toHaveLength(0)
  })

  test('older messages are read once, however often they are asked for', async () => {
    const all = setUp()
    const room = await open(all)
    const page = all.model
    page.say('one')
    const [message] = room.snapshot.state.messages
    all.env.socket.say({
      ...all.model.join({ type: 'join_conversation' })[0],
      messages: [{ ...message, id: 'm9' }],
      before: 'm9',
    })
    all.env.respond = (request) =>
      request.path.endsWith('/messages?before=m9')
        ? json(200, { messages: [message], before: null })
        : respond(request)
    const before = all.env.requests.length
    await Promise.all([room.loadOlder(), room.loadOlder()])
    await room.loadOlder()
    expect(all.env.requests).toHaveLength(before + 1)
    expect(room.snapshot.state.messages.map((other) => other.id)).toEqual(['m1', 'm9'])
  })
})
