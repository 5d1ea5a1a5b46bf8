/**
 * What each route asks of who calls it: `permit('conversation:create')` before the handler, or `permit('public')`. It
 * verifies who is asking and looks into the table of permissions; a test walks all routes and fails for one without it.
 *
 * What depends on membership is only looked at as far as a role forbids it: the rest is answered by the conversation.
 */
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from '../env.ts'
import { AppError } from '../errors.ts'
import { can, MEMBER_ROLES, type Action } from '../protocol/permissions.ts'
import { authenticate } from './authenticate.ts'
import { admit, routeClassOf } from './limit.ts'

const declared = new WeakMap<object, Action | 'public'>()

/** @throws AppError `unauthorized` without a valid token, `forbidden` when the role does not allow it */
export function permit(action: Action | 'public'): MiddlewareHandler<AppEnv> {
  const handler = action === 'public' ? pass : allow(action)
  declared.set(handler, action)
  return handler
}

/** What a handler that came from {@link permit} asks for. */
export function actionOf(handler: object): Action | 'public' | undefined {
  return declared.get(handler)
}

const pass: MiddlewareHandler<AppEnv> = (_c, next) => next()

function allow(action: Action): MiddlewareHandler<AppEnv> {
  const verify = authenticate()
  return (c, next) =>
    verify(c, async () => {
      c.set('principal', await admit(c, c.var.principal, routeClassOf(action, c.req.method)))
      // As if any member asked: who is one, and as what, is for the conversation to say.
      if (!MEMBER_ROLES.some((member) => can(c.var.principal, action, { member })))
        throw new AppError('forbidden', 'Your role, or the scope of your key, does not allow this.')
      await next()
    })
}
