/**
 * What the administration does to people: finding them, roles, plans, suspensions; what reaches tokens that are out; and
 * that one admin always stays, whoever is faster.
 */
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import { adminUser, userPage, type AdminUser } from '../../src/protocol/admin.ts'
import { problemFrom } from './http-checks.ts'
import { personWith, signedIn, trailOf, type Person } from './people.ts'
import { Guest } from './worker-guest.ts'

let admin: Person
beforeEach(async () => {
  admin = await personWith('admin')
  // Who else is an admin decides whether one may be demoted, so each test has its own.
  await env.DB.prepare("UPDATE users SET role = 'user' WHERE role = 'admin' AND id <> ?").bind(admin.id).run()
})

const found = async (q: string, by = admin): Promise<AdminUser[]> => {
  const response = await by.request('GET', `/api/admin/users?q=${encodeURIComponent(q)}`)
  return userPage.parse(await response.json()).users
}
const patch = (id: string, body: unknown, by = admin) => by.request('PATCH', `/api/admin/users/${id}`, body)
const suspend = (id: string, by = admin, reason: unknown = 'spam') =>
  by.request('POST', `/api/admin/users/${id}/suspend`, { reason })

describe('finding people', () => {
  test('by id, by how the email begins, by how the name begins, whatever the case', async () => {
    const name = `Zoë ${crypto.randomUUID()}`
    const person = await personWith('user', { name })
    for (const q of [
      person.id,
      person.email.slice(0, 20).toUpperCase(),
      name.slice(0, 20),
      `zO${name.slice(2, 20)}`,
    ])
      expect((await found(q)).map(({ id }) => id)).toEqual([person.id])
    expect(await found(person.id.slice(0, -1))).toEqual([])
    expect((await found(person.id))[0]).toMatchObject({ email: person.email, role: 'user', suspended: null })
  })

  test.each(['%', '_', '%@example.test', '\\', "' OR 1=1 --", '*', 'x'.repeat(254)])(
    'takes %j for letters, not for a pattern',
    async (q) => expect(await found(q)).toEqual([]),
  )

  test('goes by pages, newest first, each person once', async () => {
    const tag = crypto.randomUUID()
    const people = await Promise.all(
      Array.from({ length: 7 }, (_, i) =>
        personWith('user', { name: `${tag} ${i}`, createdAt: 1_000 + Math.floor(i / 3) }),
      ),
    )
    const seen: string[] = []
    let next: string | null = ''
    do {
      const cursor: string = next ? `&cursor=${encodeURIComponent(next)}` : ''
      const page = userPage.parse(
        await (await admin.request('GET', `/api/admin/users?q=${tag}&limit=2${cursor}`)).json(),
      )
      seen.push(...page.users.map(({ name }) => name))
      next = page.next
    } while (next)
    expect(seen.toSorted()).toEqual(people.map((_, i) => `${tag} ${i}`))
    expect(seen[0]).toBe(`${tag} 6`)
  })

  test('leaves an entry in the trail, and is for moderators and admins', async () => {
    const moderator = await personWith('moderator')
    await found('x', moderator)
    expect(await trailOf({ actor: moderator.id })).toMatchObject([
      { action: 'admin_users_read', actorRole: 'moderator', details: { searched: true } },
    ])
    for (const nobody of [await personWith('user'), await Guest.arrive()])
      await problemFrom(await nobody.request('GET', '/api/admin/users'), 403, 'forbidden')
  })

  test.each(['cursor=nonsense', 'cursor=zz~', 'limit=0', 'limit=201', 'q=', 'role=admin'])(
    'refuses ?%s',
    async (query) => {
      await problemFrom(await admin.request('GET', `/api/admin/users?${query}`), 422, 'validation_failed')
    },
  )
})

