/**
 * Keys with which a request may be sent again: one conversation, one message, whoever repeats and however often.
 */
import { describe, expect, test } from 'vitest'
import { conversationPage } from '../../src/protocol/http.ts'
import { Guest, message, problemOf, unique } from './worker-guest.ts'

const create = (guest: Guest, body: Record<string, unknown>): Promise<Response> =>
  guest.request('POST', '/api/conversations', body)

async function idOf(response: Response): Promise<string> {
  expect(response.status).toBe(201)
  const { id } = await response.json<{ id: string }>()
  expect(response.headers.get('location')).toBe(`/api/conversations/${id}`)
  return id
}

async function listed(guest: Guest): Promise<string[]> {
  const response = await guest.request('GET', '/api/conversations')
  return conversationPage.parse(await response.json()).conversations.map(({ id }) => id)
}

describe('creating a conversation', () => {
  test('I5 again with the same key, also at once, is one conversation', async () => {
    const guest = await Guest.arrive()
    const responses = await Promise.all(
      Array.from({ length: 10 }, () => create(guest, { idempotencyKey: 'k1', title: 'A title' })),
    )
    const ids = new Set(await Promise.all(responses.map(idOf)))
    expect(ids.size).toBe(1)
    expect(await listed(guest)).toEqual([...ids])
  })

  test('I5 a repeat is answered with the conversation as it is now', async () => {
    const guest = await Guest.arrive()
    const id = await idOf(await create(guest, { idempotencyKey: 'k1', title: 'Before' }))
    await guest.request('PATCH', `/api/conversations/${id}`, { title: 'After' })
    const again = await create(guest, { idempotencyKey: 'k1', title: 'Before' })
    expect(await again.json()).toMatchObject({ id, title: 'After' })
  })

  test('I2 I5 without a key, with another, and by another person it is another', async () => {
    const [guest, other] = [await Guest.arrive(), await Guest.arrive()]
    const ids = [
      await idOf(await create(guest, {})),
      await idOf(await create(guest, {})),
      await idOf(await create(guest, { idempotencyKey: 'k1' })),
      await idOf(await create(guest, { idempotencyKey: 'k2' })),
      await idOf(await create(other, { idempotencyKey: 'k1' })),
    ]
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('I5 a key of a message leads to another conversation', async () => {
    const guest = await Guest.arrive()
    const id = await idOf(await create(guest, { idempotencyKey: 'k1' }))
    const answer = await guest.chat({ message: message(unique(), 'text=ok'), idempotencyKey: 'k1' })
    expect(answer.conversationId).not.toBe(id)
  })

  test.each(['', 'a b', 'x'.repeat(129), 'a\nb', 7])('I2 refuses %j as a key', async (idempotencyKey) => {
    const response = await create(await Guest.arrive(), { idempotencyKey })
    expect(await problemOf(response)).toMatchObject({ status: 422, field: 'idempotencyKey' })
  })
})

describe('a key that was used for another message', () => {
  test('I3 E1 is refused under the name that it has where it came', async () => {
    const guest = await Guest.arrive()
    const conversationId = await guest.createConversation()
    await guest.chat({ conversationId, message: message(unique(), 'text=ok'), idempotencyKey: 'k1' })
    for (const path of ['/api/chat', '/api/chat/stream']) {
      const response = await guest.request('POST', path, {
        conversationId,
        message: 'other',
        idempotencyKey: 'k1',
      })
      expect(await problemOf(response)).toMatchObject({ code: 'conflict', field: 'idempotencyKey' })
    }
    const socket = await guest.join(conversationId)
    socket.send({ type: 'stream_chat', id: 'k1', content: 'other' })
    expect(await socket.next('error')).toMatchObject({ code: 'conflict', id: 'k1', field: 'id' })
  })
})
