/**
 * Access tokens of an identity provider of the operator's choice (OIDC): verified by `jose` with the keys that the provider
 * publishes, and mapped to a principal by configuration. Nothing is learned from a token before it is verified.
 *
 * Keys are kept for ten minutes and asked for anew when a token names an unknown one, at most once in half a minute. When the
 * provider does not answer, the keys that are known go on for a day.
 */
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload } from 'jose'
import { AppError } from '../errors.ts'
import { displayName } from '../protocol/accounts.ts'
import type { Principal } from '../protocol/principal.ts'

export type ExternalRole = 'user' | 'moderator' | 'admin'

export interface ExternalProvider {
  readonly jwksUrl: string
  readonly issuer: string
  readonly audience: string
  /** Name of the claim, or a path with dots (`realm_access.roles`). */
  readonly roleClaim: string
  readonly roles: ReadonlyMap<string, ExternalRole>
}

export interface ExternalPerson {
  readonly principal: Principal
  /** What the provider says; nothing is decided by it. */
  readonly email: string | null
}

export const KEYS_MAX_AGE_MS = 10 * 60_000
export const KEYS_COOLDOWN_MS = 30_000
/** After this long without an answer a key that was withdrawn could have been used for too long. */
export const KEYS_MAX_STALE_MS = 24 * 3600_000
/** After a failure with no keys at all, nobody asks for this long. */
const KEYS_RETRY_MS = 2_000
const FETCH_TIMEOUT_MS = 5_000
const CLOCK_LEEWAY_S = 30
/** Nothing symmetric: a public key must never serve as a secret. */
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA', 'Ed25519']
/** Other signed messages of a provider have the same issuer, audience and subject, and are no proof of anything. */
const TYPES: ReadonlySet<string | undefined> = new Set([undefined, 'jwt', 'at+jwt', 'application/at+jwt'])
const MAX_EMAIL_CHARS = 254
const ORDER: readonly ExternalRole[] = ['user', 'moderator', 'admin']

export class ExternalTokens {
  readonly issuer: string
  readonly #provider: ExternalProvider
  readonly #now: () => number
  readonly #warn: (event: string, details: Record<string, unknown>) => void
  readonly #keys: ReturnType<typeof createRemoteJWKSet>
  #loadedAt = Number.NEGATIVE_INFINITY
  #triedAt = Number.NEGATIVE_INFINITY

