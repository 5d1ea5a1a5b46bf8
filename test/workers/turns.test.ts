/**
 * Turns, as the sockets of a conversation see them: accepted once, one at a time, in order, ended in every case, and
 * stopped when somebody says so.
 */
import { describe, expect, test } from 'vitest'
import { expectedText } from '../support/model-text.ts'
import type { FrameOf, ServerFrame } from '../../src/protocol/server-frames.ts'
import { Guest, message, model, stubOf, unique } from './worker-guest.ts'
import type { TestSocket } from './test-socket.ts'

async function setUp(): Promise<{ guest: Guest; id: string; socket: TestSocket }> {
  const guest = await Guest.arrive()
  const id = await guest.createConversation('A title')
  return { guest, id, socket: await guest.join(id) }
}

/** The text that a reader has after these frames (rules O4–O6). */
function textFrom(frames: readonly ServerFrame[], messageId: string): string {
  let text = ''
  for (const frame of frames) {
    if (!('messageId' in frame) || frame.messageId !== messageId) continue
    if (frame.type === 'stream_start') text = text.slice(0, frame.offset)
    else if (frame.type === 'stream_chunk') {
      expect(frame.offset).toBeLessThanOrEqual(text.length)
      text = text.slice(0, frame.offset) + frame.delta
    } else if ('length' in frame) text = text.slice(0, frame.length)
  }
  return text
}

const ended = (turnId: string) => (frame: { turnId: string }) => frame.turnId === turnId
const seqs = (frames: readonly ServerFrame[]): number[] =>
  frames.flatMap((frame) => ('seq' in frame && frame.type !== 'conversation_joined' ? [frame.seq] : []))

