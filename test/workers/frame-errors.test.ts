/**
 * Every way of saying something wrong on a socket: it is answered, closes nothing, and harms nobody else. And the largest
 * that is still right.
 */
import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { MAX_CONTENT_CHARS, MAX_FRAME_BYTES } from '../../src/protocol/limits.ts'
import { newConversation } from './started-conversation.ts'
import { message, model, stubOf, unique } from './worker-guest.ts'

describe('a bad frame', () => {
  test.each([
    ['no JSON', 'hello', 'invalid_json', undefined],
    ['an array', '[]', 'invalid_frame', 'type'],
    ['an unknown type', '{"type":"shutdown"}', 'invalid_frame', 'type'],
    ['an unknown field', '{"type":"typing","force":true}', 'validation_failed', 'force'],
    ['no content', '{"type":"stream_chat","id":"c9"}', 'validation_failed', 'content'],
    [
      'nothing but spaces',
      '{"type":"stream_chat","id":"c9","content":" \\n"}',
      'validation_failed',
      'content',
    ],
    ['a NUL', '{"type":"stream_chat","id":"c9","content":"a\\u0000b"}', 'validation_failed', 'content'],
    ['half a pair', '{"type":"stream_chat","id":"c9","content":"\\ud83d"}', 'validation_failed', 'content'],
    [
      'too long a message',
      JSON.stringify({ type: 'stream_chat', id: 'c9', content: 'a'.repeat(MAX_CONTENT_CHARS + 1) }),
      'validation_failed',
      'content',
    ],
    [
      'too large a frame',
      JSON.stringify({ type: 'stream_chat', id: 'c9', content: '文'.repeat(MAX_FRAME_BYTES / 3) }),
      'frame_too_large',
      undefined,
    ],
    [
      'a parent that is not here',
      '{"type":"stream_chat","id":"c9","content":"a","parentId":"m7"}',
      'validation_failed',
      'parentId',
    ],
    [
      'an agent that is not here',
      '{"type":"stream_chat","id":"c9","content":"a","agentId":"spy"}',
      'validation_failed',
      'agentId',
    ],
    ['a binary frame', new Uint8Array([123, 125]).buffer, 'invalid_frame', undefined],
  ] as const)('E1 E2 is answered and closes nothing: %s', async (_, frame, code, field) => {
    const { guest, id } = await newConversation('A title')
    const [socket, other] = [await guest.join(id), await guest.join(id)]
    socket.send(frame)
    const error = await socket.next('error')
    expect(error).toMatchObject({ code, retryable: false })
    expect(error.field).toBe(field)
    if (typeof frame === 'string' && frame.includes('"c9"') && code !== 'frame_too_large') {
      expect(error.id).toBe('c9')
    }
    await other.chat(message(unique(), 'text=ok'))
    await other.next('stream_complete')
    await socket.next('stream_complete')
    expect(other.all('error')).toEqual([])
    expect(await guest.messages(id)).toHaveLength(2)
  })

  test('W2 the longest message that is allowed is answered, if its frame is small enough', async () => {
    const { guest, id } = await newConversation('A title')
    const socket = await guest.join(id)
    const tag = `${unique()} [[text=ok]] `
    await socket.chat(tag + 'é'.repeat(MAX_CONTENT_CHARS - tag.length))
    await socket.next('stream_complete')
    const longest = tag + '文'.repeat(MAX_CONTENT_CHARS - tag.length)
    const answer = await guest.chat({ conversationId: id, message: longest })
    expect(answer.message.status).toBe('completed')
    // The room sees what came by HTTP.
    expect((await socket.next('message_created')).message.parts[0]?.text).toBe(longest)
  })

  test('E4 an unexpected error says internal and an id that the log has, and nothing of itself', async () => {
    const { guest, id } = await newConversation('A title')
    const [socket, other] = [await guest.join(id), await guest.join(id)]
    await runInDurableObject(stubOf(id), (_, state) => {
      state.storage.sql.exec('ALTER TABLE messages RENAME TO lost')
    })
    socket.send({ type: 'stream_chat', id: 'c1', content: 'Hi' })
    const error = await socket.next('error')
    expect(error).toMatchObject({ code: 'internal', id: 'c1', retryable: true })
    expect(error.detail).toMatch(/request id is [0-9a-f-]{36}/)
    expect(JSON.stringify(error)).not.toMatch(/messages|sql|table/i)
    await runInDurableObject(stubOf(id), (_, state) => {
      state.storage.sql.exec('ALTER TABLE lost RENAME TO messages')
    })
    // Sent again, it is as if nothing had been.
    const tag = unique()
    expect((await socket.chat(message(tag, 'text=ok'), { id: 'c2' })).turnId).toBe('t2')
    await other.next('stream_complete')
    expect(await model.wait({ match: tag })).toHaveLength(1)
  })
})
