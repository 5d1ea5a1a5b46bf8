/**
 * Membership: who is in, what each role may do over HTTP and sockets, and that everyone else learns nothing.
 */
import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { conversationPage } from '../../src/protocol/http.ts'
import { MAX_MEMBERS } from '../../src/protocol/limits.ts'
import { putConversation } from '../../src/storage/directory.ts'
import { breakD1, listOf } from './d1-directory.ts'
import { problemFrom } from './http-checks.ts'
import { add, changeRole, membersOf, remove, sharedConversation } from './shared-conversation.ts'
import { answered, newConversation } from './started-conversation.ts'
import { Guest, message, problemOf, stubOf, unique } from './worker-guest.ts'

describe('members', () => {
  test('M1 are listed with what they are; who was never here has no name yet', async () => {
    const { owner, member, id } = await sharedConversation()
    const list = await membersOf(owner, id)
    expect(list.you).toBe('owner')
    expect(list.members).toMatchObject([
      { userId: owner.userId, name: owner.name, role: 'owner' },
      { userId: member.userId, name: null, role: 'editor' },
    ])
    await member.join(id)
    expect((await membersOf(member, id)).members[1]?.name).toBe(member.name)
    expect((await membersOf(member, id)).you).toBe('editor')
  })

  test('M1 what I am here is in every answer about the conversation', async () => {
    const { owner, member, id } = await sharedConversation('viewer')
    const mine = await (await member.request('GET', `/api/conversations/${id}`)).json()
    expect(mine).toMatchObject({ id, role: 'viewer', ownerId: owner.userId })
    expect(await listOf(member)).toEqual([mine])
    const socket = await member.connect(id)
    expect((await socket.join()).conversation.role).toBe('viewer')
    const renamed = await owner.request('PATCH', `/api/conversations/${id}`, { title: 'New' })
    expect(await renamed.json()).toMatchObject({ role: 'owner' })
    expect((await socket.next('conversation_updated')).conversation).not.toHaveProperty('role')
  })

  test('M3 a shared conversation is in the list at once, and gone from it at once', async () => {
    const { owner, member, id } = await sharedConversation()
    expect(await listOf(member)).toMatchObject([{ id, role: 'editor' }])
    expect((await changeRole(owner, id, member, 'viewer')).status).toBe(200)
    expect(await listOf(member)).toMatchObject([{ id, role: 'viewer' }])
    expect((await remove(owner, id, member)).status).toBe(204)
    expect(await listOf(member)).toEqual([])
    expect(await listOf(owner)).toMatchObject([{ id, role: 'owner' }])
  })

  test('M3 when a conversation is deleted, it is gone from the lists of all', async () => {
    const { owner, member, id } = await sharedConversation()
    expect((await owner.request('DELETE', `/api/conversations/${id}`)).status).toBe(204)
    expect(await listOf(member)).toEqual([])
  })

  test('adding somebody again changes nothing; adding what is no person is refused', async () => {
    const { owner, member, id } = await sharedConversation('viewer')
    await add(owner, id, member, 'editor')
    expect((await membersOf(member, id)).you).toBe('viewer')
    for (const [body, field] of [
      [{ userId: 'somebody', role: 'viewer' }, 'userId'],
      [{ userId: "user:'; --", role: 'viewer' }, 'userId'],
      [{ userId: member.userId, role: 'owner' }, 'role'],
      [{ userId: member.userId, role: 'viewer', ownerId: member.userId }, 'ownerId'],
    ] as const) {
      const response = await owner.request('POST', `/api/conversations/${id}/members`, body)
      expect((await problemFrom(response, 422, 'validation_failed')).field).toBe(field)
    }
  })

  test('there is room for so many and no more', async () => {
    const { guest, id } = await newConversation()
    const people = Array.from({ length: MAX_MEMBERS - 1 }, () => `user:${crypto.randomUUID()}`)
    const actor = { userId: guest.userId, name: guest.name, role: 'guest', kind: 'guest' } as const
    for (const userId of people) expect((await stubOf(id).addMember(actor, userId, 'viewer')).ok).toBe(true)
    const body = { userId: `user:${crypto.randomUUID()}`, role: 'viewer' }
    await problemFrom(await guest.request('POST', `/api/conversations/${id}/members`, body), 409, 'conflict')
    expect((await membersOf(guest, id)).members).toHaveLength(MAX_MEMBERS)
  })

  test('M4 the owner cannot leave, be removed or be demoted; others may leave', async () => {
    const { owner, member, id } = await sharedConversation('viewer')
    await problemFrom(await remove(owner, id, owner), 409, 'conflict')
    await problemFrom(await changeRole(owner, id, owner, 'viewer'), 409, 'conflict')
    expect((await remove(member, id, member)).status).toBe(204)
    await problemFrom(await member.request('GET', `/api/conversations/${id}`), 404, 'not_found')
    await problemFrom(await remove(owner, id, member), 404, 'not_found')
    await problemFrom(await changeRole(owner, id, member, 'editor'), 404, 'not_found')
  })

  test('M5 the room hears of every change, and who was away hears it when they come back', async () => {
    const { owner, member, id } = await sharedConversation()
    const socket = await owner.join(id)
    const third = await Guest.arrive()
    const { seq } = await socket.join({ after: 0 })
    await add(owner, id, third, 'viewer')
    const live = await socket.next('members_updated', (frame) => frame.seq === seq + 1)
    expect(live.members.map((one) => one.userId)).toEqual([owner.userId, member.userId, third.userId])
    await evictDurableObject(stubOf(id))
    const late = await member.connect(id)
    await late.join({ after: seq })
    expect((await late.next('members_updated')).members).toEqual(
      (await membersOf(owner, id)).members.map((one) =>
        one.userId === member.userId ? { ...one, name: member.name } : one,
      ),
    )
  })

  test('M1 membership outlives a sleep', async () => {
    const { owner, member, id } = await sharedConversation('viewer')
    await evictDurableObject(stubOf(id))
    expect((await membersOf(member, id)).you).toBe('viewer')
    expect((await membersOf(owner, id)).you).toBe('owner')
  })

  test('messages name their author', async () => {
    const { owner, member, id } = await sharedConversation()
    await member.chat({ conversationId: id, message: message(unique(), 'text=ok') })
    expect((await owner.messages(id))[0]).toMatchObject({ authorId: member.userId, authorName: member.name })
  })
})