describe('a message', () => {
  test('O1 O2 O3 O6 is accepted, then told, then answered, in this order and with the same ids', async () => {
    const { socket, guest, id } = await setUp()
    const content = message(unique(), 'text="Hello 😀 world"')
    const accepted = await socket.chat(content, { id: 'c1' })
    await socket.next('stream_complete')

    expect(socket.types).toEqual([
      'conversation_joined',
      'message_accepted',
      'message_created',
      'stream_start',
      'stream_chunk',
      'stream_complete',
    ])
    expect(accepted).toEqual({
      type: 'message_accepted',
      id: 'c1',
      messageId: 'm1',
      turnId: 't2',
      answerId: 'm2',
      duplicate: false,
    })
    expect(seqs(socket.received)).toEqual([1, 2, 3])
    const [created] = socket.all('message_created')
    expect(created?.message).toMatchObject({
      id: 'm1',
      parentId: null,
      turnId: 't2',
      clientId: 'c1',
      role: 'user',
      authorId: guest.userId,
      authorName: guest.name,
      status: 'completed',
      parts: [{ type: 'text', text: content }],
    })
    const [start] = socket.all('stream_start')
    expect(start).toMatchObject({ turnId: 't2', messageId: 'm2', parentId: 'm1', attempt: 1, offset: 0 })
    const [complete] = socket.all('stream_complete')
    expect(complete).toMatchObject({ finishReason: 'stop', length: 14, usage: { outputTokens: 4 } })
    expect(textFrom(socket.received, 'm2')).toBe('Hello 😀 world')
    const stored = await guest.messages(id)
    expect(stored.map((each) => [each.id, each.parentId, each.status])).toEqual([
      ['m1', null, 'completed'],
      ['m2', 'm1', 'completed'],
    ])
    expect(stored[1]?.parts).toEqual([{ type: 'text', text: 'Hello 😀 world' }])
    expect(stored[0]).toEqual(created?.message)
  })

  test('I1 numbers rise with acceptance, and a message follows the newest answer when nothing else is said', async () => {
    const { socket, guest, id } = await setUp()
    for (let i = 0; i < 3; i++) {
      await socket.chat(message(unique(), 'text=ok'))
      await socket.next('stream_complete')
    }
    const stored = await guest.messages(id)
    expect(stored.map((each) => [each.id, each.parentId, each.turnId])).toEqual([
      ['m1', null, 't2'],
      ['m2', 'm1', 't2'],
      ['m3', 'm2', 't4'],
      ['m4', 'm3', 't4'],
      ['m5', 'm4', 't6'],
      ['m6', 'm5', 't6'],
    ])
  })

  test('is answered with the way back to its root for a context: a branch knows nothing of its siblings', async () => {
    const { socket } = await setUp()
    const [root, left, right, fresh] = [unique(), unique(), unique(), unique()]
    const send = async (tag: string, options: Record<string, unknown> = {}): Promise<void> => {
      await socket.chat(message(tag, `text="answer to ${tag}"`), options)
      await socket.next('stream_complete')
    }
    await send(root)
    await send(left)
    await send(right, { parentId: 'm2' })
    await send(fresh, { parentId: null })
    const asked = async (tag: string): Promise<string[]> => {
      const [call] = await model.wait({ match: tag })
      return (call?.messages ?? []).map((each) => `${each.role}: ${each.content.replace(/ \[\[.*/, '')}`)
    }
    const system = expect.stringMatching(/^system: /)
    const branch = [`user: ${root}`, `assistant: answer to ${root}`]
    expect(await asked(left)).toEqual([system, ...branch, `user: ${left}`])
    expect(await asked(right)).toEqual([system, ...branch, `user: ${right}`])
    expect(await asked(fresh)).toEqual([system, `user: ${fresh}`])
  })

  test('O3 everyone in the room sees the same, and only the sender is told that it was accepted', async () => {
    const { guest, id, socket } = await setUp()
    const others = [await guest.join(id), await guest.join(id, { compact: true })]
    await socket.chat(message(unique(), 'tokens=200 delay=1'))
    await socket.next('stream_complete')
    for (const other of others) {
      await other.next('stream_complete')
      expect(other.all('message_accepted')).toEqual([])
      const since = (frames: readonly ServerFrame[]) =>
        frames.filter(
          (frame) => !['conversation_joined', 'presence', 'message_accepted'].includes(frame.type),
        )
      expect(since(other.received)).toEqual(since(socket.received))
    }
  })

  test('W5 no delta splits a pair, whatever the model does', async () => {
    const { socket } = await setUp()
    const content = message(unique(), 'text="😀😃😄😁😆" size=1 halves delay=20')
    await socket.chat(content)
    await socket.next('stream_complete')
    const deltas = socket.all('stream_chunk').map((frame) => frame.delta)
    expect(deltas.length).toBeGreaterThan(1)
    for (const delta of deltas) expect(delta.isWellFormed()).toBe(true)
    expect(textFrom(socket.received, 'm2')).toBe('😀😃😄😁😆')
  })
})

