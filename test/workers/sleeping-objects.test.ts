/**
 * What a conversation keeps through a sleep: its sockets with who they are and how they read, and what was sent already.
 * Objects are put to sleep for real.
 */
import { evictDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { newConversation } from './started-conversation.ts'
import { message, model, stubOf, unique } from './worker-guest.ts'

describe('a sleep', () => {
  test('sockets live through it with who they are, whether they joined, and how they read', async () => {
    const { guest, id } = await newConversation('A title')
    const plain = await guest.join(id)
    const compact = await guest.join(id, { compact: true })
    const silent = await guest.connect(id)
    for (let sleeps = 0; sleeps < 3; sleeps++) {
      await evictDurableObject(stubOf(id))
      await plain.chat(message(unique(), 'text="Hi there"'))
      await plain.next('stream_complete')
      await compact.next('stream_complete')
      expect(compact.texts.at(-2)).toMatch(/^\w+\.0:Hi there$/)
    }
    const authors = plain.all('message_created').map((frame) => frame.message.authorId)
    expect(authors).toEqual(Array(3).fill(guest.userId))
    expect(plain.all('message_created').map((frame) => frame.seq)).toEqual([1, 4, 7])
    expect(silent.received).toEqual([])
    silent.send({ type: 'typing' })
    expect(await silent.next('error')).toMatchObject({ code: 'not_joined' })
    const joined = await silent.join()
    expect(joined.you).toEqual({ userId: guest.userId, name: guest.name })
    expect(joined.viewers).toEqual([{ userId: guest.userId, name: guest.name, connections: 3 }])
    expect(joined.messages).toHaveLength(6)
  })

  test('who left before it does not read after it', async () => {
    const { guest, id } = await newConversation('A title')
    const [gone, here] = [await guest.join(id), await guest.join(id)]
    gone.send({ type: 'leave_conversation' })
    await here.next('presence')
    await evictDurableObject(stubOf(id))
    await here.chat(message(unique(), 'text=unheard'))
    await here.next('stream_complete')
    await gone.settle()
    expect(gone.all('message_created')).toEqual([])
  })

  test('I3 a message sent again after it is the same turn', async () => {
    const { guest, id } = await newConversation('A title')
    const socket = await guest.join(id)
    const tag = unique()
    const first = await socket.chat(message(tag, 'text=ok'), { id: 'c1' })
    await socket.next('stream_complete')
    await evictDurableObject(stubOf(id))
    expect(await socket.chat(message(tag, 'text=ok'), { id: 'c1' })).toEqual({ ...first, duplicate: true })
    expect(await model.wait({ match: tag })).toHaveLength(1)
  })
})
