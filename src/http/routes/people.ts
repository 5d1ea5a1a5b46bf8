/**
 * `/api/admin/users`: finding people, changing what they are, suspending them. Moderators suspend users and guests; only
 * admins touch those who are in charge, and nobody changes themselves.
 *
 * D1 comes first, with its entry of the audit trail; what follows for tokens and sockets is done again by a repeat.
 */
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import * as z from 'zod'
import { machineOf } from '../../auth/api-keys.ts'
import type { AppEnv } from '../../env.ts'
import { AppError } from '../../errors.ts'
import {
  adminUserParam,
  changeUserBody,
  listUsersQuery,
  suspendBody,
  type AdminUser,
  type UserPage,
} from '../../protocol/admin.ts'
import { decodeCursor, encodeCursor } from '../page-cursor.ts'
import { permit } from '../permit.ts'
import { changePerson } from '../person-change.ts'
import { jsonOnly, validate } from '../validate.ts'

const GUEST = /^guest:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const STAFF: readonly AdminUser['role'][] = ['moderator', 'admin']

export const peopleRoutes = new Hono<AppEnv>()
  .get('/', permit('admin:users:read'), validate('query', listUsersQuery), async (c) => {
    const { q, limit, cursor } = c.req.valid('query')
    const after = decodeCursor(cursor, z.string().min(1))
    await c.var.audit('admin_users_read', null, { searched: q !== undefined })
    const { users, end } = await c.var.services.people.list(q, limit, after)
    const answer: UserPage = { users, next: end && encodeCursor(end) }
    return c.json(answer)
  })
  .patch(
    '/:id',
    permit('admin:users:update'),
    personParam(),
    jsonOnly(),
    validate('json', changeUserBody),
    async (c) => {
      const { role, plan } = c.req.valid('json')
      const person = await personOf(c, c.req.param('id'))
      if (role !== undefined && person.id === c.var.principal.userId)
        throw new AppError('forbidden', 'Nobody changes their own role.', { field: 'role' })
      if (role !== undefined && person.email === null && GUEST.test(person.id))
        throw new AppError('conflict', 'A guest has no account that could have a role.', { field: 'role' })
      if (role !== undefined && person.id.startsWith('oidc:'))
        throw new AppError('conflict', 'The role of this person is told by the identity provider.', {
          field: 'role',
        })
      if (plan !== undefined && !c.var.services.plans.includes(plan))
        throw new AppError('validation_failed', 'The field "plan" names no plan.', { field: 'plan' })
      const changed = await changePerson(c, person, { role, plan })
      const standing = c.var.services.standing(person.id)
      if (plan !== undefined) {
        // A socket knows the plan that it was opened with, a machine that of its owner.
        for (const id of await selvesOf(c, person.id)) {
          await c.var.services.standing(id).setPlan(plan)
          await c.var.services.cutSockets(id, 'auth_required')
        }
      }
      // The role stands in the access token: those that are out end now, and refreshing gives one that tells the truth.
      if (role !== undefined) await standing.endSessions({ before: nextSecond() })
      return c.json(changed)
    },
  )
  .post(
    '/:id/suspend',
    permit('admin:users:suspend'),
    personParam(),
    jsonOnly(),
    validate('json', suspendBody),
    async (c) => {
      const { reason } = c.req.valid('json')
      const person = await personOf(c, c.req.param('id'))
      refuseOver(c, person)
      const changed = await changePerson(c, person, { suspended: { reason } })
      for (const id of await selvesOf(c, person.id)) {
        await c.var.services.standing(id).suspend(reason)
        await c.var.services.cutSockets(id, 'suspended')
      }
      return c.json(changed)
    },
  )
  .post('/:id/unsuspend', permit('admin:users:suspend'), personParam(), async (c) => {
    const person = await personOf(c, c.req.param('id'))
    refuseOver(c, person)
    const changed = await changePerson(c, person, { suspended: null })
    for (const id of await selvesOf(c, person.id)) await c.var.services.standing(id).reinstate()
    return c.json(changed)
  })

/** One that cannot be an id names nobody. */
function personParam(): MiddlewareHandler<AppEnv, '/:id'> {
  return async function personParam(c, next) {
    if (!adminUserParam.safeParse({ id: c.req.param('id') }).success) throw noSuchPerson()
    await next()
  }
}

/** @throws AppError `not_found` */
async function personOf(c: Context<AppEnv>, id: string): Promise<AdminUser> {
  const { people } = c.var.services
  if (GUEST.test(id)) await people.knowGuest(id, `Guest ${id.slice(6, 10).toUpperCase()}`)
  const person = await people.find(id)
  if (!person) throw noSuchPerson()
  return person
}

/** The person, and the machines that act for them: what is decided of one holds for all. */
async function selvesOf(c: Context<AppEnv>, id: string): Promise<string[]> {
  const keys = await c.var.services.identity.keys.list(id)
  return [id, ...keys.map((key) => machineOf(key.id))]
}

/** @throws AppError `forbidden` */
function refuseOver(c: Context<AppEnv>, person: AdminUser): void {
  const { userId, role } = c.var.principal
  if (person.id === userId) throw new AppError('forbidden', 'Nobody suspends themselves.')
  if (role !== 'admin' && STAFF.includes(person.role))
    throw new AppError('forbidden', 'Only an admin may do this to a moderator or an admin.')
}

/** Tokens tell the second in which they were made: those of this one are void too. */
function nextSecond(): number {
  return Math.floor(Date.now() / 1000) + 1
}

function noSuchPerson(): AppError {
  return new AppError('not_found', 'There is no such person.')
}