describe('M2 a viewer', () => {
  test('reads, joins and is seen', async () => {
    const { owner, member, id } = await sharedConversation('viewer')
    await owner.chat({ conversationId: id, message: message(unique(), 'text=ok') })
    expect(await member.messages(id)).toHaveLength(2)
    const socket = await owner.join(id)
    await member.join(id)
    expect((await socket.next('presence')).viewers.map((one) => one.userId)).toContain(member.userId)
  })

  test('is refused over HTTP what changes anything', async () => {
    const { owner, member, id } = await sharedConversation('viewer')
    const at = `/api/conversations/${id}`
    const third = await Guest.arrive()
    for (const [method, path, body] of [
      ['POST', '/api/chat', { conversationId: id, message: 'Hi' }],
      ['POST', '/api/chat/stream', { conversationId: id, message: 'Hi' }],
      ['PATCH', at, { title: 'Mine' }],
      ['DELETE', at, undefined],
      ['POST', `${at}/stop`, { turnId: 't2' }],
      ['POST', `${at}/members`, { userId: third.userId, role: 'viewer' }],
      ['PATCH', `${at}/members/${member.userId}`, { role: 'editor' }],
      ['DELETE', `${at}/members/${owner.userId}`, undefined],
      ['POST', `${at}/invites`, { role: 'editor' }],
      ['GET', `${at}/invites`, undefined],
      ['DELETE', `${at}/invites/x`, undefined],
      ['POST', `${at}/shares`, { mode: 'live' }],
      ['GET', `${at}/shares`, undefined],
      ['DELETE', `${at}/shares/x`, undefined],
    ] as const) {
      await problemFrom(await member.request(method, path, body), 403, 'forbidden')
    }
    expect(await owner.messages(id)).toEqual([])
    expect((await membersOf(owner, id)).members).toHaveLength(2)
  })

  test('is refused over a socket what changes anything, with the id of what was refused', async () => {
    const { owner, member, id } = await sharedConversation('viewer')
    const socket = await member.join(id)
    socket.send({ type: 'stream_chat', id: 'c1', content: 'Hi' })
    expect(await socket.next('error')).toMatchObject({ code: 'forbidden', id: 'c1' })
    socket.send({ type: 'stop_stream', turnId: 't2' })
    expect(await socket.next('error')).toMatchObject({ code: 'forbidden' })
    expect(await owner.messages(id)).toEqual([])
  })

  test('becomes an editor without losing the connection', async () => {
    const { owner, member, id } = await sharedConversation('viewer')
    const socket = await member.join(id)
    await changeRole(owner, id, member, 'editor')
    expect((await socket.next('members_updated')).members[1]).toMatchObject({ role: 'editor' })
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
  })
})

describe('M2 an editor', () => {
  test('writes and renames, and decides nothing about people', async () => {
    const { owner, member, id } = await sharedConversation('editor')
    const at = `/api/conversations/${id}`
    await member.chat({ conversationId: id, message: message(unique(), 'text=ok') })
    expect((await member.request('PATCH', at, { title: 'Ours' })).status).toBe(200)
    for (const [method, path, body] of [
      ['DELETE', at, undefined],
      ['POST', `${at}/members`, { userId: member.userId, role: 'editor' }],
      ['DELETE', `${at}/members/${owner.userId}`, undefined],
      ['POST', `${at}/invites`, { role: 'editor' }],
      ['POST', `${at}/shares`, { mode: 'live' }],
    ] as const) {
      await problemFrom(await member.request(method, path, body), 403, 'forbidden')
    }
  })
})

