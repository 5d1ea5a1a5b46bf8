/**
 * Who is asking: verifies the bearer token and puts the principal into the context. Nothing else of a request says who
 * its sender is.
 */
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from '../env.ts'
import { AppError } from '../errors.ts'
import type { Principal } from '../protocol/principal.ts'

export function bearerToken(header: string | undefined): string | null {
  return /^Bearer +([\w-]+\.[\w-]+\.[\w-]*)$/i.exec(header ?? '')?.[1] ?? null
}

/**
 * Every file of routes asks for it by itself, so that none depends on another to be guarded; a request that passes
 * several is verified once.
 *
 * @throws AppError `unauthorized` without a valid access token
 */
export function authenticate(): MiddlewareHandler<AppEnv> {
  return async function authenticate(c, next) {
    if (c.get('principal') as Principal | undefined) return await next()
    const token = bearerToken(c.req.header('authorization'))
    if (!token) throw new AppError('unauthorized', 'Send an access token: "Authorization: Bearer …".')
    c.set('principal', await c.var.services.tokens.verifyAccess(token))
    await next()
  }
}
