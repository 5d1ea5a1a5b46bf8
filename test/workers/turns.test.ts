/**
 * Turns, as the sockets of a conversation see them: a message is accepted once, however often it is sent, told in order,
 * and answered.
 */
import { describe, expect, test } from 'vitest'
import type { ServerFrame } from '../../src/protocol/server-frames.ts'
import { seqs, textFrom } from './frame-reading.ts'
import { joinedConversation } from './started-conversation.ts'
import { message, model, unique } from './worker-guest.ts'

describe('a message', () => {
  test('O1 O2 O3 O6 is accepted, then told, then answered, in this order and with the same ids', async () => {
    const { socket, guest, id } = await joinedConversation()
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
    const { socket, guest, id } = await joinedConversation()
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
    const { socket } = await joinedConversation()
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
      return (call?.messages ?? []).map(
        (each) => `${each.role}: ${each.content.replace(/^\S+ (.*) \[\[.*/, '$1')}`,
      )
    }
    const system = expect.stringMatching(/^system: /)
    const branch = [`user: ${root}`, `assistant: answer to ${root}`]
    expect(await asked(left)).toEqual([system, ...branch, `user: ${left}`])
    expect(await asked(right)).toEqual([system, ...branch, `user: ${right}`])
    expect(await asked(fresh)).toEqual([system, `user: ${fresh}`])
  })

  test('O3 everyone in the room sees the same, and only the sender is told that it was accepted', async () => {
    const { guest, id, socket } = await joinedConversation()
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
    const { socket } = await joinedConversation()
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
    const { socket, guest, id } = await joinedConversation()
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
    const { socket, guest, id } = await joinedConversation()
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
    const { socket, guest, id } = await joinedConversation()
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
    const { socket, guest } = await joinedConversation()
    const tag = unique()
    const other = await guest.join(await guest.createConversation())
    for (const each of [socket, other]) {
      expect((await each.chat(message(tag, 'text=ok'), { id: 'c1' })).duplicate).toBe(false)
      await each.next('stream_complete')
    }
    expect(await model.wait({ match: tag, count: 2 })).toHaveLength(2)
  })
})
