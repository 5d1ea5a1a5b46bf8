/**
 * Signed tokens: the access token of a principal, and the ticket that opens one socket. Both are JWTs under HS256 by
 * Hono's own implementation; the algorithm is fixed here and never read from the token.
 *
 * That a ticket serves once is kept in `ticket-object.ts`; here it is only made and verified.
 */
import { sign, verify } from 'hono/jwt'
import * as z from 'zod'
import { AppError } from '../errors.ts'
import { TICKET_TTL_S } from '../protocol/limits.ts'
import type { Principal } from '../protocol/principal.ts'

const ISSUER = 'parley'
const ALGORITHM = 'HS256'
/** A guest has no other way back to their conversations, so the token lives long and is renewed by use. */
export const GUEST_TTL_S = 30 * 24 * 3600

const claims = z.object({
  sub: z.string().min(1).max(128),
  name: z.string().max(64),
  role: z.enum(['guest', 'user', 'moderator', 'admin', 'service']),
  kind: z.enum(['user', 'guest', 'service']),
  jti: z.string().min(1).max(64),
  exp: z.number(),
})

export interface Ticket {
  readonly principal: Principal
  /** Its own id, and when it expires in seconds since the epoch. */
  readonly id: string
  readonly expiresAt: number
}

export class Tokens {
  readonly #secret: () => Promise<string>
  readonly #now: () => number

  /** @param secret read once per use, so that a generated one can be fetched lazily */
  constructor(secret: () => Promise<string>, now: () => number = () => Date.now()) {
    this.#secret = secret
    this.#now = now
  }

  async issueAccess(principal: Principal): Promise<{ token: string; expiresIn: number }> {
    return { token: await this.#sign(principal, 'access', GUEST_TTL_S), expiresIn: GUEST_TTL_S }
  }

  async issueTicket(principal: Principal): Promise<{ token: string; expiresIn: number }> {
    return { token: await this.#sign(principal, 'ticket', TICKET_TTL_S), expiresIn: TICKET_TTL_S }
  }

  /** @throws AppError `unauthorized` */
  async verifyAccess(token: string): Promise<Principal> {
    return (await this.#verify(token, 'access')).principal
  }

  /** @throws AppError `unauthorized` */
  async verifyTicket(token: string): Promise<Ticket> {
    return await this.#verify(token, 'ticket')
  }

  async #sign(principal: Principal, audience: 'access' | 'ticket', ttl: number): Promise<string> {
    const iat = Math.floor(this.#now() / 1000)
    const { userId: sub, name, role, kind } = principal
    const payload = {
      iss: ISSUER,
      aud: audience,
      sub,
      name,
      role,
      kind,
      jti: crypto.randomUUID(),
      iat,
      exp: iat + ttl,
    }
    return await sign(payload, await this.#secret(), ALGORITHM)
  }

  async #verify(token: string, audience: 'access' | 'ticket'): Promise<Ticket> {
    const secret = await this.#secret()
    let payload: unknown
    try {
      payload = await verify(token, secret, { alg: ALGORITHM, iss: ISSUER, aud: audience })
    } catch (cause) {
      throw new AppError('unauthorized', `The ${audience} token is invalid or has expired.`, { cause })
    }
    const parsed = claims.safeParse(payload)
    if (!parsed.success) throw new AppError('unauthorized', `The ${audience} token is not one of ours.`)
    const { sub: userId, name, role, kind, jti, exp } = parsed.data
    return { principal: { userId, name, role, kind }, id: jti, expiresAt: exp }
  }
}
