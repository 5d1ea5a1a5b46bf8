/**
 * The erasure of a person: what goes, what stays and under which name, that it holds from the request on, and that it comes
 * to its end however often its process dies and whatever does not answer meanwhile.
 */
import { abortAllDurableObjects, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { DELETED_USER } from '../../src/conversation/caretaker.ts'
import { eraseAnswer } from '../../src/protocol/privacy.ts'
import { breakD1 } from './d1-directory.ts'
import { contentOf, erasureOf, receiptOf, tablesWith, untilErased } from './erasures.ts'
import { problemFrom } from './http-checks.ts'
import { personWith, trailOf } from './people.ts'
import { Guest, ask, message, unique } from './worker-guest.ts'

interface Asker {
  request(method: string, path: string, body?: unknown): Promise<Response>
}

async function erase(person: Asker, body: object = {}): Promise<string> {
  const response = await person.request('DELETE', '/api/me', body)
  expect(response.status).toBe(202)
  return eraseAnswer.parse(await response.json()).receiptId
}

/** A conversation of `owner` in which `member` has said something, too. */
async function sharedConversation(owner: Guest, member: Guest, words: string): Promise<string> {
  const id = await owner.createConversation('Shared')
  const body = { userId: member.userId, role: 'editor' }
  expect((await owner.request('POST', `/api/conversations/${id}/members`, body)).status).toBe(201)
  await owner.chat({ conversationId: id, message: message(unique(), 'text="For the owner"') })
  await member.chat({ conversationId: id, message: `${words} [[text="For the member"]]` })
  return id
}

/** Somebody with conversations of their own, and words in one of somebody else. */
async function busyGuest(own = 3) {
  const [guest, other] = [await Guest.arrive(), await Guest.arrive()]
  const words = `secret-${unique()}`
  const mine: string[] = []
  for (let i = 0; i < own; i++) {
    mine.push((await guest.chat({ message: `${words} [[text=ok]]` })).conversationId)
  }
  const shared = await sharedConversation(other, guest, words)
  await guest.request('GET', '/api/me/export').then((response) => response.text())
  return { guest, other, words, mine, shared }
}

async function expectGone({ guest, other, words, mine, shared }: Awaited<ReturnType<typeof busyGuest>>) {
  for (const text of [guest.userId, words]) {
    expect(await tablesWith(text)).toEqual([])
    for (const id of [...mine, shared]) expect(await contentOf(id)).not.toContain(text)
  }
  for (const id of mine) expect(await contentOf(id)).toBe('[]')
  const messages = await other.messages(shared)
  expect(messages.map(({ authorName, parts }) => [authorName, parts[0]?.text])).toEqual([
    [other.name, expect.any(String)],
    [null, 'For the owner'],
    [DELETED_USER, ''],
    [null, 'For the member'],
  ])
}

describe('an erasure', () => {
  test('leaves nothing of a person, neither in D1 nor in the conversations, and a receipt that says how much', async () => {
    const all = await busyGuest()
    const receiptId = await erase(all.guest)
    const { receipt } = await untilErased(all.guest.userId, receiptId)
    expect(receipt).toMatchObject({
      receiptId,
      state: 'finished',
      removed: { conversations: 3, memberships: 1, messages: 1, sessions: 0, keys: 0, account: 0 },
    })
    await expectGone(all)
    const members = await all.other.request('GET', `/api/conversations/${all.shared}/members`)
    expect(await members.json()).toMatchObject({ members: [{ userId: all.other.userId }] })
    expect(await tablesWith(receiptId)).toEqual(['erasures'])
  })

  test('holds from the request on: the token is void, sockets are cut, a guest is not renewed', async () => {
    const { guest, mine } = await busyGuest(1)
    const socket = await guest.join(mine[0] ?? '')
    const receiptId = await erase(guest)
    await problemFrom(await guest.request('GET', '/api/conversations'), 401, 'unauthorized')
    await problemFrom(await guest.request('POST', '/api/auth/guest'), 401, 'unauthorized')
    await problemFrom(await guest.request('DELETE', '/api/me', {}), 401, 'unauthorized')
    expect([4401, 4410]).toContain(await socket.closed)
    await untilErased(guest.userId, receiptId)
    await problemFrom(await guest.request('GET', '/api/conversations'), 401, 'unauthorized')
  })

  test('blanks who and where in the trail, and keeps what happened', async () => {
    const guest = await Guest.arrive()
    const receiptId = await erase(guest)
    const [entry] = await trailOf({ actor: guest.userId })
    await untilErased(guest.userId, receiptId)
    expect(await trailOf({ actor: guest.userId })).toEqual([])
    const kept = (await trailOf({ action: 'erasure_requested' })).find(({ id }) => id === entry?.id)
    expect(kept?.actor).toMatch(/^erased:/)
    expect(kept).toMatchObject({ resource: kept?.actor, actorRole: 'guest', address: null, agent: null })
  })

  test('keeps what was used in the totals, without whose', async () => {
    const totals = async () =>
      await env.DB.prepare(
        'SELECT sum(messages) AS m, sum(output_tokens) AS t, sum(cost) AS c FROM usage',
      ).first()
    const { guest } = await busyGuest(2)
    const receiptId = await erase(guest)
    // What was under way is in the ledger when the conversations are gone, which comes before.
    let before: unknown = null
    const { receipt } = await untilErased(guest.userId, receiptId, async () => {
      const { results } = await env.DB.prepare('SELECT 1 FROM usage WHERE user_id = ?')
        .bind(guest.userId)
        .all()
      if (results.length > 0) before = await totals()
    })
    expect(receipt.removed.usageRows).toBeGreaterThan(0)
    expect(await totals()).toEqual(before)
  })

  test('removes an account with its sessions and keys', async () => {
    const person = await personWith('user')
    for (const sql of [
      "INSERT INTO sessions VALUES ('s-' || ?1, ?1, 1, 1, 'agent', 'address')",
      "INSERT INTO refresh_tokens VALUES ('h-' || ?1, 's-' || ?1, 9e15, NULL, NULL)",
      "INSERT INTO service_keys VALUES ('k-' || ?1, ?1, 'key', 'hash', 'chat', 1, NULL)",
    ])
      await env.DB.prepare(sql).bind(person.id).run()
    const { receipt } = await untilErased(person.id, await erase(person))
    expect(receipt.removed).toMatchObject({ sessions: 1, keys: 1, account: 1 })
    expect(await tablesWith(person.id)).toEqual([])
    expect(await tablesWith(person.email)).toEqual([])
  })

  test('removes what machines wrote with keys of that person, revoked ones too', async () => {
    const person = await personWith('user')
    const made = await person.request('POST', '/api/keys', { name: 'bot', scopes: ['chat', 'read'] })
    const { id, key } = await made.json<{ id: string; key: string }>()
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const sent = await ask('/api/chat', {
      method: 'POST',
      headers,
      body: '{"message":"robot-words [[text=ok]]"}',
    })
    const { conversationId } = await sent.json<{ conversationId: string }>()
    expect((await person.request('DELETE', `/api/keys/${id}`)).status).toBe(204)
    const { receipt } = await untilErased(person.id, await erase(person))
    expect(receipt.removed).toMatchObject({ conversations: 1, keys: 0 })
    expect(await contentOf(conversationId)).toBe('[]')
    expect(await tablesWith(`service:${id}`)).toEqual([])
  })

  test('M13 leaves nothing of somebody who was removed from a conversation and has said nothing there', async () => {
    const [owner, guest] = [await Guest.arrive(), await Guest.arrive()]
    const id = await owner.createConversation('Shared')
    const members = `/api/conversations/${id}/members`
    await owner.request('POST', members, { userId: guest.userId, role: 'editor' })
    expect((await owner.request('DELETE', `${members}/${guest.userId}`)).status).toBe(204)
    expect(await contentOf(id)).toContain(guest.userId)
    const { receipt } = await untilErased(guest.userId, await erase(guest))
    expect(receipt.removed.memberships).toBe(0)
    expect(await contentOf(id)).not.toContain(guest.userId)
    expect(await tablesWith(guest.userId)).toEqual([])
    // And what the conversation tells D1 later does not bring it back.
    await owner.request('PATCH', `/api/conversations/${id}`, { title: 'Later' })
    expect(await tablesWith(guest.userId)).toEqual([])
  })

  test('asked for several times at once is one, with one receipt', async () => {
    const guest = await Guest.arrive()
    await guest.createConversation()
    const responses = await Promise.all([1, 2, 3].map(() => guest.request('DELETE', '/api/me', {})))
    const answers = await Promise.all(
      responses
        .filter(({ status }) => status === 202)
        .map(async (each) => eraseAnswer.parse(await each.json())),
    )
    expect(new Set(answers.map(({ receiptId }) => receiptId)).size).toBe(1)
    const { receipt } = await untilErased(guest.userId, answers[0]?.receiptId ?? '')
    expect(receipt.removed.conversations).toBe(1)
  })

  test('looks once more after its receipt, for what was under way, and then leaves nothing of itself', async () => {
    const guest = await Guest.arrive()
    const receiptId = await erase(guest)
    await untilErased(guest.userId, receiptId)
    const late = crypto.randomUUID()
    await env.DB.prepare("INSERT INTO memberships VALUES (?, ?, 'viewer')").bind(guest.userId, late).run()
    while (await runDurableObjectAlarm(erasureOf(guest.userId)));
    expect(await tablesWith(guest.userId)).toEqual([])
    expect(await receiptOf(receiptId)).toMatchObject({ state: 'finished' })
  })
})

describe('an erasure that is disturbed', () => {
  test('ends when the process dies before every piece, and does and counts nothing twice', async () => {
    const all = await busyGuest(12)
    const receiptId = await erase(all.guest)
    const { receipt, pieces } = await untilErased(all.guest.userId, receiptId, () => abortAllDurableObjects())
    expect(pieces).toBeGreaterThan(10)
    expect(receipt.removed).toMatchObject({ conversations: 12, memberships: 1, messages: 1 })
    await expectGone(all)
  })

  test('ends when the process dies in the middle of pieces', async () => {
    const all = await busyGuest(12)
    const { userId } = all.guest
    const receiptId = await erase(all.guest)
    for (let i = 0; i < 12; i++) {
      await Promise.allSettled([runDurableObjectAlarm(erasureOf(userId)), abortAllDurableObjects()])
    }
    const { receipt } = await untilErased(userId, receiptId)
    expect(receipt.removed).toMatchObject({ conversations: 12, memberships: 1, messages: 1 })
    await expectGone(all)
  })

  test('goes on with the rest while D1 does not take the removal of one conversation, and waits for that', async () => {
    const all = await busyGuest()
    const [first = '', ...others] = all.mine
    const repair = await breakD1(first, 'DELETE')
    const receiptId = await erase(all.guest)
    for (let i = 0; i < 30; i++) await runDurableObjectAlarm(erasureOf(all.guest.userId))
    expect(await receiptOf(receiptId)).toMatchObject({ state: 'running', finishedAt: null })
    for (const id of others) expect(await contentOf(id)).toBe('[]')
    await repair()
    const { receipt } = await untilErased(all.guest.userId, receiptId)
    expect(receipt.removed.conversations).toBe(3)
    await expectGone(all)
  })
})

describe('who may', () => {
  test('nobody without a token, no machine, and only with what the body may hold', async () => {
    await problemFrom(await ask('/api/me', { method: 'DELETE' }), 401, 'unauthorized')
    const guest = await Guest.arrive()
    for (const body of [{ userId: 'user:other' }, { password: 5 }, '{"__proto__": {"password": "x"}}'])
      await problemFrom(await guest.request('DELETE', '/api/me', body), 422, 'validation_failed')
    expect((await guest.request('GET', '/api/conversations')).status).toBe(200)
  })

  test('a receipt is known to who has its id, and to nobody else', async () => {
    for (const id of [crypto.randomUUID().replaceAll('-', ''), 'x', '%', '__proto__'])
      await problemFrom(await ask(`/api/erasures/${id}`), 404, 'not_found')
  })
})
