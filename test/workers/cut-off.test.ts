/**
 * Promise 7: whoever is removed or demoted is cut off at once, on every connection, and nothing that happens afterwards
 * reaches them. The model is held at a gate while it writes, so that there is something to miss.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { changeRole, remove, sharedConversation } from './shared-conversation.ts'
import { readSse, type SseEvent } from './sse-reading.ts'
import type { Guest } from './worker-guest.ts'
import { message, model, stubOf, unique } from './worker-guest.ts'

/** An answer that has said four of eight tokens and waits. */
async function writing(owner: Guest, id: string) {
  const gate = unique()
  const socket = await owner.join(id)
  const accepted = await socket.chat(message(gate, `tokens=8 gate=${gate} after=4`))
  await socket.next('stream_chunk')
  return { gate, socket, accepted }
}

describe('C5 a member who is removed', () => {
  test('loses every socket at once, joined or not, and hears nothing of the answer that goes on', async () => {
    const { owner, member, id } = await sharedConversation()
    const [joined, compact, silent] = [
      await member.join(id),
      await member.join(id, { compact: true }),
      await member.connect(id),
    ]
    const { gate, socket } = await writing(owner, id)
    await joined.next('stream_chunk')
    expect((await remove(owner, id, member)).status).toBe(204)
    for (const one of [joined, compact, silent]) {
      expect(await one.closed).toBe(4403)
      expect(one.received.at(-1)).toMatchObject({ type: 'error', code: 'access_changed' })
    }
    const heard = [joined, compact, silent].map((one) => one.received.length)
    await model.openGate(gate)
    await socket.next('stream_complete')
    await socket.settle()
    expect([joined, compact, silent].map((one) => one.received.length)).toEqual(heard)
    const presence = socket.all('presence').at(-1)
    expect(presence?.viewers.map((one) => one.userId)).toEqual([owner.userId])
    expect(joined.all('members_updated')).toEqual([])
  })

  test('loses a stream of events, which says why and ends', async () => {
    const { owner, member, id } = await sharedConversation()
    const { gate, socket, accepted } = await writing(owner, id)
    const response = await member.request(
      'GET',
      `/api/conversations/${id}/messages/${accepted.answerId}/stream`,
    )
    const begun = Promise.withResolvers<SseEvent>()
    const reading = readSse(response, (event) => {
      if (event.frame.type === 'stream_chunk') begun.resolve(event)
      return false
    })
    await begun.promise
    await remove(owner, id, member)
    const events = await reading
    expect(events.at(-1)?.frame).toMatchObject({ type: 'error', code: 'access_changed' })
    await model.openGate(gate)
    await socket.next('stream_complete')
    expect(events.map(({ event }) => event)).not.toContain('stream_complete')
  })

  test('who waits for an answer over HTTP gets none', async () => {
    const { owner, member, id } = await sharedConversation()
    const socket = await owner.join(id)
    const gate = unique()
    const body = { conversationId: id, message: message(gate, `text=secret gate=${gate}`) }
    const waiting = member.request('POST', '/api/chat', body)
    await socket.next('stream_start')
    await remove(owner, id, member)
    await model.openGate(gate)
    const answer = await waiting
    expect(answer.status).toBe(404)
    expect(await answer.text()).not.toContain('secret')
    await socket.next('stream_complete')
  })

  test('cannot come back, and what they sent is kept', async () => {
    const { owner, member, id } = await sharedConversation()
    await member.chat({ conversationId: id, message: message(unique(), 'text=ok') })
    await remove(owner, id, member)
    expect((await member.upgrade(id, await member.ticket())).status).toBe(404)
    expect(await owner.messages(id)).toMatchObject([{ authorId: member.userId }, {}])
  })

  test('is cut as soon as they leave by themselves', async () => {
    const { member, id } = await sharedConversation('viewer')
    const socket = await member.join(id)
    await remove(member, id, member)
    expect(await socket.closed).toBe(4403)
  })
})

describe('C5 a member who is demoted', () => {
  test('is cut, may come back, and is a viewer then', async () => {
    const { owner, member, id } = await sharedConversation('editor')
    const { gate, socket } = await writing(owner, id)
    const before = await member.join(id)
    expect((await changeRole(owner, id, member, 'viewer')).status).toBe(200)
    expect(await before.closed).toBe(4403)
    const heard = before.received.length
    const after = await member.connect(id)
    expect((await after.join()).conversation.role).toBe('viewer')
    after.send({ type: 'stream_chat', id: 'c1', content: 'Hi' })
    expect(await after.next('error')).toMatchObject({ code: 'forbidden', id: 'c1' })
    await model.openGate(gate)
    await Promise.all([socket.next('stream_complete'), after.next('stream_complete')])
    expect(before.received).toHaveLength(heard)
  })
})

describe('a sleep', () => {
  test('M6 what a socket may do is read from the rows, whatever was true when it was opened', async () => {
    const { owner, member, id } = await sharedConversation('editor')
    const socket = await member.join(id)
    // The rows change behind the object's back, as if it had died between them and the close.
    await runInDurableObject(stubOf(id), (_, { storage }) => {
      storage.sql.exec("UPDATE members SET role = 'viewer' WHERE user_id = ?", member.userId)
    })
    await evictDurableObject(stubOf(id))
    socket.send({ type: 'stream_chat', id: 'c1', content: 'Hi' })
    expect(await socket.next('error')).toMatchObject({ code: 'forbidden', id: 'c1' })
    expect(await owner.messages(id)).toEqual([])
  })

  test('M6 a socket whose member is gone from the rows is closed when the object wakes', async () => {
    const { owner, member, id } = await sharedConversation('editor')
    const socket = await member.join(id)
    await runInDurableObject(stubOf(id), (_, { storage }) => {
      storage.sql.exec('DELETE FROM members WHERE user_id = ?', member.userId)
    })
    await evictDurableObject(stubOf(id))
    const heard = socket.received.length
    await owner.chat({ conversationId: id, message: message(unique(), 'text=secret') })
    expect(await socket.closed).toBe(4403)
    expect(socket.received.slice(heard)).toMatchObject([{ type: 'error', code: 'access_changed' }])
  })
})

describe('C5 somebody who is suspended', () => {
  test('is cut in this conversation, on all connections or on those of one session', async () => {
    const { owner, member, id } = await sharedConversation()
    const [mine, theirs] = [await owner.join(id), await member.join(id)]
    await stubOf(id).disconnect(member.userId, 'suspended')
    expect(await theirs.closed).toBe(4403)
    expect(theirs.received.at(-1)).toMatchObject({ type: 'error', code: 'suspended' })
    await stubOf(id).disconnect(owner.userId, 'unauthorized', 'another-session')
    await mine.chat(message(unique(), 'text=ok'))
    await mine.next('stream_complete')
    await stubOf(id).disconnect(owner.userId, 'unauthorized')
    expect(await mine.closed).toBe(4401)
  })

  test('in a conversation that nobody made, nothing happens', async () => {
    await stubOf(crypto.randomUUID()).disconnect('user:nobody', 'suspended')
  })
})
