/**
 * The audit trail over HTTP: what the routes write into it, before they answer, and how admins read it. What D1 keeps of it
 * is audit-trail.test.ts.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { auditPage, type AuditPage } from '../../src/protocol/admin.ts'
import { sessionAnswer } from '../../src/protocol/accounts.ts'
import { eraseAnswer } from '../../src/protocol/privacy.ts'
import { untilErased } from './erasures.ts'
import { problemFrom } from './http-checks.ts'
import { personWith, trailOf, type Person } from './people.ts'
import { Guest, ask, message, unique } from './worker-guest.ts'

let admin: Person
beforeAll(async () => {
  admin = await personWith('admin')
})

async function read(query: Record<string, string>): Promise<AuditPage> {
  const response = await admin.request('GET', `/api/admin/audit?${new URLSearchParams(query).toString()}`)
  return auditPage.parse(await response.json())
}

const PASSWORD = 'correct horse battery staple 42'

/** Somebody who registered by themselves. */
async function registered(headers: Record<string, string> = {}) {
  const email = `${unique()}@example.test`
  const post = (path: string, body: object, more: Record<string, string> = {}) =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers, ...more },
      body: JSON.stringify(body),
    })
  const answer = sessionAnswer.parse(
    await (await post('/api/auth/register', { email, password: PASSWORD })).json(),
  )
  const id = answer.user.id
  const request = (method: string, path: string, body?: object) =>
    ask(path, {
      method,
      headers: { authorization: `Bearer ${answer.accessToken}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
  return { id, email, post, request }
}

describe('what is written', () => {
  test('registering, signing in, failing to, and leaving, with where it came from and no credential', async () => {
    const headers = { 'cf-connecting-ip': '203.0.113.77', 'user-agent': 'Evil/1.0\tx' }
    const person = await registered(headers)
    await person.post('/api/auth/login', { email: person.email, password: PASSWORD })
    await person.post('/api/auth/login', { email: person.email, password: 'wrong horse battery' })
    await person.request('POST', '/api/auth/logout-all')
    const trail = await trailOf({ actor: person.id })
    expect(trail.map(({ action }) => action)).toEqual(['sign_out_everywhere', 'sign_in', 'register'])
    expect(trail[1]).toMatchObject({ address: '203.0.113.0/24', agent: 'Evil/1.0 x', actorRole: 'user' })
    expect((await trailOf({ action: 'sign_in_failed' }))[0]).toMatchObject({
      actor: null,
      address: '203.0.113.0/24',
    })
    const all = JSON.stringify(await trailOf({}))
    for (const text of [PASSWORD, 'horse battery', person.email, '203.0.113.77'])
      expect(all).not.toContain(text)
  })

  test('members, invites and shares: who, in which conversation, and no token', async () => {
    const [owner, friend] = [await Guest.arrive(), await Guest.arrive()]
    const { conversationId: id } = await owner.chat({ message: message(unique(), 'text=ok') })
    const path = `/api/conversations/${id}`
    await owner.request('POST', `${path}/members`, { userId: friend.userId, role: 'viewer' })
    await owner.request('PATCH', `${path}/members/${friend.userId}`, { role: 'editor' })
    await owner.request('DELETE', `${path}/members/${friend.userId}`)
    const invite = await (
      await owner.request('POST', `${path}/invites`, { role: 'viewer' })
    ).json<Record<string, string>>()
    await friend.request('POST', '/api/invites/accept', { token: invite['token'] })
    await owner.request('DELETE', `${path}/invites/${invite['id']}`)
    const share = await (
      await owner.request('POST', `${path}/shares`, { mode: 'live' })
    ).json<Record<string, string>>()
    await owner.request('DELETE', `${path}/shares/${share['id']}`)
    expect((await trailOf({ actor: owner.userId })).map(({ action }) => action)).toEqual([
      'share_revoked',
      'share_created',
      'invite_revoked',
      'invite_created',
      'member_removed',
      'member_changed',
      'member_added',
    ])
    const here = await trailOf({ resource: `conversation:${id}` })
    expect(here.map(({ actor }) => actor)).toContain(friend.userId)
    expect(await trailOf({ resource: friend.userId })).toMatchObject([
      { action: 'member_removed', details: { conversation: id } },
      { action: 'member_changed', details: { conversation: id, role: 'editor' } },
      { action: 'member_added', details: { conversation: id, role: 'viewer' } },
    ])
    for (const { token = '?' } of [invite, share]) expect(JSON.stringify(here)).not.toContain(token)
  })

  test('nothing of what was refused', async () => {
    const [owner, stranger] = [await Guest.arrive(), await Guest.arrive()]
    const path = `/api/conversations/${await owner.createConversation()}`
    for (const [method, end, body] of [
      ['POST', '/members', { userId: stranger.userId, role: 'editor' }],
      ['DELETE', `/members/${owner.userId}`, undefined],
      ['POST', '/invites', { role: 'editor' }],
      ['POST', '/shares', { mode: 'live' }],
    ] as const)
      await problemFrom(await stranger.request(method, path + end, body), 404, 'not_found')
    expect(await trailOf({ actor: stranger.userId })).toEqual([])
  })
})

describe('an account with a password', () => {
  test('is erased with it, and not without', async () => {
    const person = await registered()
    await problemFrom(await person.request('DELETE', '/api/me', {}), 403, 'forbidden')
    const wrong = await person.request('DELETE', '/api/me', { password: 'wrong horse battery' })
    await problemFrom(wrong, 401, 'invalid_credentials')
    expect(await trailOf({ action: 'erasure_requested', actor: person.id })).toEqual([])
    const response = await person.request('DELETE', '/api/me', { password: PASSWORD })
    const { receiptId } = eraseAnswer.parse(await response.json())
    const { receipt } = await untilErased(person.id, receiptId)
    expect(receipt.removed).toMatchObject({ account: 1, sessions: 1 })
    const again = await person.post('/api/auth/login', { email: person.email, password: PASSWORD })
    await problemFrom(again, 401, 'invalid_credentials')
  })
})

describe('reading it', () => {
  test('is for admins, and is in it', async () => {
    for (const person of [await personWith('user'), await personWith('moderator'), await Guest.arrive()])
      await problemFrom(await person.request('GET', '/api/admin/audit'), 403, 'forbidden')
    const actor = (await personWith('user')).id
    const { entries } = await read({ actor })
    expect(entries).toEqual([])
    expect((await read({ actor: admin.id })).entries[1]).toMatchObject({
      action: 'admin_audit_read',
      resource: actor,
      details: { by: 'actor', action: null },
    })
  })

  test('goes by pages and filters', async () => {
    const person = await personWith('user')
    for (let i = 0; i < 5; i++)
      await person.request('GET', '/api/me/export').then((response) => response.text())
    const first = await read({ actor: person.id, action: 'export', limit: '2' })
    const second = await read({ actor: person.id, limit: '2', cursor: first.next ?? '' })
    const third = await read({ actor: person.id, limit: '2', cursor: second.next ?? '' })
    const ids = [first, second, third].flatMap(({ entries }) => entries.map(({ id }) => id))
    expect(ids).toHaveLength(5)
    expect(ids).toEqual(ids.toSorted((a, b) => b - a))
    expect(third.next).toBeNull()
    expect((await read({ actor: person.id, to: '2001-01-01T00:00:00Z' })).entries).toEqual([])
    expect((await read({ actor: person.id, from: '2001-01-01T00:00:00+02:00' })).entries).toHaveLength(5)
  })

  test.each([
    { cursor: 'x' },
    { cursor: 'zz~1;DROP TABLE audit' },
    { actor: "user:x' OR 1=1" },
    { actor: 'me\r\n' },
    { action: 'anything' },
    { resource: 'a b' },
    { resource: 'someone@example.test' },
    { from: 'yesterday' },
    { limit: '1e2' },
    { __proto__x: '1' },
  ])('refuses %j', async (query) => {
    const response = await admin.request(
      'GET',
      `/api/admin/audit?${new URLSearchParams(query as never).toString()}`,
    )
    await problemFrom(response, 422, 'validation_failed')
  })
})
