/**
 * Turns that wait for another to end: one at a time, by priority, only so many; and stopped before they began.
 */
import { describe, expect, test } from 'vitest'
import type { FrameOf } from '../../src/protocol/server-frames.ts'
import { ended, seqs } from './frame-reading.ts'
import { joinedConversation } from './started-conversation.ts'
import { message, model, unique } from './worker-guest.ts'

describe('waiting turns', () => {
  /** A conversation whose model is held at a gate, so that whatever comes waits. */
  async function busy() {
    const all = await joinedConversation()
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
    expect(calls.slice(1).map((call) => call.lastUserMessage.match(/(\w+)-[\da-f]{8}/)?.[1])).toEqual([
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
