/**
 * The routes as a program uses them that has no socket: it arrives, makes a conversation, renames and deletes it, asks and
 * waits for the answer.
 */
import { describe, expect, test } from 'vitest'
import { conversation } from '../../src/protocol/message.ts'
import { listOf } from './d1-directory.ts'
import { problemFrom } from './http-checks.ts'
import { Guest, ask, message, model, unique } from './worker-guest.ts'

describe('conversations', () => {
  test('are created, described, renamed and deleted', async () => {
    const guest = await Guest.arrive()
    const created = await guest.request('POST', '/api/conversations', { title: ' Plans  for\nMay ' })
    expect(created.status).toBe(201)
    const made = conversation.parse(await created.json())
    expect(made).toMatchObject({ title: 'Plans for May', ownerId: guest.userId, messageCount: 0 })
    const path = `/api/conversations/${made.id}`
    expect(created.headers.get('location')).toBe(path)
    expect(await (await guest.request('GET', path)).json()).toEqual(made)
    const socket = await guest.join(made.id)
    const renamed = await guest.request('PATCH', path, { title: 'June' })
    expect(await renamed.json()).toMatchObject({ id: made.id, title: 'June' })
    expect(await socket.next('conversation_updated')).toMatchObject({
      seq: 1,
      conversation: { title: 'June' },
    })
    const deleted = await guest.request('DELETE', path)
    expect({ status: deleted.status, body: await deleted.text() }).toEqual({ status: 204, body: '' })
    await problemFrom(await guest.request('DELETE', path), 404, 'not_found')
  })

  test.each([{}, { title: '' }, { title: '   ' }, { title: 'x'.repeat(201) }, { title: 'a', ownerId: 'me' }])(
    'E1 keep their title when a new one is none: %#',
    async (body) => {
      const guest = await Guest.arrive()
      const path = `/api/conversations/${await guest.createConversation('Mine')}`
      await problemFrom(await guest.request('PATCH', path, body), 422, 'validation_failed')
      expect(await (await guest.request('GET', path)).json()).toMatchObject({ title: 'Mine' })
    },
  )
})

describe('a guest', () => {
  test('who shows a valid token stays the same, and one who shows another is refused', async () => {
    const guest = await Guest.arrive()
    const renewed = await guest.request('POST', '/api/auth/guest')
    expect(await renewed.json()).toMatchObject({ user: { id: guest.userId, name: guest.name } })
    const headers = { authorization: 'Bearer a.b.c' }
    await problemFrom(await ask('/api/auth/guest', { method: 'POST', headers }), 401, 'unauthorized')
  })
})

describe('POST /api/chat', () => {
  test('I4 without a conversation makes one; with it, goes on in it', async () => {
    const guest = await Guest.arrive()
    const first = await guest.chat({ message: message(unique(), 'text=one') })
    expect(first).toMatchObject({ turnId: 't2', message: { id: 'm2', parts: [{ text: 'one' }] } })
    const { conversationId } = first
    const second = await guest.chat({ conversationId, message: message(unique(), 'text=two') })
    expect(second).toMatchObject({ conversationId, turnId: 't4', message: { id: 'm4', parentId: 'm3' } })
    const other = await guest.chat({ message: message(unique(), 'text=three') })
    expect(other.conversationId).not.toBe(conversationId)
  })

  test('I4 twenty times at once with one key is one conversation, one turn and one call', async () => {
    const guest = await Guest.arrive()
    const [key, tag] = [unique(), unique()]
    const body = { message: message(tag, 'text=once'), idempotencyKey: key }
    const answers = await Promise.all(Array.from({ length: 20 }, () => guest.chat(body)))
    expect(new Set(answers.map((answer) => answer.conversationId)).size).toBe(1)
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(await model.wait({ match: tag })).toHaveLength(1)
    const listed = await guest.request('GET', '/api/conversations')
    expect((await listed.json<{ conversations: unknown[] }>()).conversations).toHaveLength(1)
  })

  test.each([{ model: 'nobody-has-this' }, { agentId: 'nobody' }])(
    'E1 I4 a first message that is refused leaves no conversation behind: %j',
    async (choice) => {
      const guest = await Guest.arrive()
      const body = { message: message(unique(), 'text=ok'), idempotencyKey: unique() }
      for (const path of ['/api/chat', '/api/chat/stream']) {
        const refused = await guest.request('POST', path, { ...body, ...choice })
        const { field } = await problemFrom(refused, 422, 'validation_failed')
        expect(field).toBe(Object.keys(choice)[0])
      }
      expect(await listOf(guest)).toEqual([])
      // The key was not used up by what was refused.
      expect((await guest.chat(body)).turnId).toBe('t2')
    },
  )

  test('I2 a repeat is known as one even when it now names a model that is not offered', async () => {
    const guest = await Guest.arrive()
    const tag = unique()
    const body = { message: message(tag, 'text=ok'), idempotencyKey: unique() }
    const first = await guest.chat(body)
    expect(await guest.chat({ ...body, model: 'withdrawn' })).toEqual(first)
    expect(await model.wait({ match: tag })).toHaveLength(1)
  })

  test('I3 a key that was used for another message is refused by its own name', async () => {
    const guest = await Guest.arrive()
    const idempotencyKey = unique()
    await guest.chat({ message: message(unique(), 'text=ok'), idempotencyKey })
    const again = await guest.request('POST', '/api/chat', { message: 'Something else', idempotencyKey })
    expect(await problemFrom(again, 409, 'conflict')).toMatchObject({ field: 'idempotencyKey' })
  })

  test("I2 I4 another person's key is another's", async () => {
    const [one, other] = [await Guest.arrive(), await Guest.arrive()]
    const body = { message: message(unique(), 'text=ok'), idempotencyKey: 'key-1' }
    const [first, second] = [await one.chat(body), await other.chat(body)]
    expect(first.conversationId).not.toBe(second.conversationId)
  })

  test('asks the model that is named, if it is offered', async () => {
    const guest = await Guest.arrive()
    const tag = unique()
    const answer = await guest.chat({ message: message(tag, 'text=ok'), model: 'other-model' })
    expect(answer.message.model).toBe('other-model')
    expect((await model.wait({ match: tag }))[0]?.model).toBe('other-model')
  })

  test('T2 a turn that is stopped answers with the text so far', async () => {
    const guest = await Guest.arrive()
    const id = await guest.createConversation()
    const tag = unique()
    const waiting = guest.chat({ conversationId: id, message: message(tag, `tokens=10 gate=${tag} after=4`) })
    await model.wait({ match: tag, state: 'streaming', tokens: 4 })
    await guest.request('POST', `/api/conversations/${id}/stop`, { turnId: 't2' })
    expect((await waiting).message.status).toBe('stopped')
  })
})
