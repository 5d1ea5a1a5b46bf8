/**
 * Invites: whoever holds the link comes in, as often as it says and not once more, until it ends.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { MAX_MEMBERS } from '../../src/protocol/limits.ts'
import { acceptInviteAnswer, inviteList, type Invite } from '../../src/protocol/members.ts'
import { listOf } from './d1-directory.ts'
import { contentOf } from './erasures.ts'
import { problemFrom } from './http-checks.ts'
import { accept, add, invite, membersOf, remove, sharedConversation } from './shared-conversation.ts'
import { newConversation } from './started-conversation.ts'
import { Guest, ask, problemOf, stubOf, unique } from './worker-guest.ts'

const HOUR_MS = 3_600_000

async function invitesOf(owner: Guest, id: string): Promise<Invite[]> {
  const response = await owner.request('GET', `/api/conversations/${id}/invites`)
  return inviteList.strict().parse(await response.json()).invites
}

describe('an invite', () => {
  test('M9 makes a guest who holds it a member, who sees it in their list at once', async () => {
    const { guest: owner, id } = await newConversation('A title')
    const { token, ...made } = await invite(owner, id, { role: 'editor', expiresInHours: 2, maxUses: 3 })
    expect(token).toMatch(/^inv_[\w-]{43}$/)
    expect(made).toMatchObject({ role: 'editor', maxUses: 3, uses: 0 })
    expect(Date.parse(made.expiresAt) - Date.parse(made.createdAt)).toBe(2 * HOUR_MS)
    const guest = await Guest.arrive()
    const answer = await accept(guest, token)
    expect(answer.status).toBe(200)
    expect(acceptInviteAnswer.strict().parse(await answer.json())).toEqual({
      conversationId: id,
      role: 'editor',
    })
    expect(await listOf(guest)).toMatchObject([{ id, role: 'editor' }])
    expect((await membersOf(guest, id)).members[1]).toMatchObject({ name: guest.name, role: 'editor' })
    expect(await invitesOf(owner, id)).toEqual([{ ...made, uses: 1 }])
  })

  test('M9 lasts a week unless it says otherwise', async () => {
    const { guest: owner, id } = await newConversation()
    const made = await invite(owner, id, { role: 'viewer' })
    expect(Date.parse(made.expiresAt) - Date.parse(made.createdAt)).toBe(7 * 24 * HOUR_MS)
    expect(made.maxUses).toBeNull()
  })

  test('M9 of fifty who use it at once, exactly as many come in as it allows', async () => {
    const { guest: owner, id } = await newConversation()
    const { token } = await invite(owner, id, { role: 'viewer', maxUses: 1 })
    const people = await Promise.all(Array.from({ length: 50 }, () => Guest.arrive()))
    const answers = await Promise.all(people.map((one) => accept(one, token)))
    const statuses = answers.map((answer) => answer.status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 404)).toHaveLength(49)
    expect((await membersOf(owner, id)).members).toHaveLength(2)
    expect(await invitesOf(owner, id)).toMatchObject([{ uses: 1 }])
  })

  test('M9 used again by the same person counts once, also at the same time', async () => {
    const { guest: owner, id } = await newConversation()
    const { token } = await invite(owner, id, { role: 'viewer', maxUses: 1 })
    const guest = await Guest.arrive()
    const answers = await Promise.all(Array.from({ length: 10 }, () => accept(guest, token)))
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]))
    expect((await accept(guest, token)).status).toBe(200)
    expect(await invitesOf(owner, id)).toMatchObject([{ uses: 1 }])
  })

  test.each(['editor', 'viewer'] as const)('M9 leaves a member what they are: %s', async (role) => {
    const { guest: owner, id } = await newConversation()
    const guest = await Guest.arrive()
    await add(owner, id, guest, role)
    for (const offered of ['viewer', 'editor']) {
      const { token } = await invite(owner, id, { role: offered })
      expect(await (await accept(guest, token)).json()).toMatchObject({ role })
      expect(await (await accept(owner, token)).json()).toMatchObject({ role: 'owner' })
    }
    expect((await membersOf(guest, id)).you).toBe(role)
    expect((await invitesOf(owner, id)).map(({ uses }) => uses)).toEqual([0, 0])
  })

  test('M10 that is unknown, revoked, expired, used up or of a deleted conversation is the same: not there', async () => {
    const [{ guest: owner, id }, { guest: other, id: deleted }] = await Promise.all([
      newConversation(),
      newConversation(),
    ])
    const guest = await Guest.arrive()
    const revoked = await invite(owner, id, { role: 'viewer' })
    const path = `/api/conversations/${id}/invites/${revoked.id}`
    expect((await owner.request('DELETE', path)).status).toBe(204)
    await problemFrom(await owner.request('DELETE', path), 404, 'not_found')
    const used = await invite(owner, id, { role: 'viewer', maxUses: 1 })
    const first = await Guest.arrive()
    await accept(first, used.token)
    const expired = await invite(owner, id, { role: 'viewer' })
    await runInDurableObject(stubOf(id), (_, { storage }) => {
      storage.sql.exec('UPDATE invites SET expires_at = 1 WHERE id = ?', expired.id)
    })
    const gone = await invite(other, deleted, { role: 'viewer' })
    await other.request('DELETE', `/api/conversations/${deleted}`)
    const problems = []
    for (const token of [
      `inv_${'A'.repeat(43)}`,
      'inv_',
      '',
      revoked.token.replace('inv_', 'shr_'),
      revoked.token,
      used.token,
      expired.token,
      gone.token,
    ]) {
      const answer = await accept(guest, token)
      expect(answer.status).toBe(404)
      problems.push(await problemOf(answer))
    }
    expect(new Set(problems.map((problem) => JSON.stringify(problem))).size).toBe(1)
    expect(JSON.stringify(problems)).not.toContain(id)
    expect(await listOf(guest)).toEqual([])
  })

  test('M9 does not serve whoever was removed and has used it up', async () => {
    const { guest: owner, id } = await newConversation()
    const { token } = await invite(owner, id, { role: 'editor', maxUses: 1 })
    const guest = await Guest.arrive()
    await accept(guest, token)
    await remove(owner, id, guest)
    expect((await accept(guest, token)).status).toBe(404)
  })

  test('M13 from before does not let in whoever was removed, and lets in others', async () => {
    const { guest: owner, id } = await newConversation()
    const [{ token }, unused] = [
      await invite(owner, id, { role: 'editor' }),
      await invite(owner, id, { role: 'viewer' }),
    ]
    const guest = await Guest.arrive()
    await accept(guest, token)
    await remove(owner, id, guest)
    await evictDurableObject(stubOf(id))
    const unknown = await problemOf(await accept(guest, `inv_${'A'.repeat(43)}`))
    for (const old of [token, unused.token])
      expect(await problemOf(await accept(guest, old))).toEqual(unknown)
    expect(await listOf(guest)).toEqual([])
    expect((await accept(await Guest.arrive(), token)).status).toBe(200)
    expect((await membersOf(owner, id)).members).toHaveLength(2)
  })

  test('M13 that is newer lets them in, and so does being added; then they are like anybody', async () => {
    const { guest: owner, id } = await newConversation()
    const old = await invite(owner, id, { role: 'editor' })
    const guest = await Guest.arrive()
    for (const letIn of [
      async () => await accept(guest, (await invite(owner, id, { role: 'viewer' })).token),
      async () => await add(owner, id, guest, 'viewer'),
    ]) {
      await accept(guest, old.token)
      await remove(owner, id, guest)
      await letIn()
      expect((await membersOf(guest, id)).you).toBe('viewer')
      expect(await listOf(guest)).toMatchObject([{ id, role: 'viewer' }])
      await remove(guest, id, guest)
    }
  })

  test('M13 lets in again whoever left by themselves', async () => {
    const { guest: owner, id } = await newConversation()
    const { token } = await invite(owner, id, { role: 'editor' })
    const guest = await Guest.arrive()
    await accept(guest, token)
    await remove(guest, id, guest)
    expect((await accept(guest, token)).status).toBe(200)
  })

  test('M13 that was asked for before a removal is from before, however late it is made', async () => {
    const { owner, member, id } = await sharedConversation()
    const by = ({ userId, name }: Guest) => ({ userId, name, role: 'guest', kind: 'guest' }) as const
    const stub = stubOf(id)
    const [hash, body] = [unique(), { role: 'editor', expiresInHours: 1 } as const]
    const made = stub.createInvite(by(owner), body, hash)
    // Calls come in order: the link is on its way to D1 when this one does.
    const removed = stub.removeMember(by(owner), member.userId)
    expect([(await made).ok, (await removed).ok]).toEqual([true, true])
    const refused = await stub.acceptInvite(by(member), hash)
    expect(refused).toMatchObject({ ok: false, error: { code: 'not_found' } })
    expect((await stub.acceptInvite(by(await Guest.arrive()), hash)).ok).toBe(true)
  })

  test('M13 holds for everyone, however many were removed: who is forgotten finds no link from before', async () => {
    const { guest: owner, id } = await newConversation()
    const { token } = await invite(owner, id, { role: 'editor' })
    const first = await Guest.arrive()
    await accept(first, token)
    await remove(owner, id, first)
    const kept = await invite(owner, id, { role: 'editor' })
    const last = await Guest.arrive()
    await add(owner, id, last, 'viewer')
    await runInDurableObject(stubOf(id), (_, { storage }) => {
      // As many as are remembered, with the first; each was removed when the newest event was written.
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO members (user_id, role, joined_at, removed_seq)
         SELECT 'user:' || i, 'viewer', 1, (SELECT max(seq) FROM events) FROM n`,
        MAX_MEMBERS,
      )
    })
    await evictDurableObject(stubOf(id))
    await remove(owner, id, last)
    expect(await contentOf(id)).not.toContain(first.userId)
    await problemFrom(await accept(first, token), 404, 'not_found')
    expect(await invitesOf(owner, id)).toMatchObject([{ id: kept.id }])
    expect((await accept(first, kept.token)).status).toBe(200)
  })

  test('its token is stored nowhere, and shown once', async () => {
    const { guest: owner, id } = await newConversation()
    const { token } = await invite(owner, id, { role: 'editor' })
    const rows = await runInDurableObject(stubOf(id), (_, { storage }) =>
      storage.sql.exec('SELECT * FROM invites').toArray(),
    )
    const { results } = await env.DB.prepare('SELECT * FROM links').all()
    expect(JSON.stringify([rows, results, await invitesOf(owner, id)])).not.toContain(token.slice(4))
  })

  test('asks for somebody: without a token of who it is, it says nothing', async () => {
    const { guest: owner, id } = await newConversation()
    const { token } = await invite(owner, id, { role: 'editor' })
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    }
    await problemFrom(await ask('/api/invites/accept', init), 401, 'unauthorized')
  })

  test.each([
    [{}, 'role'],
    [{ role: 'owner' }, 'role'],
    [{ role: 'viewer', maxUses: 0 }, 'maxUses'],
    [{ role: 'viewer', maxUses: 1e9 }, 'maxUses'],
    [{ role: 'viewer', expiresInHours: 1.5 }, 'expiresInHours'],
    [{ role: 'viewer', expiresInHours: 100_000 }, 'expiresInHours'],
    [{ role: 'viewer', uses: -5 }, 'uses'],
  ])('that is asked for wrongly is refused: %j', async (body, field) => {
    const { guest: owner, id } = await newConversation()
    const response = await owner.request('POST', `/api/conversations/${id}/invites`, body)
    expect((await problemFrom(response, 422, 'validation_failed')).field).toBe(field)
  })
})
