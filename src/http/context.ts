/**
 * What every request gets: its id, a logger that carries it, the services, and one log line at its end.
 *
 * The line names the path without its query, because tickets travel there.
 */
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from '../env.ts'
import { createServices } from '../services.ts'

export function context(): MiddlewareHandler<AppEnv> {
  return async function context(c, next) {
    const services = createServices(c.env)
    c.set('services', services)
    const logger = services.logger.with({ requestId: c.var.requestId })
    c.set('logger', logger)
    const started = Date.now()
    await services.ready()
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
