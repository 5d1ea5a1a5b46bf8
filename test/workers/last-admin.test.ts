/**
 * The last admin: whatever they or others try, one who can sign in stays. Who that is, with accounts here, people of the
 * provider, suspensions, and erasures that are under way.
 */
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import { problemFrom } from './http-checks.ts'
import { personWith, signedIn, trailOf, type Person } from './people.ts'

let admin: Person
beforeEach(async () => {
  admin = await personWith('admin')
  // Each test has its own admins.
  await env.DB.prepare("UPDATE users SET role = 'user' WHERE role = 'admin' AND id <> ?").bind(admin.id).run()
})

const erase = (person: Pick<Person, 'request'>) => person.request('DELETE', '/api/me', {})
const suspend = (by: Pick<Person, 'request'>, { id }: { id: string }) =>
  by.request('POST', `/api/admin/users/${id}/suspend`, { reason: 'x' })

async function externalAdmin() {
  const id = `oidc:${crypto.randomUUID().replaceAll('-', '')}`
  await env.DB.prepare(
    "INSERT INTO users (id, name, role, plan, created_at) VALUES (?, 'External', 'admin', 'free', 0)",
  )
    .bind(id)
    .run()
  return { id, ...(await signedIn(id, 'admin')) }
}

const isAdmin = async ({ id }: { id: string }): Promise<boolean> =>
  (await env.DB.prepare("SELECT 1 FROM users WHERE id = ? AND role = 'admin'").bind(id).first()) !== null

describe('the last admin', () => {
  test('G2 P2 cannot erase themselves, and nothing of them goes', async () => {
    const problem = await problemFrom(await erase(admin), 409, 'last_admin')
    expect(problem.retryable).toBe(false)
    expect(await isAdmin(admin)).toBe(true)
    expect((await admin.request('GET', '/api/admin/users')).status).toBe(200)
    const done = (await trailOf({ actor: admin.id })).map(({ action }) => action)
    expect(done).toEqual(['admin_users_read'])
  })

  test('G2 is not helped by an admin who is suspended', async () => {
    expect((await suspend(admin, await personWith('admin'))).status).toBe(200)
    await problemFrom(await erase(admin), 409, 'last_admin')
  })

  test('G2 is not helped by one of the provider, who may be none tomorrow', async () => {
    const external = await externalAdmin()
    await problemFrom(await erase(admin), 409, 'last_admin')
    await problemFrom(await suspend(external, admin), 409, 'last_admin')
    const demotion = await external.request('PATCH', `/api/admin/users/${admin.id}`, { role: 'user' })
    await problemFrom(demotion, 409, 'last_admin')
  })

  test('G2 stays, however many erase themselves at once, and whatever of them is still there', async () => {
    const admins = [admin, ...(await Promise.all([1, 2, 3].map(() => personWith('admin'))))]
    const statuses = (await Promise.all(admins.map(erase))).map(({ status }) => status)
    expect(statuses.toSorted((a, b) => a - b)).toEqual([202, 202, 202, 409])
    expect(await Promise.all(admins.map(isAdmin))).toEqual(statuses.map((status) => status === 409))
  })

  test('G2 of the provider stays when nobody with an account is one: of two, one may suspend the other', async () => {
    const [one, two] = [await externalAdmin(), await externalAdmin()]
    await env.DB.prepare("UPDATE users SET role = 'user' WHERE id = ?").bind(admin.id).run()
    const statuses = (await Promise.all([suspend(one, two), suspend(two, one)])).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
  })
})

test('P2 an admin who is not the last is erased as anybody, and is none from the request on', async () => {
  const other = await personWith('admin')
  expect((await erase(other)).status).toBe(202)
  expect(await isAdmin(other)).toBe(false)
  const done = (await trailOf({ action: 'role_changed', resource: other.id })).map(({ details }) => details)
  expect(done).toEqual([{ from: 'admin', to: 'user' }])
})

test('P2 an admin by the provider’s word is erased, the last one too: it can make them one again', async () => {
  const external = await externalAdmin()
  await env.DB.prepare("UPDATE users SET role = 'user' WHERE id = ?").bind(admin.id).run()
  expect((await erase(external)).status).toBe(202)
})