describe('changing a role', () => {
  test('is in the trail with what it was, in the same transaction', async () => {
    const person = await personWith('user')
    const changed = adminUser.parse(await (await patch(person.id, { role: 'moderator', plan: 'pro' })).json())
    expect(changed).toMatchObject({ id: person.id, role: 'moderator', plan: 'pro' })
    expect(await trailOf({ resource: person.id })).toMatchObject([
      { action: 'plan_changed', actor: admin.id, details: { from: 'free', to: 'pro' } },
      { action: 'role_changed', actor: admin.id, details: { from: 'user', to: 'moderator' } },
    ])
  })

  test('takes a demoted admin’s power at once: the token that still says so is refused', async () => {
    const other = await personWith('admin')
    expect((await other.request('GET', '/api/admin/audit')).status).toBe(200)
    expect((await patch(other.id, { role: 'user' })).status).toBe(200)
    for (const path of ['/api/admin/audit', '/api/admin/users'])
      await problemFrom(await other.request('GET', path), 401, 'unauthorized')
    await problemFrom(await patch(admin.id, { role: 'user' }, other), 401, 'unauthorized')
  })

  test('is not for oneself, not for guests, and not for moderators', async () => {
    await problemFrom(await patch(admin.id, { role: 'user' }), 403, 'forbidden')
    const guest = await Guest.arrive()
    await problemFrom(await patch(guest.userId, { role: 'admin' }), 409, 'conflict')
    const moderator = await personWith('moderator')
    await problemFrom(await patch(moderator.id, { role: 'admin' }, moderator), 403, 'forbidden')
  })

  test('leaves one admin, however many demote each other at once', async () => {
    const admins = [admin, ...(await Promise.all([1, 2, 3, 4].map(() => personWith('admin'))))]
    await Promise.all(
      admins.map((each, i) => patch(admins[(i + 1) % admins.length]?.id ?? '', { role: 'user' }, each)),
    )
    const left = await env.DB.prepare("SELECT count(*) AS n FROM users WHERE role = 'admin'").first<{
      n: number
    }>()
    expect(left?.n).toBeGreaterThanOrEqual(1)
  })

  test('leaves the last admin who is not suspended, by role and by suspension', async () => {
    const second = await personWith('admin')
    expect((await suspend(second.id)).status).toBe(200)
    // The suspended one counts for nothing.
    const stranger = { id: admin.id, ...(await signedIn(`oidc:${'0'.repeat(32)}`, 'admin')), email: '' }
    await problemFrom(await patch(admin.id, { role: 'user' }, stranger), 409, 'last_admin')
    await problemFrom(await suspend(admin.id, stranger), 409, 'last_admin')
    expect((await trailOf({ resource: admin.id })).map(({ action }) => action)).toEqual([])
  })

  test('leaves the role of a person of the identity provider to the provider', async () => {
    const id = `oidc:${crypto.randomUUID().replaceAll('-', '')}`
    await env.DB.prepare(
      "INSERT INTO users (id, name, role, plan, created_at) VALUES (?, 'External', 'user', 'free', 0)",
    )
      .bind(id)
      .run()
    await problemFrom(await patch(id, { role: 'admin' }), 409, 'conflict')
    expect((await patch(id, { plan: 'pro' })).status).toBe(200)
    expect((await found(id))[0]).toMatchObject({ role: 'user', plan: 'pro' })
  })

  test.each([
    [{}],
    [{ role: 'guest' }],
    [{ role: 'service' }],
    [{ role: 'owner' }],
    [{ plan: 'free\r\nx' }],
    [{ plan: 'no-such-plan' }],
    [{ id: 'user:x', role: 'user' }],
    ['{"__proto__": {"role": "admin"}}'],
    ['{"constructor": {"prototype": {"role": "admin"}}, "role": "admin"}'],
  ])('refuses %j', async (body) => {
    const person = await personWith('user')
    await problemFrom(await patch(person.id, body), 422, 'validation_failed')
    expect((await found(person.id))[0]?.role).toBe('user')
    expect(({} as Record<string, unknown>)['role']).toBeUndefined()
  })

  test.each(['user:nobody', 'x', 'guest:nobody', '__proto__', 'user:%0d%0ax'])('knows no %s', async (id) => {
    await problemFrom(await patch(id, { role: 'user' }), 404, 'not_found')
    await problemFrom(await suspend(id), 404, 'not_found')
  })
})

describe('a suspension', () => {
  test('refuses the person’s tokens with the next request, until it ends', async () => {
    const person = await personWith('user')
    expect((await person.request('GET', '/api/conversations')).status).toBe(200)
    const changed = adminUser.parse(await (await suspend(person.id)).json())
    expect(changed.suspended).toMatchObject({ reason: 'spam' })
    await problemFrom(await person.request('GET', '/api/conversations'), 403, 'suspended')
    const back = await admin.request('POST', `/api/admin/users/${person.id}/unsuspend`)
    expect(adminUser.parse(await back.json()).suspended).toBeNull()
    expect((await person.request('GET', '/api/conversations')).status).toBe(200)
    expect((await trailOf({ resource: person.id })).map(({ action, details }) => [action, details])).toEqual([
      ['user_unsuspended', null],
      ['user_suspended', null],
    ])
  })

  test('cuts the person’s sockets', async () => {
    const guest = await Guest.arrive()
    const id = await guest.createConversation()
    const socket = await guest.join(id)
    expect((await suspend(guest.userId)).status).toBe(200)
    expect(await socket.closed).toBe(4403)
    await problemFrom(await guest.request('GET', `/api/conversations/${id}`), 403, 'suspended')
  })

  test('is repeated without an entry of its own, and does its work again', async () => {
    const person = await personWith('user')
    await suspend(person.id)
    await suspend(person.id, admin, 'another reason')
    expect((await found(person.id))[0]?.suspended?.reason).toBe('spam')
    expect(await trailOf({ resource: person.id })).toHaveLength(1)
  })

  test('by a moderator is for users and guests, not for those in charge, and for nobody by themselves', async () => {
    const [moderator, user] = [await personWith('moderator'), await personWith('user')]
    expect((await suspend(user.id, moderator)).status).toBe(200)
    for (const over of [admin, await personWith('moderator')])
      await problemFrom(await suspend(over.id, moderator), 403, 'forbidden')
    await problemFrom(await suspend(moderator.id, moderator), 403, 'forbidden')
    await problemFrom(await suspend(admin.id), 403, 'forbidden')
  })

  test.each([undefined, '', '  ', 'a\r\nSet-Cookie: x', 'x'.repeat(501), 5, '\ud800'])(
    'needs a reason: not %j',
    async (reason) => {
      const person = await personWith('user')
      const body = JSON.stringify({ reason })
      const response = await admin.request('POST', `/api/admin/users/${person.id}/suspend`, body)
      await problemFrom(response, 422, 'validation_failed')
    },
  )
})
