/**
 * `/api/keys`: the keys that one's machines come with.
 * A key is in the answer that makes it, and nowhere else; what it may do is in `protocol/permissions`.
 */
import { Hono } from 'hono'
import * as z from 'zod'
import { machineOf, makeKey } from '../../auth/api-keys.ts'
import type { AppEnv } from '../../env.ts'
import { AppError } from '../../errors.ts'
import * as shapes from '../../protocol/accounts.ts'
import type { Scope } from '../../protocol/permissions.ts'
import { byOf } from '../caller.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

/** Of one person: each is a principal with quotas of its own. */
const MAX_KEYS = 10
const DAY_MS = 24 * 3600 * 1000

const keyParam = z.object({ id: z.string().max(64) })

export const keyRoutes = new Hono<AppEnv>()
  .get('/', permit('keys:manage'), async (c) => {
    const keys = await c.var.services.identity.keys.list(c.var.principal.userId)
    const answer: shapes.KeysAnswer = { keys: keys.map(shown) }
    return c.json(answer)
  })
  .post('/', permit('keys:manage'), jsonOnly(), validate('json', shapes.createKeyBody), async (c) => {
    const { services, principal } = c.var
    const { name, scopes, expiresInDays } = c.req.valid('json')
    const { id, text, hash } = await makeKey()
    const createdAt = Date.now()
    const key = {
      id,
      ownerId: principal.userId,
      name,
      hash,
      scopes: scopes.join(' '),
      createdAt,
      expiresAt: expiresInDays === undefined ? null : createdAt + expiresInDays * DAY_MS,
    }
    const entry = {
      action: 'key_created',
      resource: `key:${id}`,
      details: { scopes: key.scopes },
      ...byOf(c),
    } as const
    if (!(await services.identity.keys.create(key, MAX_KEYS, entry))) {
      throw new AppError('conflict', `You have ${MAX_KEYS} keys: revoke one first.`)
    }
    const answer: shapes.CreatedKeyAnswer = { ...shown(key), key: text }
    return c.json(answer, 201)
  })
  /** At once: a copy of the key that is kept somewhere has its limiter object against it. */
  .delete('/:id', permit('keys:manage'), validate('param', keyParam), async (c) => {
    const { services, principal } = c.var
    const { id } = c.req.valid('param')
    if (!(await services.identity.keys.remove(principal.userId, id))) {
      throw new AppError('not_found', 'There is no such key.')
    }
    const machine = machineOf(id)
    // What a key proves has no time of its own: it is void for good.
    await services.standing(machine).endSessions({ before: Math.floor(Date.now() / 1000) })
    await services.cutSockets(machine, 'unauthorized')
    await c.var.audit('key_revoked', `key:${id}`)
    return c.body(null, 204)
  })

function shown(key: {
  readonly id: string
  readonly name: string
  readonly scopes: string
  readonly createdAt: number
  readonly expiresAt: number | null
}): shapes.ServiceKey {
  return {
    id: key.id,
    name: key.name,
    scopes: key.scopes.split(' ') as Scope[],
    createdAt: new Date(key.createdAt).toISOString(),
    expiresAt: key.expiresAt === null ? null : new Date(key.expiresAt).toISOString(),
  }
}
