/**
 * Who is asking: verifies what `Authorization: Bearer …` brings (a token of ours, one of the external provider, a service
 * key) and puts the principal into the context. Nothing else of a request says who its sender is; no cookie is ever read,
 * so a foreign page cannot ask in somebody's name.
 */
import type { Context, MiddlewareHandler } from 'hono'
import type { AppEnv } from '../env.ts'
import { AppError } from '../errors.ts'
import { MAX_TOKEN_CHARS } from '../protocol/limits.ts'
import type { Principal } from '../protocol/principal.ts'

/** A JWT or a service key. */
const BEARER = /^Bearer +([\w-]+\.[\w-]+\.[\w-]*|pk_[\w-]+)$/i

export function bearerToken(header: string | undefined): string | null {
  const token = BEARER.exec(header ?? '')?.[1] ?? null
  return token === null || token.length > MAX_TOKEN_CHARS ? null : token
}

/** @throws AppError `unauthorized` without a valid access token or service key, and what its verifier throws */
export async function verifiedPrincipal(c: Context<AppEnv>): Promise<Principal> {
  const token = bearerToken(c.req.header('authorization'))
  if (!token) throw new AppError('unauthorized', 'Send an access token: "Authorization: Bearer …".')
  return await c.var.services.identity.verify(token)
}

/** For `permit`, which every route asks for, and for routes that need nobody but listen to who they are told. */
export function authenticate(): MiddlewareHandler<AppEnv> {
  return async function authenticate(c, next) {
    c.set('principal', await verifiedPrincipal(c))
    await next()
  }
}
