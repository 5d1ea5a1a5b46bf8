/**
 * Coming back by SSE, after any event of a turn, to exactly what was missed; and the stream that one comes back to.
 */
import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { expectedText } from '../support/model-text.ts'
import { readSse } from './sse-reading.ts'
import { answered, held, newConversation } from './started-conversation.ts'
import { message, model, problemOf, stubOf, unique } from './worker-guest.ts'

describe('by SSE', () => {
  test('S1 S2 a message is answered by its turn: accepted first, its end last, and ids that say where', async () => {
    const { guest, id } = await newConversation('A title')
    const socket = await guest.join(id)
    const response = await guest.request('POST', '/api/chat/stream', {
      conversationId: id,
      message: message(unique(), 'text="Hello 😀"'),
      idempotencyKey: 'k1',
    })
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(response.headers.get('x-conversation-id')).toBe(id)
    const events = await readSse(response)
    await socket.next('stream_complete')
    expect(events.map((event) => event.event)).toEqual([
      'message_accepted',
      'message_created',
      'stream_start',
      'stream_chunk',
      'stream_complete',
    ])
    expect(events.map((event) => event.id)).toEqual(['0:0', '1:0', '2:0', '2:8', '3:8'])
    expect(events[0]?.frame).toMatchObject({ id: 'k1', messageId: 'm1', turnId: 't2', answerId: 'm2' })
    // The very frames that the room saw.
    const seen = socket.received.filter((frame) => frame.type !== 'conversation_joined')
    expect(events.slice(1).map((event) => event.frame)).toEqual(seen)
  })

  test('S3 C4 cut anywhere, it goes on after the last event, and ends with the turn', async () => {
    const { guest, id, gate, whole } = await held()
    const path = `/api/conversations/${id}/messages/m2/stream`
    const first = await readSse(await guest.request('GET', path), (event) => event.event === 'stream_chunk')
    expect(first.map((event) => event.event)).toEqual(['message_created', 'stream_start', 'stream_chunk'])
    const last = first.at(-1)?.id ?? ''
    const rest = guest.request('GET', path, undefined, { 'last-event-id': last })
    await model.openGate(gate)
    const second = await readSse(await rest)
    const text = [...first, ...second].reduce((sum, { frame }) => {
      if (frame.type !== 'stream_chunk') return sum
      expect(frame.offset).toBe(sum.length)
      return sum + frame.delta
    }, '')
    expect(text).toBe(whole)
    expect(second.at(-1)?.event).toBe('stream_complete')
    expect(second.filter((event) => event.event !== 'stream_chunk')).toHaveLength(1)
  })

  test('S3 resumed after every one of its events, the rest is always the same', async () => {
    const { guest, id } = await newConversation('A title')
    const content = message(unique(), 'tokens=30 delay=10')
    const whole = await readSse(
      await guest.request('POST', '/api/chat/stream', { conversationId: id, message: content }),
    )
    const textOf = (events: typeof whole, from = ''): string =>
      events.reduce(
        (text, { frame }) =>
          frame.type === 'stream_chunk' ? text.slice(0, frame.offset) + frame.delta : text,
        from,
      )
    const path = `/api/conversations/${id}/messages/m1/stream`
    for (const [index, event] of whole.entries()) {
      const response = await guest.request('GET', path, undefined, { 'last-event-id': event.id })
      const isEnd = index === whole.length - 1
      expect(response.status).toBe(isEnd ? 204 : 200)
      const rest = isEnd ? [] : await readSse(response)
      expect(textOf(rest, textOf(whole.slice(0, index + 1)))).toBe(expectedText(content))
      const kinds = (events: typeof whole): string[] =>
        events
          .map((each) => each.event)
          .filter((each) => each !== 'stream_chunk' && each !== 'message_accepted')
      expect(kinds([...whole.slice(0, index + 1), ...rest])).toEqual(kinds(whole))
    }
  })

  test('S3 a finished turn is told from its beginning, by the id of its answer or of its question', async () => {
    const { guest, id } = await answered()
    for (const messageId of ['m1', 'm2']) {
      const path = `/api/conversations/${id}/messages/${messageId}/stream`
      const events = await readSse(await guest.request('GET', path))
      expect(events.map((event) => event.event)).toEqual([
        'message_created',
        'stream_start',
        'stream_chunk',
        'stream_complete',
      ])
    }
  })

  test('S3 a turn that waits is followed from its place in the queue to its end, and nothing of others is heard', async () => {
    const { guest, id, gate } = await held()
    const response = await guest.request('POST', '/api/chat/stream', {
      conversationId: id,
      message: message(unique(), 'text=mine'),
    })
    await model.openGate(gate)
    const events = await readSse(response)
    expect([...new Set(events.map((event) => event.event))]).toEqual([
      'message_accepted',
      'message_created',
      'turn_queued',
      'stream_start',
      'stream_chunk',
      'stream_complete',
    ])
    for (const { frame } of events) {
      if ('turnId' in frame) expect(frame.turnId).toBe('t4')
      if (frame.type === 'stream_chunk') expect(frame).toMatchObject({ messageId: 'm4', delta: 'mine' })
    }
  })

  test('S1 I3 sent again it is the same turn, told from its beginning', async () => {
    const { guest, id } = await newConversation('A title')
    const tag = unique()
    const send = async () =>
      await readSse(
        await guest.request('POST', '/api/chat/stream', {
          conversationId: id,
          message: message(tag, 'text=once'),
          idempotencyKey: 'k1',
        }),
      )
    const [first, second] = [await send(), await send()]
    expect(second[0]?.frame).toEqual({ ...first[0]?.frame, duplicate: true })
    expect(second.slice(1)).toEqual(first.slice(1))
    expect(await model.wait({ match: tag })).toHaveLength(1)
  })

  test('T1 a caller that goes stops nothing', async () => {
    const { guest, id } = await newConversation('A title')
    const content = message(unique(), 'tokens=50 delay=5')
    const response = await guest.request('POST', '/api/chat/stream', { conversationId: id, message: content })
    await readSse(response, (event) => event.event === 'stream_chunk')
    const socket = await guest.join(id, { after: 2 })
    await socket.next('stream_complete')
    expect((await guest.messages(id)).at(-1)?.parts[0]?.text).toBe(expectedText(content))
    // And its reader is not kept.
    await runInDurableObject(stubOf(id), (_, state) => {
      expect(state.getWebSockets()).toHaveLength(1)
    })
  })

  test.each(['', '3', 'x:y', '-1:0', '3:5:7', '1e3:0'])(
    'E1 S3 a Last-Event-ID that is none of ours is refused: %j',
    async (last) => {
      const { guest, id } = await answered()
      const path = `/api/conversations/${id}/messages/m2/stream`
      const response = await guest.request('GET', path, undefined, { 'last-event-id': last })
      expect(response.status).toBe(422)
      expect(await problemOf(response)).toMatchObject({ code: 'validation_failed', field: 'Last-Event-ID' })
    },
  )

  test.each(['m9', 't2', 'm0', 'x'])(
    'S3 E3 a message that is not here is not found: %s',
    async (messageId) => {
      const { guest, id } = await answered()
      const response = await guest.request('GET', `/api/conversations/${id}/messages/${messageId}/stream`)
      expect(response.status).toBe(404)
    },
  )

  test('S1 E1 a failed turn is told as a failed turn, and a refused message as a problem', async () => {
    const { guest, id } = await newConversation('A title')
    const send = (body: object): Promise<Response> => guest.request('POST', '/api/chat/stream', body)
    const failed = await readSse(await send({ conversationId: id, message: message(unique(), 'status=401') }))
    expect(failed.at(-1)?.frame).toMatchObject({ type: 'stream_failed', error: { code: 'model_auth' } })
    const refused = await send({ conversationId: id, message: '  ' })
    expect(refused.status).toBe(422)
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
  })
})
