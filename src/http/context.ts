/**
 * What every request gets: a logger that carries its id, the services, and one log line at its end. `ready` is for those
 * that need the installation to be there, which is all but health.
 *
 * The line names the path without its query, because tickets travel there.
 */
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from '../env.ts'
import type { Principal } from '../protocol/principal.ts'
import { createServices } from '../services.ts'
import { callerOf } from './caller.ts'

export function context(): MiddlewareHandler<AppEnv> {
  return async function context(c, next) {
    const services = createServices(c.env)
    c.set('services', services)
    const logger = services.logger.with({ requestId: c.var.requestId })
    c.set('logger', logger)
    c.set('audit', (action, resource, details, actor) => {
      // Public routes may have verified nobody.
      const known = c.var.principal as Principal | undefined
      const by = actor === undefined ? (known ?? null) : actor
      const { requestId } = c.var
      return services.audit.record({ action, actor: by, resource, details, requestId, ...callerOf(c) })
    })
    const started = Date.now()
    await next()
    logger.info('request', {
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: Date.now() - started,
      ...(c.var.principal && { userId: c.var.principal.userId }),
    })
  }
}

/** @throws AppError `unavailable` while the database does not answer */
export function ready(): MiddlewareHandler<AppEnv> {
  return async function ready(c, next) {
    await c.var.services.ready()
    await next()
  }
}
