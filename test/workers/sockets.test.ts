/**
 * What a socket may say and hear: joining and leaving, presence and typing, and the short form of deltas.
 */
import { evictDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { decodeCompactChunk } from '../../src/protocol/compact-chunk.ts'
import { newConversation } from './started-conversation.ts'
import { message, stubOf, unique } from './worker-guest.ts'

describe('before joining', () => {
  test('R1 nothing is heard of the room, and nothing may be said in it', async () => {
    const { guest, id } = await newConversation('A title')
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
    const { guest, id } = await newConversation('A title')
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
    const { guest, id } = await newConversation('A title')
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
    const { guest, id } = await newConversation('A title')
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
    const { guest, id } = await newConversation('A title')
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
    const { guest, id } = await newConversation('A title')
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
    const { guest, id } = await newConversation('A title')
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
    const { guest, id } = await newConversation('A title')
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
    const { guest, id } = await newConversation('A title')
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
