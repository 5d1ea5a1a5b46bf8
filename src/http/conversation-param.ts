/**
 * Checks ids in paths, before any object is woken for them. One that cannot be an id names nothing, and is answered
 * like any other unknown one (rule E3).
 */
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from '../env.ts'
import { AppError } from '../errors.ts'
import * as ids from '../protocol/ids.ts'

export function conversationParam(): MiddlewareHandler<AppEnv, '/:id'> {
  return async function conversationParam(c, next) {
    if (!ids.conversationId.safeParse(c.req.param('id')).success) {
      throw new AppError('not_found', 'There is no such conversation.')
    }
    await next()
  }
}

export function messageParam(): MiddlewareHandler<AppEnv, '/:messageId'> {
  return async function messageParam(c, next) {
    if (!ids.messageId.safeParse(c.req.param('messageId')).success) {
      throw new AppError('not_found', 'There is no such message.')
    }
    await next()
  }
}