describe('E3 a stranger', () => {
  test('hears of another’s conversation what is heard of none, on every route', async () => {
    const { guest: owner, id } = await answered()
    const stranger = await Guest.arrive()
    const unknown = crypto.randomUUID()
    const requests = (at: string, conversationId: string) =>
      [
        ['GET', at, undefined],
        ['PATCH', at, { title: 'Mine' }],
        ['DELETE', at, undefined],
        ['GET', `${at}/messages`, undefined],
        ['GET', `${at}/messages/m2/stream`, undefined],
        ['POST', `${at}/stop`, { turnId: 't2' }],
        ['POST', '/api/chat', { conversationId, message: 'Hi' }],
        ['POST', '/api/chat/stream', { conversationId, message: 'Hi' }],
        ['GET', `${at}/members`, undefined],
        ['POST', `${at}/members`, { userId: stranger.userId, role: 'editor' }],
        ['PATCH', `${at}/members/${owner.userId}`, { role: 'viewer' }],
        ['DELETE', `${at}/members/${owner.userId}`, undefined],
        ['DELETE', `${at}/members/${stranger.userId}`, undefined],
        ['POST', `${at}/invites`, { role: 'editor' }],
        ['GET', `${at}/invites`, undefined],
        ['DELETE', `${at}/invites/x`, undefined],
        ['POST', `${at}/shares`, { mode: 'live' }],
        ['GET', `${at}/shares`, undefined],
        ['DELETE', `${at}/shares/x`, undefined],
      ] as const
    const known = requests(`/api/conversations/${id}`, id)
    const made = requests(`/api/conversations/${unknown}`, unknown)
    for (const [index, [method, path, body]] of known.entries()) {
      const [, otherPath = '', otherBody] = made[index] ?? []
      const [answer, other] = await Promise.all([
        stranger.request(method, path, body),
        stranger.request(method, otherPath, otherBody),
      ])
      expect(answer.status, `${method} ${path}`).toBe(404)
      expect(await problemOf(answer)).toEqual(await problemOf(other))
    }
    const upgrade = await stranger.upgrade(id, await stranger.ticket())
    expect(upgrade.status).toBe(404)
    expect((await membersOf(owner, id)).members).toHaveLength(1)
    expect((await owner.messages(id)).length).toBe(2)
  })
})

describe('M3 the list', () => {
  test('has one’s own and those shared with one in the order of their activity, page by page', async () => {
    const [reader, owner] = await Promise.all([Guest.arrive(), Guest.arrive()])
    const ids: string[] = []
    for (let i = 0; i < 12; i++) {
      const from = i % 3 === 0 ? owner : reader
      const id = await from.createConversation(`Number ${i}`)
      if (from === owner) await add(owner, id, reader, 'viewer')
      ids.unshift(id)
    }
    for (const limit of [1, 2, 5, 12]) {
      const found: string[] = []
      for (let cursor: string | null = ''; cursor !== null;) {
        const query: string = `limit=${limit}${cursor && `&cursor=${cursor}`}`
        const response = await reader.request('GET', `/api/conversations?${query}`)
        const page = conversationPage.parse(await response.json())
        expect(page.conversations.length).toBeLessThanOrEqual(limit)
        found.push(...page.conversations.map((one) => one.id))
        cursor = page.next
      }
      expect(found).toEqual(ids)
    }
    expect((await listOf(reader)).map((one) => one.role)).toEqual(
      ids.map((_, index) => ((11 - index) % 3 === 0 ? 'viewer' : 'owner')),
    )
  })

  test('a telling of members that comes late never undoes a newer one', async () => {
    const { owner, member, id } = await sharedConversation()
    const [entry] = await listOf(owner)
    if (!entry) throw new Error('it is not listed')
    await putConversation(env.DB, entry, 9, [])
    await putConversation(env.DB, entry, 8, [{ userId: member.userId, role: 'editor' }])
    expect(await listOf(member)).toEqual([])
    await putConversation(env.DB, entry, 10, [{ userId: member.userId, role: 'viewer' }])
    await putConversation(env.DB, entry, 11)
    expect(await listOf(member)).toMatchObject([{ id, role: 'viewer' }])
  })

  test('is told by an alarm what D1 missed of the members', async () => {
    const { guest: owner, id } = await newConversation()
    const member = await Guest.arrive()
    const repair = await breakD1(id, 'INSERT')
    await add(owner, id, member, 'viewer')
    expect(await listOf(member)).toEqual([])
    expect((await membersOf(member, id)).you).toBe('viewer')
    await evictDurableObject(stubOf(id))
    await repair()
    await runDurableObjectAlarm(stubOf(id))
    expect(await listOf(member)).toMatchObject([{ id, role: 'viewer' }])
  })
})
