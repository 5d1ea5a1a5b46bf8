/**
 * Signed tokens of our own: the access token of a principal, and the ticket that opens one socket. JWTs under HS256 by
 * `jose`; algorithm, issuer, audience and type are fixed here and never taken from the token. A key is looked up by `kid` in
 * an exact map, so two secrets can be in force at once while one replaces the other.
 *
 * That a ticket serves once is kept in `ticket-object.ts`; tokens of others are for `external-tokens.ts`.
 */
import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import * as z from 'zod'
import { AppError } from '../errors.ts'
import { TICKET_TTL_S } from '../protocol/limits.ts'
import { principal as principalShape, type Principal } from '../protocol/principal.ts'

export const ISSUER = 'parley'
const ALGORITHM = 'HS256'
/** A guest has no other way back to their conversations, so the token lives long and is renewed by use. */
export const GUEST_TTL_S = 30 * 24 * 3600
/** Of an account: short, because it is verified without asking anyone; the refresh token brings the next one. */
export const ACCESS_TTL_S = 15 * 60
/**
 * How far clocks of our own machines may differ: a token may come this much before its time. Never after it: whoever
 * remembers used tickets forgets them when they end.
 */
export const CLOCK_LEEWAY_S = 5
/** As tells keys apart, of a digest nobody can turn back. */
const KID_CHARS = 12

type Audience = 'access' | 'ticket'
/** RFC 8725 3.11: each kind says what it is, besides whom it is for. */
const TYPES = { access: 'at+jwt', ticket: 'ticket+jwt' } as const
/** Tokens from before there were several keys name none, and are plain JWTs. */
const TYPE_WITHOUT_KID = 'JWT'
const MAX_AGE_S = { access: GUEST_TTL_S, ticket: TICKET_TTL_S } as const

const claims = z.object({
  sub: principalShape.shape.userId,
  name: principalShape.shape.name,
  role: principalShape.shape.role,
  kind: principalShape.shape.kind,
  plan: principalShape.shape.plan,
  sid: principalShape.shape.sessionId,
  scopes: principalShape.shape.scopes,
  own: principalShape.shape.ownerId,
  jti: z.string().min(1).max(64),
  iat: z.int(),
  exp: z.int(),
  /** In a ticket: the times of what it was given for; a service key says only when it ends, if it does. */
  proof: z.object({ iat: z.int().optional(), exp: z.int().optional() }).optional(),
})

export interface Ticket {
  readonly principal: Principal
  /** Its own id, and when it expires in seconds since the epoch. */
  readonly id: string
  readonly expiresAt: number
}

interface Keys {
  readonly signing: { readonly kid: string; readonly key: CryptoKey }
  readonly byKid: ReadonlyMap<string, CryptoKey>
}

export class Tokens {
  readonly #secrets: () => Promise<readonly string[]>
  readonly #now: () => number
  #keys: { readonly of: string; readonly keys: Keys } | null = null

  /** @param secrets the first signs, all verify; asked for at each use, so that a generated one can be fetched lazily */
  constructor(secrets: () => Promise<readonly string[]>, now: () => number = () => Date.now()) {
    this.#secrets = secrets
    this.#now = now
  }

  /** A guest's lives for 30 days, an account's for 15 minutes. */
  async issueAccess(principal: Principal): Promise<{ token: string; expiresIn: number }> {
    const expiresIn = principal.kind === 'guest' ? GUEST_TTL_S : ACCESS_TTL_S
    return { token: await this.#sign(principal, 'access', expiresIn), expiresIn }
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

  async #sign(principal: Principal, audience: Audience, ttl: number): Promise<string> {
    const { signing } = await this.#current()
    const iat = Math.floor(this.#now() / 1000)
    const { userId: sub, name, role, kind, plan, sessionId: sid, scopes, issuedAt, expiresAt } = principal
    const proof = { iat: issuedAt, exp: expiresAt }
    return await new SignJWT({
      iss: ISSUER,
      aud: audience,
      sub,
      name,
      role,
      kind,
      jti: crypto.randomUUID(),
      iat,
      exp: iat + ttl,
      ...(plan !== undefined && { plan }),
      ...(sid !== undefined && { sid }),
      ...(scopes !== undefined && { scopes }),
      ...(principal.ownerId !== undefined && { own: principal.ownerId }),
      // JSON leaves out what is undefined.
      ...(audience === 'ticket' && { proof }),
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPES[audience], kid: signing.kid })
      .sign(signing.key)
  }

  async #verify(token: string, audience: Audience): Promise<Ticket> {
    const keys = await this.#current()
    const refuse = (cause?: unknown): AppError =>
      new AppError('unauthorized', `The ${audience} token is invalid or has expired.`, { cause })
    let payload: unknown
    try {
      const { kid } = decodeProtectedHeader(token)
      const key = kid === undefined ? keys.signing.key : keys.byKid.get(kid)
      if (!key) throw new Error('unknown kid')
      const verified = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        audience,
        typ: kid === undefined ? TYPE_WITHOUT_KID : TYPES[audience],
        requiredClaims: ['exp', 'iat', 'sub', 'jti'],
        maxTokenAge: MAX_AGE_S[audience],
        clockTolerance: CLOCK_LEEWAY_S,
        currentDate: new Date(this.#now()),
      })
      payload = verified.payload
    } catch (cause) {
      throw refuse(cause)
    }
    const parsed = claims.safeParse(payload)
    if (!parsed.success) throw new AppError('unauthorized', `The ${audience} token is not one of ours.`)
    const { sub: userId, name, role, kind, plan, sid, scopes, own, jti, iat, exp, proof } = parsed.data
    if (exp * 1000 <= this.#now()) throw refuse()
    const proven = audience === 'ticket' ? proof : { iat, exp }
    return {
      principal: {
        userId,
        name,
        role,
        kind,
        ...(plan !== undefined && { plan }),
        ...(sid !== undefined && { sessionId: sid }),
        ...(scopes !== undefined && { scopes }),
        ...(own !== undefined && { ownerId: own }),
        ...(proven?.iat !== undefined && { issuedAt: proven.iat }),
        ...(proven?.exp !== undefined && { expiresAt: proven.exp }),
      },
      id: jti,
      expiresAt: exp,
    }
  }

  /** The keys of the secrets, imported once for as long as these stay the same. */
  async #current(): Promise<Keys> {
    const secrets = await this.#secrets()
    const of = secrets.join('\n')
    if (this.#keys?.of === of) return this.#keys.keys
    const keys = await importKeys(secrets)
    this.#keys = { of, keys }
    return keys
  }
}

async function importKeys(secrets: readonly string[]): Promise<Keys> {
  const named = await Promise.all(
    secrets.map(async (secret) => {
      const key = await crypto.subtle.importKey(
        'raw',
        new TextEncoder().encode(secret),
        { name: 'HMAC', hash: 'SHA-256' },
        false,
        ['sign', 'verify'],
      )
      return { kid: await kidOf(secret), key }
    }),
  )
  const [signing] = named
  if (!signing) throw new AppError('misconfigured', 'There is no secret to sign with.')
  return { signing, byKid: new Map(named.map(({ kid, key }) => [kid, key])) }
}

/** Says which secret signed, and nothing about it. */
export async function kidOf(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`kid\n${secret}`))
  return Buffer.from(digest).toString('base64url').slice(0, KID_CHARS)
}
