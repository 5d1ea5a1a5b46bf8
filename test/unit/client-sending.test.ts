/**
 * What goes out by a link, and what becomes of it when the link is lost meanwhile: messages, stops, typing, and requests
 * for older messages. Against a scripted socket and a clock moved by hand.
 */
import { describe, expect, test } from 'vitest'
import { chats, join, newRoom, open, respond } from '../support/client-room.ts'
import { CONVERSATION_ID } from '../support/conversation-model.ts'
import { json, problemOf, settle } from '../support/fake-environment.ts'

describe('sending', () => {
  test('I3: what was not acknowledged is sent again after a loss, with the same id and in order', async () => {
    const all = newRoom()
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
    const all = newRoom()
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
    const all = newRoom()
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
    const all = newRoom()
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
    const all = newRoom()
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
    const all = newRoom()
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

  test('T5: going on with an answer goes by the socket, or by HTTP when there is none', async () => {
    const all = newRoom()
    const room = await open(all)
    await room.continueTurn('t2')
    expect(all.env.socket.frames.at(-1)).toEqual({ type: 'continue_turn', turnId: 't2' })
    all.env.socket.end()
    const answer = { turnId: 't2', messageId: 'm2', continued: true }
    all.env.respond = (request) => (request.path.endsWith('/continue') ? json(202, answer) : respond(request))
    await room.continueTurn('t2')
    expect(all.env.requests.at(-1)).toMatchObject({ method: 'POST', body: { turnId: 't2' } })
    all.env.respond = (request) =>
      request.path.endsWith('/continue') ? problemOf(409, 'conflict') : respond(request)
    await expect(room.continueTurn('t2')).rejects.toMatchObject({ code: 'conflict' })
  })

  test('typing is said rarely, taken back once, and of others forgotten when not renewed', async () => {
    const all = newRoom()
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
    const all = newRoom()
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