describe('the same message again', () => {
  test('I3 is the same turn: acknowledged again, no row, no call, before and after its end', async () => {
    const { socket, guest, id } = await setUp()
    const tag = unique()
    const content = message(tag, `gate=${tag} text=done`)
    const first = await socket.chat(content, { id: 'c1' })
    const second = await socket.chat(content, { id: 'c1' })
    await model.openGate(tag)
    await socket.next('stream_complete')
    const third = await socket.chat(content, { id: 'c1' })
    for (const again of [second, third]) expect(again).toEqual({ ...first, duplicate: true })
    await socket.settle()
    expect(seqs(socket.received)).toEqual([1, 2, 3])
    expect(await guest.messages(id)).toHaveLength(2)
    expect(await model.wait({ match: tag })).toHaveLength(1)
  })

  test('I3 sent twenty times at once, by socket and by HTTP, it is one turn and one call', async () => {
    const { socket, guest, id } = await setUp()
    const tag = unique()
    const content = message(tag, 'text=once')
    const bySocket = Array.from({ length: 10 }, () => socket.chat(content, { id: 'c1' }))
    const byHttp = Array.from({ length: 10 }, () =>
      guest.chat({ conversationId: id, message: content, idempotencyKey: 'c1' }),
    )
    const accepted = await Promise.all(bySocket)
    const answers = await Promise.all(byHttp)
    await socket.settle()
    expect(new Set([...accepted, ...answers].map((each) => each.turnId))).toEqual(new Set(['t2']))
    const told = socket.all('message_accepted').filter((frame) => !frame.duplicate)
    expect(told.length).toBeLessThanOrEqual(1)
    expect(answers.map((answer) => answer.message.parts[0]?.text)).toEqual(Array(10).fill('once'))
    expect(await model.wait({ match: tag })).toHaveLength(1)
    expect(await guest.messages(id)).toHaveLength(2)
  })

  test('I3 with another content it is refused, and harms nothing', async () => {
    const { socket, guest, id } = await setUp()
    await socket.chat(message(unique(), 'text=one'), { id: 'c1' })
    socket.send({ type: 'stream_chat', id: 'c1', content: 'another' })
    expect(await socket.next('error')).toMatchObject({
      code: 'conflict',
      id: 'c1',
      field: 'id',
      retryable: false,
    })
    await socket.until((frames) => frames.some((frame) => frame.type === 'stream_complete'))
    expect(await guest.messages(id)).toHaveLength(2)
  })

  test('I2 in another conversation it is another message', async () => {
    const { socket, guest } = await setUp()
    const tag = unique()
    const other = await guest.join(await guest.createConversation())
    for (const each of [socket, other]) {
      expect((await each.chat(message(tag, 'text=ok'), { id: 'c1' })).duplicate).toBe(false)
      await each.next('stream_complete')
    }
    expect(await model.wait({ match: tag, count: 2 })).toHaveLength(2)
  })
})

