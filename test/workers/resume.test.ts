/**
 * Coming back: by socket and by SSE, at any moment of a turn, to exactly what was missed.
 */
import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { isTurnEnded, type ServerFrame } from '../../src/protocol/server-frames.ts'
import { expectedText } from '../support/model-text.ts'
import { readSse } from './sse-reading.ts'
import { Guest, message, model, problemOf, stubOf, unique } from './worker-guest.ts'

async function setUp() {
  const guest = await Guest.arrive()
  return { guest, id: await guest.createConversation('A title') }
}

/** A conversation with one finished turn, three events. */
async function answered(text = 'Hello') {
  const all = await setUp()
  await all.guest.chat({ conversationId: all.id, message: message(unique(), `text="${text}"`) })
  return all
}

/** A conversation whose only turn has said `shown` tokens of `tokens` and waits at a gate. */
async function held(tokens = 100, shown = 40) {
  const all = await setUp()
  const gate = unique()
  const content = message(gate, `tokens=${tokens} gate=${gate} after=${shown}`)
  const socket = await all.guest.join(all.id)
  const { turnId } = await socket.chat(content)
  const partial = expectedText(content, shown)
  await socket.until(
    () => socket.all('stream_chunk').reduce((n, f) => n + f.delta.length, 0) === partial.length,
  )
  return { ...all, gate, content, socket, turnId, partial, whole: expectedText(content) }
}

const after = (frames: readonly ServerFrame[]): ServerFrame[] => frames.slice(1)

