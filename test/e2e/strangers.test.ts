/**
 * Promise 7, as far as there is membership: nobody receives anything of a conversation that is not theirs, by any way in,
 * and is not even told that it exists (rule E3).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { World } from '../support/parley-world.ts'
import { upgrade } from '../support/raw-upgrade.ts'
import { TestClient } from '../support/test-client.ts'
import type { TestUser } from '../support/test-user.ts'

const NOBODYS = '00000000-0000-4000-8000-000000000000'

let world: World
let owner: TestUser
let stranger: TestUser
let conversationId: string
let insider: TestClient

beforeAll(async () => {
  world = await World.start()
  owner = await world.user()
  stranger = await world.user()
  conversationId = await owner.newConversation()
  insider = await TestClient.join(owner, conversationId)
})
afterAll(() => world?.end())

const ways = [
  ['GET', ''],
  ['PATCH', '', { title: 'Mine now' }],
  ['DELETE', ''],
  ['GET', '/messages'],
  ['GET', '/messages/m2/stream'],
  ['POST', '/stop', { turnId: 't2' }],
] as const

describe('promise 7: a stranger gets nothing', () => {
  test.each(ways)(
    '%s /api/conversations/:id%s answers as for one that does not exist (E3)',
    async (...way) => {
      const [method, path, body] = way
      const { answerId } = await insider.say('private [[tokens=10]]')
      await insider.ended(answerId)
      const ask = async (id: string) => {
        const options = body ? { body } : {}
        const { requestId, ...rest } = await stranger.problem(
          method,
          `/api/conversations/${id}${path}`,
          options,
        )
        expect(requestId).not.toBe('')
        return rest
      }
      const problem = await ask(conversationId)
      expect(problem).toMatchObject({ status: 404, code: 'not_found' })
      expect(problem).toEqual(await ask(NOBODYS))
    },
  )

  test.each(['/api/chat', '/api/chat/stream'])('POST %s writes nothing into it (E3)', async (path) => {
    const before = await owner.transcript(conversationId)
    const body = { message: 'let me in', conversationId, idempotencyKey: 'stranger' }
    expect(await stranger.problem('POST', path, { body })).toMatchObject({ status: 404, code: 'not_found' })
    expect(await owner.transcript(conversationId)).toEqual(before)
    expect((await world.model.calls()).some((call) => call.lastUserMessage === body.message)).toBe(false)
  })

  test('no socket is opened, with a ticket that is good elsewhere, and none of the frames arrives (E3)', async () => {
    const refused = await upgrade(
      world.url,
      `/api/conversations/${conversationId}/ws?ticket=${await stranger.ticket()}`,
    )
    const unknown = await upgrade(
      world.url,
      `/api/conversations/${NOBODYS}/ws?ticket=${await stranger.ticket()}`,
    )
    expect(refused.status).toBe(404)
    expect({ ...refused.problem, requestId: '' }).toEqual({ ...unknown.problem, requestId: '' })
  })

  test('somebody in a conversation of their own hears nothing of another one', async () => {
    const own = await stranger.newConversation()
    const outsider = await TestClient.join(stranger, own)
    const { answerId } = await insider.say('between us [[text="A secret."]]')
    await insider.ended(answerId)
    // Their own answer comes after the other's, so what was to leak would have come before it.
    const mine = await outsider.say('mine [[text="Public."]]')
    await outsider.ended(mine.answerId)
    const heard = JSON.stringify(outsider.frames)
    expect(heard).not.toContain('secret')
    expect(heard).not.toContain(conversationId)
    expect(heard).not.toContain(owner.id)
    expect(outsider.room.viewers.map(({ userId }) => userId)).toEqual([stranger.id])
  })

  test('their list shows none but their own, and the same key leads to another conversation (I4)', async () => {
    const body = { message: 'keyed [[tokens=3]]', idempotencyKey: 'shared-key' }
    const [one, other] = [await owner.chat(body), await stranger.chat(body)]
    expect(one.conversationId).not.toBe(other.conversationId)
    const listed = (await stranger.conversations()).map(({ id }) => id)
    expect(listed).toContain(other.conversationId)
    expect(listed).not.toContain(one.conversationId)
    expect(listed).not.toContain(conversationId)
  })
})
