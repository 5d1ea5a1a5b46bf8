/**
 * Checks what a request says against its shape, and names the field at fault. A body must say that it is JSON: a form
 * posted by a foreign page does not get as far as a handler.
 */
import { zValidator } from '@hono/zod-validator'
import type { MiddlewareHandler, ValidationTargets } from 'hono'
import type * as z from 'zod'
import type { AppEnv } from '../env.ts'
import { AppError } from '../errors.ts'
import { fieldError } from '../protocol/field-error.ts'

/** @throws AppError `validation_failed` */
export function validate<T extends z.ZodType, Target extends keyof ValidationTargets>(
  target: Target,
  shape: T,
) {
  return zValidator(target, shape, (result) => {
    if (!result.success) throw fieldError(result.error)
  })
}

/**
 * Before `validate('json', …)`: a body that is there must be JSON by its type.
 *
 * @throws AppError `unsupported_media_type`
 */
export function jsonOnly(): MiddlewareHandler<AppEnv> {
  return async function jsonOnly(c, next) {
    const type = c.req.header('content-type')
    const isJson = type !== undefined && /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)
    const hasBody = c.req.raw.body !== null
    if (hasBody && !isJson)
      throw new AppError('unsupported_media_type', 'Send the body as "application/json".')
    await next()
  }
}