describe('waiting turns', () => {
  /** A conversation whose model is held at a gate, so that whatever comes waits. */
  async function busy() {
    const all = await setUp()
    const gate = unique()
    await all.socket.chat(message(gate, `gate=${gate} text=first`))
    await model.wait({ match: gate })
    return { ...all, gate }
  }

  test('O3 O7 run one at a time by priority, oldest first within one', async () => {
    const { socket, gate, id, guest } = await busy()
    const send = (name: string, priority?: string): Promise<FrameOf<'message_accepted'>> =>
      socket.chat(message(`${name}-${gate}`, 'text=ok'), priority === undefined ? {} : { priority })
    const low = await send('low', 'low')
    const normal = await send('normal')
    const urgent = await send('urgent', 'urgent')
    const high = await send('high', 'high')
    const normalToo = await send('normalToo', 'normal')
    await socket.settle()
    const places = new Map(socket.all('turn_queued').map((frame) => [frame.turnId, frame.position]))
    const order = [urgent, high, normal, normalToo, low].map((each) => each.turnId)
    expect([...places].toSorted((a, b) => a[1] - b[1]).map(([turnId]) => turnId)).toEqual(order)

    await model.openGate(gate)
    await socket.until((frames) => frames.filter((frame) => frame.type === 'stream_complete').length === 6)
    expect(socket.all('stream_start').map((frame) => frame.turnId)).toEqual(['t2', ...order])
    const calls = await model.wait({ match: gate, count: 6 })
    expect(calls.slice(1).map((call) => call.lastUserMessage.split('-')[0])).toEqual([
      'urgent',
      'high',
      'normal',
      'normalToo',
      'low',
    ])
    // One at a time: an answer ends before the next begins.
    const marks = socket.received.flatMap((frame) =>
      frame.type === 'stream_start' || frame.type === 'stream_complete' ? [frame.type] : [],
    )
    expect(marks).toEqual(Array.from({ length: 6 }, () => ['stream_start', 'stream_complete']).flat())
    expect(seqs(socket.received)).toEqual(seqs(socket.received).map((_, index) => index + 1))
    expect(await guest.messages(id)).toHaveLength(12)
  })

  test('O8 sixteen may wait; the next is refused, leaves no row, and its id is free', async () => {
    const { socket, gate, id, guest } = await busy()
    for (let i = 0; i < 16; i++) await socket.chat(message(gate, 'text=ok'), { id: `w${i}` })
    const before = (await guest.messages(id)).length
    socket.send({ type: 'stream_chat', id: 'w16', content: message(gate, 'text=late') })
    expect(await socket.next('error')).toMatchObject({ code: 'queue_full', id: 'w16', retryable: true })
    const refused = await guest.request('POST', '/api/chat', { conversationId: id, message: 'one more' })
    expect(refused.status).toBe(429)
    expect(await guest.messages(id)).toHaveLength(before)
    // What is there already is acknowledged also when nothing more fits.
    expect((await socket.chat(message(gate, 'text=ok'), { id: 'w3' })).duplicate).toBe(true)

    await model.openGate(gate)
    await socket.until((frames) => frames.filter((frame) => frame.type === 'stream_complete').length === 17)
    expect((await socket.chat(message(gate, 'text=late'), { id: 'w16' })).duplicate).toBe(false)
    await socket.next('stream_complete')
  })

  test('O3 T2 a turn that is stopped while it waits ends as stopped, without text, and is never run', async () => {
    const { socket, gate, guest, id } = await busy()
    const tag = unique()
    const waiting = await socket.chat(message(tag, 'text=never'))
    const behind = await socket.chat(message(unique(), 'text=ok'))
    await socket.next('turn_queued', (frame) => frame.turnId === behind.turnId && frame.position === 2)
    socket.send({ type: 'stop_stream', turnId: waiting.turnId })
    const stopped = await socket.next('stream_stopped')
    expect(stopped).toMatchObject({ turnId: waiting.turnId, messageId: waiting.answerId, length: 0 })
    await socket.next('turn_queued', (frame) => frame.turnId === behind.turnId && frame.position === 1)
    await model.openGate(gate)
    await socket.next('stream_complete', ended(behind.turnId))
    const calls = await model.calls()
    expect(calls.filter((call) => call.lastUserMessage.includes(tag))).toEqual([])
    const answer = (await guest.messages(id)).find((each) => each.id === waiting.answerId)
    expect(answer).toMatchObject({ status: 'stopped', parts: [{ text: '' }] })
  })

  test('R7 whoever joins meanwhile hears of all of them', async () => {
    const { gate, guest, id, socket } = await busy()
    const waiting = await socket.chat(message(unique(), 'text=ok'), { priority: 'high' })
    const joined = await (await guest.connect(id)).join()
    expect(joined.turns).toEqual([
      { turnId: 't2', askedBy: 'm1', messageId: 'm2', state: 'streaming', position: 0, priority: 'normal' },
      {
        turnId: waiting.turnId,
        askedBy: waiting.messageId,
        messageId: waiting.answerId,
        state: 'queued',
        position: 1,
        priority: 'high',
      },
    ])
    await model.openGate(gate)
    await socket.next('stream_complete', ended(waiting.turnId))
  })
})

