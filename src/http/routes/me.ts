/**
 * `/api/me`: who one is here, one's name, and the devices that are signed in.
 * Exporting and erasing what is one's own are routes of their own.
 */
import { Hono } from 'hono'
import * as z from 'zod'
import type { AppEnv } from '../../env.ts'
import { AppError } from '../../errors.ts'
import * as shapes from '../../protocol/accounts.ts'
import type { Principal } from '../../protocol/principal.ts'
import type { Identity } from '../../identity.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

const sessionParam = z.object({ id: z.string().max(64) })

export const meRoutes = new Hono<AppEnv>()
  .get('/', permit('account:read'), async (c) => {
    const { services, principal } = c.var
    return c.json(answerOf(principal, await services.identity.account(principal.userId)))
  })
  /** Tokens that are out keep the old name until they are refreshed. */
  .patch('/', permit('account:update'), jsonOnly(), validate('json', shapes.updateMeBody), async (c) => {
    const { services, principal } = c.var
    const account = await services.identity.account(principal.userId)
    if (account?.emailKey == null) {
      throw new AppError('forbidden', 'Your name is kept by your identity provider.')
    }
    const { name } = c.req.valid('json')
    return c.json(answerOf(principal, await services.identity.rename(principal.userId, name)))
  })
  .get('/sessions', permit('account:sessions'), async (c) => {
    const { services, principal } = c.var
    const sessions = await services.identity.sessions.list(principal.userId)
    const answer: shapes.SessionsAnswer = {
      sessions: sessions.map(({ id, createdAt, lastUsedAt, agent, address }) => ({
        id,
        current: id === principal.sessionId,
        createdAt: new Date(createdAt).toISOString(),
        lastUsedAt: new Date(lastUsedAt).toISOString(),
        agent,
        address,
      })),
    }
    return c.json(answer)
  })
  .delete('/sessions/:id', permit('account:sessions'), validate('param', sessionParam), async (c) => {
    const { services, principal } = c.var
    const { id } = c.req.valid('param')
    const ended = await services.identity.sessions.end(principal.userId, [id])
    if (ended.length === 0) throw new AppError('not_found', 'There is no such session.')
    await services.cutSockets(principal.userId, 'auth_required')
    await c.var.audit('session_ended', principal.userId, { session: id })
    return c.body(null, 204)
  })

/** What is stored counts before what a token said when it was made; a guest and a machine have nothing stored. */
function answerOf(principal: Principal, account: Awaited<ReturnType<Identity['account']>>): shapes.MeAnswer {
  const { userId: id, name, role, kind, plan = kind === 'guest' ? 'guest' : 'free' } = principal
  // Of somebody of the external provider, name and role are what their token says.
  const stored = account?.emailKey == null ? { name, role } : { name: account.name, role: account.role }
  return {
    user: {
      id,
      ...stored,
      email: account?.email ?? null,
      plan,
      createdAt: account ? new Date(account.createdAt).toISOString() : null,
    },
    kind,
  }
}