  constructor(
    provider: ExternalProvider,
    warn: (event: string, details: Record<string, unknown>) => void,
    now: () => number = () => Date.now(),
  ) {
    this.issuer = provider.issuer
    this.#provider = provider
    this.#warn = warn
    this.#now = now
    // When to ask again is decided here: the set's own rules ask with every request while the provider is down, and drop
    // keys that are ten minutes old even then.
    this.#keys = createRemoteJWKSet(new URL(provider.jwksUrl), {
      cacheMaxAge: Infinity,
      cooldownDuration: Infinity,
      timeoutDuration: FETCH_TIMEOUT_MS,
      [customFetch]: (url, options) => fetch(url, options),
    })
  }

  /** @throws AppError `unauthorized`; `unavailable` while the provider's keys cannot be had */
  async verify(token: string): Promise<ExternalPerson> {
    await this.#freshKeys()
    try {
      return await this.#personOf(await this.#verified(token))
    } catch (error) {
      if (error instanceof AppError) throw error
      throw new AppError('unauthorized', 'The access token is invalid or has expired.', { cause: error })
    }
  }

  async #verified(token: string): Promise<JWTPayload> {
    try {
      return await this.#check(token)
    } catch (error) {
      const isUnknownKey = error instanceof errors.JWKSNoMatchingKey
      if (!isUnknownKey || this.#now() < this.#triedAt + KEYS_COOLDOWN_MS || !(await this.#load()))
        throw error
      return await this.#check(token)
    }
  }

  async #check(token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.#provider
    const currentDate = new Date(this.#now())
    const { payload, protectedHeader } = await jwtVerify(token, this.#keys, {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      requiredClaims: ['sub', 'exp', 'iat'],
      clockTolerance: CLOCK_LEEWAY_S,
      currentDate,
    })
    const isEarly = (payload.iat ?? Infinity) > currentDate.getTime() / 1000 + CLOCK_LEEWAY_S
    if (isEarly || !TYPES.has(protectedHeader.typ?.toLowerCase()) || 'events' in payload)
      throw new Error('it is no access token, or not yet')
    return payload
  }

  /** @throws AppError `unavailable` */
  async #freshKeys(): Promise<void> {
    const now = this.#now()
    const age = now - this.#loadedAt
    if (age < KEYS_MAX_AGE_MS) return
    const isKnown = this.#keys.jwks() !== undefined
    const mayTry = now >= this.#triedAt + (isKnown ? KEYS_COOLDOWN_MS : KEYS_RETRY_MS)
    if (mayTry && (await this.#load())) return
    if (!isKnown || age >= KEYS_MAX_STALE_MS) {
      throw new AppError('unavailable', 'The identity provider does not answer.', {
        retryAfterMs: KEYS_RETRY_MS,
      })
    }
  }

  async #load(): Promise<boolean> {
    const now = this.#now()
    const isFirst = this.#keys.jwks() === undefined
    // While there are no keys, requests that come at once each ask: none can wait for what another began.
    if (!isFirst) this.#triedAt = now
    try {
      await this.#keys.reload()
      this.#loadedAt = now
      this.#triedAt = now
      return true
    } catch (error) {
      this.#triedAt = now
      const why = error instanceof Error ? error.message : 'unknown'
      this.#warn('identity_provider_unreachable', { why })
      return false
    }
  }

  async #personOf(payload: JWTPayload): Promise<ExternalPerson> {
    const { sub, iat, exp } = payload
    if (typeof sub !== 'string' || sub === '' || sub.length > 255) throw new Error('it names nobody')
    const { email } = payload
    const isEmail = typeof email === 'string' && email.length <= MAX_EMAIL_CHARS && !/\p{Cc}/u.test(email)
    return {
      principal: {
        userId: await externalUserId(this.issuer, sub),
        name: nameOf(payload),
        role: this.#roleOf(payload),
        kind: 'user',
        ...(iat !== undefined && { issuedAt: Math.floor(iat) }),
        ...(exp !== undefined && { expiresAt: Math.floor(exp) }),
      },
      email: isEmail ? email : null,
    }
  }

  /** The highest of those that the configuration names; otherwise an ordinary user. */
  #roleOf(payload: JWTPayload): ExternalRole {
    const { roleClaim, roles } = this.#provider
    const claim = claimAt(payload, roleClaim)
    const named = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
    const given = named.map((name) => (typeof name === 'string' ? roles.get(name) : undefined))
    return ORDER.findLast((role) => given.includes(role)) ?? 'user'
  }
}

/** The same person is the same id for ever, whatever else the provider says of them. */
export async function externalUserId(issuer: string, subject: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${issuer}\n${subject}`))
  return `oidc:${Buffer.from(digest).toString('hex').slice(0, 32)}`
}

/** By its name as a whole first, because names may be URLs; then as a path. */
function claimAt(payload: JWTPayload, path: string): unknown {
  const own = (value: unknown, key: string): unknown =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, key)
      ? (value as Record<string, unknown>)[key]
      : undefined
  return own(payload, path) ?? path.split('.').reduce(own, payload)
}

function nameOf(payload: JWTPayload): string {
  for (const claim of ['name', 'preferred_username', 'nickname']) {
    const value = payload[claim]
    const parsed = displayName.safeParse(
      typeof value === 'string' ? value.slice(0, 64).toWellFormed() : undefined,
    )
    if (parsed.success) return parsed.data
  }
  return 'User'
}