describe('stopping', () => {
  test('T2 ends the turn, aborts the call and keeps the text so far; the next turn runs', async () => {
    const { socket, guest, id } = await setUp()
    const tag = unique()
    const content = message(tag, 'tokens=1000 delay=5')
    const { turnId } = await socket.chat(content)
    const behind = await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_chunk', (frame) => frame.offset > 20)
    socket.send({ type: 'stop_stream', turnId })
    const stopped = await socket.next('stream_stopped')
    const [call] = await model.wait({ match: tag, state: 'aborted' })
    expect(call?.tokensSent).toBeLessThan(1000)
    await socket.next('stream_complete', ended(behind.turnId))

    const answer = (await guest.messages(id)).find((each) => each.id === stopped.messageId)
    const text = answer?.parts[0]?.text ?? ''
    expect(answer?.status).toBe('stopped')
    expect(text).toHaveLength(stopped.length)
    expect(expectedText(content).startsWith(text)).toBe(true)
    expect(textFrom(socket.received, stopped.messageId)).toBe(text)
  })

  test('T2 again, or after the end, changes nothing and is no error; of a turn that never was it is one', async () => {
    const { socket, guest, id } = await setUp()
    const stop = async (turnId: string): Promise<unknown> =>
      (await guest.request('POST', `/api/conversations/${id}/stop`, { turnId })).json()
    const tag = unique()
    const first = await socket.chat(message(tag, `gate=${tag} text=never`))
    await model.wait({ match: tag })
    expect(await stop(first.turnId)).toEqual({ turnId: 't2', state: 'stopped', stopped: true })
    expect(await stop(first.turnId)).toEqual({ turnId: 't2', state: 'stopped', stopped: false })
    const second = await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
    expect(await stop(second.turnId)).toEqual({ turnId: 't4', state: 'completed', stopped: false })
    socket.send({ type: 'stop_stream', turnId: second.turnId })
    await socket.settle()
    expect(socket.all('error')).toEqual([])
    expect(socket.all('stream_stopped')).toHaveLength(1)
    expect(await stop('t99')).toMatchObject({ code: 'not_found', field: 'turnId' })
    socket.send({ type: 'stop_stream', turnId: 't99' })
    expect(await socket.next('error')).toMatchObject({ code: 'not_found', field: 'turnId' })
  })

  test('T2 twenty stops at once stop once', async () => {
    const { socket, guest, id } = await setUp()
    const tag = unique()
    const { turnId } = await socket.chat(message(tag, `tokens=100 gate=${tag} after=3`))
    await socket.next('stream_chunk')
    const stops = await Promise.all(
      Array.from({ length: 20 }, () => guest.request('POST', `/api/conversations/${id}/stop`, { turnId })),
    )
    const answers = await Promise.all(stops.map((response) => response.json<{ stopped: boolean }>()))
    expect(answers.filter((answer) => answer.stopped)).toHaveLength(1)
    await socket.settle()
    expect(socket.all('stream_stopped')).toHaveLength(1)
  })

  test('T1 leaving, closing and losing a socket stop nothing', async () => {
    const { socket, guest, id } = await setUp()
    const content = message(unique(), 'tokens=60 delay=5')
    const { turnId } = await socket.chat(content)
    await socket.next('stream_chunk')
    socket.send({ type: 'leave_conversation' })
    socket.close()
    const answer = await stubOf(id).answer(
      { userId: guest.userId, name: guest.name, role: 'guest', kind: 'guest' },
      turnId,
    )
    expect(answer).toMatchObject({
      ok: true,
      value: { status: 'completed', parts: [{ text: expectedText(content) }] },
    })
  })
})

describe('a provider that fails', () => {
  test.each([
    ['close after=3', 'model_error', true],
    ['error-in-stream after=3', 'model_error', true],
    ['hang=mid after=3', 'model_timeout', true],
    ['status=429 retry-after=7', 'model_rate_limited', true],
    ['status=401', 'model_auth', false],
    ['status=400', 'model_rejected', false],
  ])('T3 O6 ends the turn as failed with the text so far: %s', async (fault, code, retryable) => {
    const { socket, guest, id } = await setUp()
    const content = message(unique(), `tokens=50 ${fault}`)
    await socket.chat(content)
    const failed = await socket.next('stream_failed')
    expect(failed.error).toMatchObject({ code, retryable })
    if (code === 'model_rate_limited') expect(failed.error.retryAfterMs).toBe(7_000)
    const text = fault.includes('after=3') ? expectedText(content, 3) : ''
    expect(textFrom(socket.received, failed.messageId)).toBe(text)
    expect(failed.length).toBe(text.length)
    const answer = (await guest.messages(id)).at(-1)
    expect(answer).toMatchObject({ status: 'failed', error: failed.error, parts: [{ text }] })
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
  })
})
