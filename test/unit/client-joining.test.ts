/**
 * How a link joins: with a ticket, where it left off, again when it notices a gap; and what it does with frames that make
 * no sense. Against a scripted socket and a clock moved by hand.
 */
import { describe, expect, test } from 'vitest'
import { textOf } from '../../src/protocol/message.ts'
import { answerJoin, join, newRoom, open, status } from '../support/client-room.ts'
import { CONVERSATION_ID } from '../support/conversation-model.ts'
import { settle } from '../support/fake-environment.ts'

describe('joining', () => {
  test('W1 R2: a ticket opens the socket, and the first join asks for a page in compact form', async () => {
    const all = newRoom()
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
    const all = newRoom()
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
    const all = newRoom()
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
    const all = newRoom()
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
    const all = newRoom()
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
