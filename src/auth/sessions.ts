/**
 * Sessions: one for each device that is signed in, kept alive by refresh tokens that serve once. A used one that comes again
 * was copied, so it ends its session; but not within a moment of its use, when two tabs of one browser asked at once.
 *
 * Ended sessions take their access tokens along: `voidTokens` tells whoever admits requests.
 */
import { AppError } from '../errors.ts'
import type { SessionAnswer } from '../protocol/accounts.ts'
import type { Principal } from '../protocol/principal.ts'
import { hashOf, newSecret } from './opaque-secret.ts'
import { ACCESS_TTL_S, type Tokens } from './tokens.ts'

export const REFRESH_TTL_S = 30 * 24 * 3600
/** A tab that loses the race against another finds the winner's token in the store that they share. */
export const REUSE_GRACE_MS = 10_000
/** Devices of one person; the one that was used longest ago makes room. */
export const MAX_SESSIONS = 50

/** A person as stored. */
export interface StoredAccount {
  readonly id: string
  readonly name: string
  readonly email: string | null
  readonly role: Principal['role']
  readonly plan: string
  readonly passwordHash: string | null
  readonly createdAt: number
  readonly suspendedAt: number | null
}

/** A device as stored; times in milliseconds since the epoch. */
export interface StoredSession {
  readonly id: string
  readonly userId: string
  readonly createdAt: number
  readonly lastUsedAt: number
  readonly agent: string
  readonly address: string
}

interface RefreshToken {
  readonly hash: string
  readonly expiresAt: number
}

export interface SessionStore {
  /** @returns ids of the sessions that made room; null when the password is no longer this one */
  open(
    session: StoredSession,
    token: RefreshToken,
    passwordHash: string,
    most: number,
  ): Promise<string[] | null>
  /** Once for each token, however many ask at once. */
  rotate(
    hash: string,
    next: RefreshToken,
    now: number,
  ): Promise<
    | { readonly state: 'rotated'; readonly session: StoredSession; readonly account: StoredAccount }
    | { readonly state: 'used'; readonly session: StoredSession; readonly usedAt: number }
    | { readonly state: 'unknown' }
  >
  list(userId: string, since: number): Promise<StoredSession[]>
  /** @returns those of them that were this person's */
  end(userId: string, ids: readonly string[]): Promise<string[]>
}

/** Which access tokens are refused from now on; times in seconds since the epoch. */
export type VoidTokens = { readonly before: number } | { readonly sessionId: string; readonly until: number }

export interface SessionDeps {
  readonly store: SessionStore
  readonly tokens: Tokens
  readonly voidTokens: (userId: string, which: VoidTokens) => Promise<void>
  readonly now: () => number
}

export interface Device {
  readonly agent: string
  /** What is kept: the network without its last part. */
  readonly network: string
  /** What tries are counted by. */
  readonly address: string
}

export type Refreshed =
  | { readonly ok: true; readonly answer: SessionAnswer }
  /** `reused`: somebody has a copy; the session was ended. */
  | { readonly ok: false; readonly error: AppError; readonly reused?: StoredSession }

export class Sessions {
  readonly #deps: SessionDeps

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  /** @returns null when the password was changed while it was checked */
  async open(account: StoredAccount, passwordHash: string, device: Device): Promise<SessionAnswer | null> {
    const now = this.#deps.now()
    const session: StoredSession = {
      id: crypto.randomUUID(),
      userId: account.id,
      createdAt: now,
      lastUsedAt: now,
      agent: device.agent,
      address: device.network,
    }
    const token = await this.#newToken(now)
    const ended = await this.#deps.store.open(session, token, passwordHash, MAX_SESSIONS)
    if (ended === null) return null
    await this.#void(account.id, ended)
    return await this.#answer(account, session.id, token.text)
  }

  async refresh(text: string): Promise<Refreshed> {
    const now = this.#deps.now()
    const next = await this.#newToken(now)
    const rotation = await this.#deps.store.rotate(await hashOf(text), next, now)
    const refuse = (detail: string): AppError => new AppError('unauthorized', detail)
    if (rotation.state === 'unknown') {
      return { ok: false, error: refuse('The refresh token is invalid or has expired. Sign in again.') }
    }
    if (rotation.state === 'used') {
      const error = refuse('The refresh token was used before.')
      if (now - rotation.usedAt <= REUSE_GRACE_MS) return { ok: false, error }
      const { session } = rotation
      await this.end(session.userId, [session.id])
      return { ok: false, error, reused: session }
    }
    const { account, session } = rotation
    if (account.suspendedAt !== null) return { ok: false, error: suspended() }
    return { ok: true, answer: await this.#answer(account, session.id, next.text) }
  }

  /** Newest use first; those whose refresh token has expired are no longer any. */
  async list(userId: string): Promise<StoredSession[]> {
    return await this.#deps.store.list(userId, this.#deps.now() - REFRESH_TTL_S * 1000)
  }

  /** @returns those of them that were this person's */
  async end(userId: string, ids: readonly string[]): Promise<string[]> {
    const ended = await this.#deps.store.end(userId, ids)
    await this.#void(userId, ended)
    return ended
  }

  /** Signs a person out everywhere, and whoever has a token of theirs. */
  async endAll(userId: string): Promise<void> {
    const { store, voidTokens, now } = this.#deps
    // A time alone would leave what was issued within this second, so sessions are named as well.
    const all = await store.list(userId, 0)
    await this.end(
      userId,
      all.map(({ id }) => id),
    )
    await voidTokens(userId, { before: Math.floor(now() / 1000) })
  }

  async #void(userId: string, sessionIds: readonly string[]): Promise<void> {
    const until = Math.floor(this.#deps.now() / 1000) + ACCESS_TTL_S + 1
    await Promise.all(sessionIds.map((sessionId) => this.#deps.voidTokens(userId, { sessionId, until })))
  }

  async #newToken(now: number): Promise<RefreshToken & { readonly text: string }> {
    const text = `rt_${newSecret()}`
    return { text, hash: await hashOf(text), expiresAt: now + REFRESH_TTL_S * 1000 }
  }

  async #answer(account: StoredAccount, sessionId: string, refreshToken: string): Promise<SessionAnswer> {
    const { id, name, email, role, plan } = account
    const { token, expiresIn } = await this.#deps.tokens.issueAccess({
      userId: id,
      name,
      role,
      kind: 'user',
      plan,
      sessionId,
    })
    return {
      accessToken: token,
      tokenType: 'Bearer',
      expiresIn,
      refreshToken,
      refreshExpiresIn: REFRESH_TTL_S,
      user: { id, name, email, role, plan },
    }
  }
}

export const suspended = (): AppError => new AppError('suspended', 'This account is suspended.')
