/**
 * What is left of a conversation that was deleted, which is nothing: no table, no alarm, no entry in D1, no call of the
 * model; and how everyone who was there hears of it.
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { expectedText } from '../support/model-text.ts'
import { breakD1, listOf } from './d1-directory.ts'
import { readSse } from './sse-reading.ts'
import { newConversation } from './started-conversation.ts'
import { Guest, alarmOf, message, model, problemOf, stubOf, unique } from './worker-guest.ts'

/** Tables of ours in a conversation's database. */
const tablesOf = (id: string): Promise<string[]> =>
  runInDurableObject(stubOf(id), (_, { storage }) =>
    storage.sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'")
      .toArray()
      .map((row) => row.name),
  )

describe('deleting', () => {
  test('C2 tells everyone, closes their sockets with 4410, and leaves nothing', async () => {
    const { guest, id } = await newConversation()
    await guest.chat({ conversationId: id, message: message(unique(), 'text=ok') })
    const sockets = [await guest.join(id), await guest.join(id, { compact: true })]
    expect((await guest.request('DELETE', `/api/conversations/${id}`)).status).toBe(204)
    for (const socket of sockets) {
      expect(await socket.closed).toBe(4410)
      expect(socket.received.at(-1)).toEqual({ type: 'conversation_deleted', conversationId: id })
    }
    expect(await tablesOf(id)).toEqual([])
    expect(await alarmOf(id)).toBeNull()
    const gone = await guest.request('GET', `/api/conversations/${id}`)
    const never = await guest.request('GET', `/api/conversations/${crypto.randomUUID()}`)
    expect(await problemOf(gone)).toEqual(await problemOf(never))
    expect((await guest.upgrade(id, await guest.ticket())).status).toBe(404)
  })

  test('C2 a socket that never joined is told by its next frame that there is nothing', async () => {
    const { guest, id } = await newConversation()
    const socket = await guest.connect(id)
    await guest.request('DELETE', `/api/conversations/${id}`)
    socket.send({ type: 'join_conversation' })
    expect(await socket.next('error')).toMatchObject({ code: 'not_found' })
  })

  test('C2 T2 ends the call of the model, and whoever waits for an answer hears of it', async () => {
    const { guest, id } = await newConversation()
    const tag = unique()
    const content = message(tag, `tokens=100 gate=${tag} after=20`)
    const byHttp = guest.request('POST', '/api/chat', {
      conversationId: id,
      message: content,
      idempotencyKey: 'k',
    })
    const socket = await guest.join(id)
    await socket.until(
      () => socket.all('stream_chunk').length > 0 || socket.all('conversation_joined').length > 0,
    )
    await model.wait({ match: tag, state: 'streaming' })
    const bySse = await guest.request('GET', `/api/conversations/${id}/messages/m1/stream`)
    const reading = readSse(bySse)
    const waiting = await guest.request('POST', '/api/chat/stream', {
      conversationId: id,
      message: message(unique(), 'text=never'),
    })
    const readingToo = readSse(waiting)
    await guest.request('DELETE', `/api/conversations/${id}`)
    await model.wait({ match: tag, state: 'aborted' })
    expect((await byHttp).status).toBe(404)
    for (const events of await Promise.all([reading, readingToo])) {
      expect(events.at(-1)?.event).toBe('conversation_deleted')
    }
    expect(await tablesOf(id)).toEqual([])
  })

  test('C2 is done once, however often it is asked for at once; the others hear that there is nothing', async () => {
    const { guest, id } = await newConversation()
    const responses = await Promise.all(
      Array.from({ length: 10 }, () => guest.request('DELETE', `/api/conversations/${id}`)),
    )
    const statuses = responses.map((response) => response.status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([204, ...Array<number>(9).fill(404)])
  })

  test('C2 without D1 the conversation is unknown at once, and D1 is told by an alarm', async () => {
    const { guest, id } = await newConversation()
    const repair = await breakD1(id, 'DELETE')
    // Not 204: the list still shows it.
    expect((await guest.request('DELETE', `/api/conversations/${id}`)).status).toBe(202)
    expect(await listOf(guest)).toMatchObject([{ id }])
    expect((await guest.request('GET', `/api/conversations/${id}`)).status).toBe(404)
    expect((await guest.request('POST', '/api/chat', { conversationId: id, message: 'Hi' })).status).toBe(404)
    await runDurableObjectAlarm(stubOf(id))
    expect(await tablesOf(id)).not.toEqual([])
    expect(await alarmOf(id)).not.toBeNull()
    await repair()
    await runDurableObjectAlarm(stubOf(id))
    expect(await tablesOf(id)).toEqual([])
    expect(await alarmOf(id)).toBeNull()
    expect(await listOf(guest)).toEqual([])
  })

  test('I4 with its key it can be made anew, and knows nothing of before', async () => {
    const guest = await Guest.arrive()
    const [key, tag] = [unique(), unique()]
    const send = () => guest.chat({ message: message(tag, 'text=ok'), idempotencyKey: key })
    const first = await send()
    await guest.request('DELETE', `/api/conversations/${first.conversationId}`)
    const second = await send()
    expect(second.conversationId).toBe(first.conversationId)
    expect(await guest.messages(second.conversationId)).toHaveLength(2)
    expect(await model.wait({ match: tag, count: 2 })).toHaveLength(2)
    expect(await listOf(guest)).toHaveLength(1)
  })

  test('C2 a turn that still runs elsewhere writes nothing afterwards', async () => {
    const { guest, id } = await newConversation()
    const content = message(unique(), 'tokens=400 delay=1')
    const socket = await guest.join(id)
    await socket.chat(content)
    await socket.next('stream_chunk', (frame) => frame.offset > 100)
    await guest.request('DELETE', `/api/conversations/${id}`)
    await socket.closed
    await model.wait({ match: content, state: 'aborted' })
    expect(await tablesOf(id)).toEqual([])
    const shown = socket.all('stream_chunk').map((frame) => frame.delta)
    expect(expectedText(content).startsWith(shown.join(''))).toBe(true)
  })
})