describe('by socket', () => {
  test('R2 without a place: the newest page, with the text so far; then live', async () => {
    const { guest, id, gate, partial, whole } = await held()
    const socket = await guest.connect(id)
    const joined = await socket.join()
    expect(joined).toMatchObject({ reset: true, seq: 2, before: null })
    expect(joined.messages?.map((each) => [each.id, each.status])).toEqual([
      ['m1', 'completed'],
      ['m2', 'streaming'],
    ])
    expect(joined.messages?.[1]?.parts).toEqual([{ type: 'text', text: partial }])
    await model.openGate(gate)
    await socket.next('stream_complete')
    const rest = socket.all('stream_chunk')
    expect(rest[0]?.offset).toBe(partial.length)
    expect(partial + rest.map((chunk) => chunk.delta).join('')).toBe(whole)
    expect(socket.types).toEqual(['conversation_joined', 'stream_chunk', 'stream_complete'])
  })

  test.each([
    [
      'R3 from the beginning',
      { after: 0 },
      ['message_created', 'stream_start', 'stream_chunk', 'stream_complete'],
    ],
    ['R3 after the question', { after: 1 }, ['stream_start', 'stream_chunk', 'stream_complete']],
    ['R3 after the start, with nothing of the text', { after: 2 }, ['stream_chunk', 'stream_complete']],
    ['R3 after the end', { after: 3 }, []],
    [
      'R4 with a part of the text',
      { after: 2, have: { messageId: 'm2', offset: 2 } },
      ['stream_chunk', 'stream_complete'],
    ],
    ['R4 with all of the text', { after: 2, have: { messageId: 'm2', offset: 5 } }, ['stream_complete']],
    [
      'R4 with more than was stored',
      { after: 2, have: { messageId: 'm2', offset: 9 } },
      ['stream_chunk', 'stream_complete'],
    ],
    [
      'R5 with text from before a start',
      { after: 1, have: { messageId: 'm2', offset: 4 } },
      ['stream_start', 'stream_chunk', 'stream_complete'],
    ],
    [
      'R4 with text of a message that is none',
      { after: 2, have: { messageId: 'm9', offset: 4 } },
      ['stream_chunk', 'stream_complete'],
    ],
    ['R6 ahead of the log', { after: 4 }, null],
  ] as const)('%s, each once and in order', async (_, place, types) => {
    const { guest, id } = await answered()
    const socket = await guest.connect(id)
    const joined = await socket.join(place)
    await socket.settle()
    expect(joined.seq).toBe(3)
    if (types === null) {
      expect(joined.reset).toBe(true)
      expect(joined.messages).toHaveLength(2)
      expect(after(socket.received)).toEqual([])
      return
    }
    expect(joined.reset).toBe(false)
    expect(joined).not.toHaveProperty('messages')
    expect(after(socket.received).map((frame) => frame.type)).toEqual(types)
    const have = 'have' in place && place.have.messageId === 'm2' && place.after === 2 ? place.have.offset : 0
    const [chunk] = socket.all('stream_chunk')
    if (chunk) {
      const offset = Math.min(have, 5)
      expect(chunk).toEqual({ type: 'stream_chunk', messageId: 'm2', offset, delta: 'Hello'.slice(offset) })
    }
  })

  test('R3 R4 in the middle of an answer: what was missed, then live, nothing twice', async () => {
    const { guest, id, gate, partial, whole, socket: other } = await held()
    const socket = await guest.connect(id)
    await socket.join({ after: 2, have: { messageId: 'm2', offset: 7 } })
    await socket.next('stream_chunk')
    expect(socket.all('stream_chunk')).toEqual([
      { type: 'stream_chunk', messageId: 'm2', offset: 7, delta: partial.slice(7) },
    ])
    await model.openGate(gate)
    const [mine, theirs] = [await socket.next('stream_complete'), await other.next('stream_complete')]
    expect(mine).toEqual(theirs)
    expect(
      whole.slice(0, 7) +
        socket
          .all('stream_chunk')
          .map((each) => each.delta)
          .join(''),
    ).toBe(whole)
  })

  test('R3 joined at every moment of a fast answer, each has the whole text once', async () => {
    const { guest, id } = await setUp()
    const content = message(unique(), 'tokens=300 delay=1 size=6')
    const first = await guest.join(id)
    await first.chat(content)
    const sockets = []
    // One joins at each delta, until the end.
    const heard = () => first.all('stream_chunk').length + first.all('stream_complete').length
    for (let before = 0; first.all('stream_complete').length === 0; before = heard()) {
      await first.until(() => heard() > before)
      const socket = await guest.connect(id)
      await socket.join({ after: 2 })
      sockets.push(socket)
    }
    expect(sockets.length).toBeGreaterThan(3)
    for (const socket of sockets) {
      await socket.until((frames) => frames.some((frame) => isTurnEnded(frame)))
      let text = ''
      for (const chunk of socket.all('stream_chunk')) {
        expect(chunk.offset).toBe(text.length)
        text += chunk.delta
      }
      expect(text).toBe(expectedText(content))
    }
  })

  test('R6 more than 256 missed events: a fresh page; 256: each of them', async () => {
    const { guest, id } = await answered()
    // 300 renamings are 300 events without a word from a model.
    for (let i = 0; i < 30; i++) {
      await Promise.all(
        Array.from({ length: 10 }, (_, j) =>
          guest.request('PATCH', `/api/conversations/${id}`, { title: `Title ${i * 10 + j}` }),
        ),
      )
    }
    const far = await guest.join(id, { after: 46 })
    expect(far.all('conversation_joined')[0]).toMatchObject({ reset: true, seq: 303 })
    const near = await guest.join(id, { after: 47 })
    await near.settle()
    expect(near.all('conversation_joined')[0]).toMatchObject({ reset: false, seq: 303 })
    expect(near.all('conversation_updated').map((frame) => frame.seq)).toEqual(
      Array.from({ length: 256 }, (_, i) => 48 + i),
    )
  })

  test('R7 between acceptance and the first token a client that returns hears that an answer is on its way', async () => {
    const { guest, id } = await setUp()
    const gate = unique()
    const socket = await guest.join(id)
    const { turnId, answerId } = await socket.chat(message(gate, `gate=${gate} text=late`))
    await model.wait({ match: gate })
    const back = await guest.join(id)
    const joined = back.all('conversation_joined')[0]
    expect(joined?.turns).toMatchObject([{ turnId, messageId: answerId, state: 'streaming', position: 0 }])
    expect(joined?.messages?.at(-1)).toMatchObject({
      id: answerId,
      status: 'streaming',
      parts: [{ text: '' }],
    })
    await model.openGate(gate)
    await back.next('stream_complete')
    expect(back.all('stream_chunk')[0]).toMatchObject({ offset: 0, delta: 'late' })
  })
})

describe('by SSE', () => {
  test('S1 S2 a message is answered by its turn: accepted first, its end last, and ids that say where', async () => {
    const { guest, id } = await setUp()
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
    const { guest, id } = await setUp()
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
      const rest = await readSse(await guest.request('GET', path, undefined, { 'last-event-id': event.id }))
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
    const { guest, id } = await setUp()
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
    const { guest, id } = await setUp()
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
    const { guest, id } = await setUp()
    const send = (body: object): Promise<Response> => guest.request('POST', '/api/chat/stream', body)
    const failed = await readSse(await send({ conversationId: id, message: message(unique(), 'status=401') }))
    expect(failed.at(-1)?.frame).toMatchObject({ type: 'stream_failed', error: { code: 'model_auth' } })
    const refused = await send({ conversationId: id, message: '  ' })
    expect(refused.status).toBe(422)
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
  })
})
