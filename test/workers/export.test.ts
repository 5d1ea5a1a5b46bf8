/**
 * What a person takes away, against what was written: own conversations whole, words in those of others, and nothing of
 * anybody else. The stream itself is test/unit/export.test.ts.
 */
import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { createdKeyAnswer } from '../../src/protocol/accounts.ts'
import { chatAnswer } from '../../src/protocol/http.ts'
import { conversation, textOf } from '../../src/protocol/message.ts'
import { exported, type Exported } from '../../src/protocol/privacy.ts'
import { problemFrom } from './http-checks.ts'
import { personWith, trailOf } from './people.ts'
import { send } from './worker-account.ts'
import { Guest, ask, message, stubOf, unique } from './worker-guest.ts'

async function exportOf(person: {
  request(method: string, path: string): Promise<Response>
}): Promise<Exported> {
  const response = await person.request('GET', '/api/me/export')
  expect(response.status).toBe(200)
  expect(response.headers.get('content-disposition')).toMatch(
    /^attachment; filename="parley-export-\d{4}-\d\d-\d\d\.json"$/,
  )
  expect(response.headers.get('cache-control')).toBe('no-store')
  return exported.strict().parse(await response.json())
}

/** Writes as many messages into a conversation as a long one has, past the model. */
const fill = (id: string, userId: string, count: number): Promise<void> =>
  runInDurableObject(stubOf(id), (_, { storage }) => {
    storage.sql.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO messages (number, turn, role, status, content, tokens, author_id, author_name, created_at)
       SELECT i * 2 + 999, i * 2 + 1000, 'user', 'completed', 'text "' || i || '" \\ ' || char(10, 8232, 128169), 1, ?, 'Me', i FROM n`,
      count,
      userId,
    )
  })

describe('an export', () => {
  test('has every message of every conversation of one’s own, also of long ones', async () => {
    const guest = await Guest.arrive()
    const ids: string[] = []
    for (let i = 0; i < 3; i++) {
      const { conversationId } = await guest.chat({ message: message(unique(), 'text=ok') })
      ids.push(conversationId)
    }
    const [long = ''] = ids
    await fill(long, guest.userId, 450)
    const result = await exportOf(guest)
    expect(result).toMatchObject({ complete: true, errors: [], profile: { id: guest.userId, role: 'guest' } })
    expect(result.conversations.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    for (const { id, role, messages } of result.conversations) {
      expect(role).toBe('owner')
      if (id !== long) expect(messages).toEqual(await guest.messages(id))
    }
    const texts = result.conversations.find(({ id }) => id === long)?.messages.map(textOf) ?? []
    expect(texts).toHaveLength(452)
    expect(texts.slice(2)).toEqual(
      Array.from({ length: 450 }, (_, i) => `text "${i + 1}" \\ \n\u2028\u{1F4A9}`),
    )
  })

  test('has of conversations of others what one said oneself, also after one has left', async () => {
    const [owner, member] = [await Guest.arrive(), await Guest.arrive()]
    const id = await owner.createConversation('Private title')
    await owner.request('POST', `/api/conversations/${id}/members`, { userId: member.userId, role: 'editor' })
    await owner.chat({ conversationId: id, message: 'The owner’s words [[text=answer-to-owner]]' })
    await member.chat({ conversationId: id, message: 'My words [[text=answer-to-me]]' })
    const during = await exportOf(member)
    expect(during.conversations).toMatchObject([{ id, role: 'editor', title: 'Private title', links: [] }])
    expect(during.conversations[0]?.messages.map(textOf)).toEqual(['My words [[text=answer-to-me]]'])
    expect(JSON.stringify(during)).not.toContain('owner’s words')
    expect(JSON.stringify(during)).not.toContain(owner.userId)
    await member.request('DELETE', `/api/conversations/${id}/members/${member.userId}`)
    const after = await exportOf(member)
    expect(after.conversations).toMatchObject([{ id, role: null, title: null, createdAt: null }])
    expect(after.conversations[0]?.messages.map(textOf)).toEqual(['My words [[text=answer-to-me]]'])
    expect((await exportOf(owner)).conversations[0]?.messages).toHaveLength(4)
  })

  test('has what the machines said that act for one, also of one whose key is revoked', async () => {
    const [ada, other] = [await personWith('user'), await personWith('user')]
    const own = conversation.parse(await (await ada.request('POST', '/api/conversations', {})).json()).id
    const spoken: { userId: string; id: string }[] = []
    for (const owner of [ada, ada, other]) {
      const made = await owner.request('POST', '/api/keys', { name: 'CI', scopes: ['chat', 'read'] })
      const { id, key } = createdKeyAnswer.parse(await made.json())
      const chat = await send('POST', '/api/chat', {
        token: key,
        body: { message: message(unique(), 'text=ok') },
      })
      const { conversationId } = chatAnswer.parse(await chat.json())
      if (owner === ada) spoken.push({ userId: `service:${id}`, id: conversationId })
      if (spoken.length === 1) expect((await ada.request('DELETE', `/api/keys/${id}`)).status).toBe(204)
    }
    const result = await exportOf(ada)
    expect(result.complete).toBe(true)
    const sorted = (places: readonly { userId: string; id: string }[]) =>
      places.map(({ userId, id }) => `${userId} ${id}`).toSorted()
    expect(sorted(result.conversations)).toEqual(sorted([{ userId: ada.id, id: own }, ...spoken]))
    for (const { userId, messages } of result.conversations)
      expect(messages).toHaveLength(userId === ada.id ? 0 : 2)
  })

  test('has the links that one made, without their tokens', async () => {
    const guest = await Guest.arrive()
    const { conversationId: id } = await guest.chat({ message: message(unique(), 'text=ok') })
    const invite = await guest.request('POST', `/api/conversations/${id}/invites`, { role: 'viewer' })
    const share = await guest.request('POST', `/api/conversations/${id}/shares`, { mode: 'live' })
    const tokens = [await invite.json<{ token: string }>(), await share.json<{ token: string }>()].map(
      ({ token }) => token,
    )
    const result = await exportOf(guest)
    expect(result.conversations[0]?.links.map(({ kind }) => kind)).toEqual(['invite', 'share'])
    for (const token of tokens) expect(JSON.stringify(result)).not.toContain(token)
  })

  test('names a conversation that cannot be read, and has the rest', async () => {
    const guest = await Guest.arrive()
    const [broken, whole] = [await guest.createConversation('a'), await guest.createConversation('b')]
    await runInDurableObject(
      stubOf(broken),
      (_, { storage }) => void storage.sql.exec('ALTER TABLE messages RENAME TO gone'),
    )
    const result = await exportOf(guest)
    expect(result.errors).toEqual([{ part: `conversation:${broken}`, code: 'unavailable' }])
    expect(result.complete).toBe(false)
    expect(result.conversations.map(({ id }) => id)).toEqual([whole])
  })

  test('is in the trail before it is read, and so in itself', async () => {
    const person = await personWith('user', { name: 'Zoë "Z" \u2028' })
    const result = await exportOf(person)
    expect(result.profile).toMatchObject({ id: person.id, email: person.email, name: 'Zoë "Z" \u2028' })
    expect(result.audit).toMatchObject([{ action: 'export', actor: person.id, resource: person.id }])
    expect(await trailOf({ actor: person.id })).toHaveLength(1)
  })

  test('is for people, not without a token', async () => {
    await problemFrom(await ask('/api/me/export'), 401, 'unauthorized')
  })
})
