/**
 * Coming back by socket, at any moment of a turn, to exactly what was missed.
 */
import { describe, expect, test } from 'vitest'
import { isTurnEnded, type ServerFrame } from '../../src/protocol/server-frames.ts'
import { expectedText } from '../support/model-text.ts'
import { answered, held, newConversation } from './started-conversation.ts'
import { message, model, unique } from './worker-guest.ts'

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
    const { guest, id } = await newConversation('A title')
    const content = message(unique(), 'tokens=300 delay=1 size=6')
    const first = await guest.join(id)
    await first.chat(content)
    const sockets = []
    // One joins at each delta, until the end.
    const heard = () => first.all('stream_chunk').length + first.all('stream_complete').length
    for (let before = 0; first.all('stream_complete').length === 0; before = heard()) {
      await first.until(() => heard() > before)
      // One person may have 20.
      if (sockets.length === 18) continue
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
    const { guest, id } = await newConversation('A title')
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
