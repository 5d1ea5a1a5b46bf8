/**
 * How a stream of server-sent events ends: with what ended it, cleanly, and so that a caller that comes back for more
 * where there is none hears that.
 */
import { describe, expect, test } from 'vitest'
import { readSse } from './sse-reading.ts'
import { answered, held } from './started-conversation.ts'
import { message, model, unique, type Guest } from './worker-guest.ts'

const resume = (guest: Guest, id: string, lastEventId?: string, messageId = 'm2'): Promise<Response> =>
  guest.request(
    'GET',
    `/api/conversations/${id}/messages/${messageId}/stream`,
    undefined,
    lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
  )

describe('a stream of a conversation that is deleted', () => {
  test('C2 C4 ends with that, whether its turn runs or waits', async () => {
    const { guest, id } = await held()
    const running = await resume(guest, id)
    const waiting = await guest.request('POST', '/api/chat/stream', {
      conversationId: id,
      message: message(unique(), 'text=never'),
    })
    const reading = Promise.all([readSse(running), readSse(waiting)])
    expect((await guest.request('DELETE', `/api/conversations/${id}`)).status).toBe(204)
    const deleted = { type: 'conversation_deleted', conversationId: id }
    for (const events of await reading) {
      expect(events.at(-1)?.frame).toEqual(deleted)
      expect(events.filter(({ event }) => event === 'conversation_deleted')).toHaveLength(1)
    }
    expect((await resume(guest, id)).status).toBe(404)
  })

  test('C4 says nothing more once its turn has ended', async () => {
    const { guest, id } = await answered()
    const events = await readSse(await resume(guest, id))
    await guest.request('DELETE', `/api/conversations/${id}`)
    expect(events.at(-1)?.event).toBe('stream_complete')
  })
})

describe('a stream that is resumed', () => {
  test('S3 at the end of its turn, or after, is answered by 204', async () => {
    const { guest, id } = await answered()
    const end = (await readSse(await resume(guest, id))).at(-1)?.id ?? ''
    for (const [from, messageId] of [
      [end, 'm2'],
      [end, 'm1'],
      ['3:0', 'm2'],
      ['99:5', 'm2'],
    ] as const) {
      const response = await resume(guest, id, from, messageId)
      expect({ from, status: response.status, text: await response.text() }).toEqual({
        from,
        status: 204,
        text: '',
      })
    }
  })

  test('S3 before the end of its turn is answered by the rest', async () => {
    const { guest, id } = await answered()
    const all = await readSse(await resume(guest, id))
    const rest = await readSse(await resume(guest, id, all.at(-2)?.id))
    expect(rest).toEqual(all.slice(-1))
  })

  test('S3 where nothing is new yet is open at once, and goes on when there is', async () => {
    const { guest, id, gate, whole } = await held()
    const first = await readSse(await resume(guest, id), ({ event }) => event === 'stream_chunk')
    // The turn stands still until the gate opens: the response must not wait for it.
    const response = await resume(guest, id, first.at(-1)?.id)
    expect(response.status).toBe(200)
    await model.openGate(gate)
    const rest = await readSse(response)
    expect(rest.at(-1)?.event).toBe('stream_complete')
    const text = [...first, ...rest]
      .map(({ frame }) => (frame.type === 'stream_chunk' ? frame.delta : ''))
      .join('')
    expect(text).toBe(whole)
  })
})
