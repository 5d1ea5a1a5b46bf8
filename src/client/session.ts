/**
 * The tokens of whoever sits here, in a store that all tabs share. The store is the truth and is read each time, so that
 * a tab never goes on with a token that another replaced; what changes it runs in one tab at a time.
 *
 * A guest is made when there is nobody. An account is never replaced by a guest: when the server refuses to renew it, the
 * session has ended, and stays so until the person decides. Signing in and out is `account.ts`.
 */
import { sessionAnswer } from '../protocol/accounts.ts'
import { guestAnswer } from '../protocol/http.ts'
import type { Cancel, Environment, KeyValueStore } from './environment.ts'
import { ParleyError } from './parley-error.ts'
import { postForSession } from './session-request.ts'
import * as kept from './stored-session.ts'
import type { EndReason, LiveSession, StoredSession } from './stored-session.ts'

/** A token that dies within this time is not used any more, since the request has to arrive, too. */
const EXPIRY_MARGIN_MS = 10_000

export interface SessionUser {
  readonly id: string
  readonly name: string
  readonly role: string
  /** Of accounts. */
  readonly email: string | null
  readonly plan: string | null
}

export type SessionSnapshot =
  /** Nobody yet: the first request makes a guest. */
  | { readonly state: 'none'; readonly user: null }
  | { readonly state: 'guest' | 'account'; readonly user: SessionUser }
  /** Nothing can be asked until the person signs in, or chooses to be a guest. */
  | {
      readonly state: 'ended'
      readonly user: null
      readonly reason: EndReason
      readonly email: string | null
    }

export class Session {
  readonly #env: Environment
  readonly #store: KeyValueStore
  readonly #listeners = new Set<() => void>()
  #inFlight: Promise<LiveSession> | null = null
  #shown: { text: string | null; snapshot: SessionSnapshot } = {
    text: null,
    snapshot: { state: 'none', user: null },
  }
  /** What the listeners know. */
  #told: SessionSnapshot

  constructor(env: Environment, store: KeyValueStore) {
    this.#env = env
    this.#store = store
    this.#told = this.snapshot
    env.onStoreChange(() => this.#tell())
  }

  /** The same object for as long as nothing changed. */
  get snapshot(): SessionSnapshot {
    const text = this.#store.getItem(kept.STORE_KEY)
    if (text !== this.#shown.text) {
      const snapshot = describe(kept.readSession(text))
      // A new token of the same person is no news to those who show who it is.
      const isSame = JSON.stringify(snapshot) === JSON.stringify(this.#shown.snapshot)
      this.#shown = { text, snapshot: isSame ? this.#shown.snapshot : snapshot }
    }
    return this.#shown.snapshot
  }

  /** Calls back when the person changed, here or in another tab. */
  subscribe(listener: () => void): Cancel {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The person that the stored token names, if there is one. */
  get user(): SessionUser | null {
    return this.snapshot.user
  }

  /**
   * A token that can be used now; fetched or renewed when needed.
   *
   * @throws ParleyError `signed_out` when the session has ended
   */
  async token(): Promise<string> {
    const session = this.#read()
    if (session && !kept.isEnded(session) && !this.#shouldRenew(session)) return session.accessToken
    return (await this.#refreshOnce(null)).accessToken
  }

  /** The same, but nobody is made: null when there is nobody. For what strangers may read, too. */
  async tokenIfAny(): Promise<string | null> {
    const session = this.#read()
    if (!session || kept.isEnded(session)) return null
    return await this.token()
  }

  /**
   * A token in place of one that the server refused. A guest may be a new one after this; an account never is.
   *
   * @throws ParleyError
   */
  async replace(refused: string): Promise<string> {
    return (await this.#refreshOnce(refused)).accessToken
  }

  /** Another token of the same person, which says what has changed since: a name, a role. */
  async renew(): Promise<void> {
    await this.replace(await this.token())
  }

  /** Whoever has this token is suspended: nothing more can be asked until the person decides who to be. */
  async suspended(token: string): Promise<void> {
    await this.change(async (now) => {
      if (!now || kept.isEnded(now) || now.accessToken !== token) return null
      return { ended: 'suspended', email: kept.isAccount(now) ? now.user.email : null }
    })
  }

  /**
   * Changes who sits here, while no other tab renews or changes anything.
   *
   * @param change gets what is stored now; what it returns is stored, null leaves everything as it is
   */
  async change(
    change: (now: StoredSession | null) => Promise<StoredSession | null>,
  ): Promise<StoredSession | null> {
    return await this.#env.exclusively('parley.session', async () => {
      const next = await change(this.#read())
      if (next) this.#write(next)
      return next
    })
  }

  async #refreshOnce(refused: string | null): Promise<LiveSession> {
    const refresh = () => this.#env.exclusively('parley.session', () => this.#refresh(refused))
    this.#inFlight ??= refresh().finally(() => (this.#inFlight = null))
    return await this.#inFlight
  }

  async #refresh(refused: string | null): Promise<LiveSession> {
    const session = this.#read()
    if (kept.isEnded(session)) throw signedOut(session.ended)
    // Another tab may have done the work while this one waited for its turn.
    if (session && session.accessToken !== refused && !this.#shouldRenew(session)) return session

    const usable = session && session.accessToken !== refused && this.#isAlive(session) ? session : null
    try {
      return kept.isAccount(session) ? await this.#renewAccount(session) : await this.#guest(usable)
    } catch (error) {
      const isRefused = ParleyError.from(error).status === 401
      if (usable && isRefused && !kept.isAccount(usable)) return await this.#guest(null)
      if (usable && ParleyError.from(error).code !== 'signed_out') return usable
      throw error
    }
  }

  /** With a valid token the same guest gets a new one; without, a new guest is made. */
  async #guest(current: LiveSession | null): Promise<LiveSession> {
    const token = current?.accessToken ?? null
    const answer = await postForSession(this.#env, { path: '/api/auth/guest', token }, guestAnswer)
    return this.#write(kept.guestOf(answer, this.#env.now()))
  }

  async #renewAccount(session: kept.AccountSession): Promise<LiveSession> {
    const { refreshToken } = session
    try {
      const call = { path: '/api/auth/refresh', token: null, body: { refreshToken } }
      const answer = await postForSession(this.#env, call, sessionAnswer)
      return this.#write(kept.sessionOf(answer, this.#env.now()))
    } catch (error) {
      const { status, code } = ParleyError.from(error)
      if (status !== 401 && code !== 'suspended') throw error
      // Where tabs cannot wait for each other, another one may have used this refresh token a moment ago.
      const now = this.#read()
      if (kept.isAccount(now) && now.refreshToken !== refreshToken) return now
      const reason = code === 'suspended' ? 'suspended' : 'refused'
      this.#write({ ended: reason, email: session.user.email })
      throw signedOut(reason)
    }
  }

  #read(): StoredSession | null {
    return kept.readSession(this.#store.getItem(kept.STORE_KEY))
  }

  #write<T extends StoredSession>(session: T): T {
    kept.writeSession(this.#store, session)
    this.#tell()
    return session
  }

  #tell(): void {
    if (this.snapshot === this.#told) return
    this.#told = this.snapshot
    for (const listener of this.#listeners) listener()
  }

  #isAlive(session: LiveSession): boolean {
    return this.#env.now() < session.expiresAt - EXPIRY_MARGIN_MS
  }

  #shouldRenew(session: LiveSession): boolean {
    return !this.#isAlive(session) || this.#env.now() >= session.renewAt
  }
}

function describe(session: StoredSession | null): SessionSnapshot {
  if (!session) return { state: 'none', user: null }
  if (kept.isEnded(session)) {
    return { state: 'ended', user: null, reason: session.ended, email: session.email }
  }
  if (kept.isAccount(session)) return { state: 'account', user: session.user }
  return { state: 'guest', user: { ...session.user, email: null, plan: null } }
}

const ENDINGS: Record<EndReason, string> = {
  chosen: 'You have signed out.',
  refused: 'Your session has ended. Sign in again to go on.',
  suspended: 'This account is suspended.',
  erased: 'Your data is being deleted.',
}

const signedOut = (reason: EndReason) =>
  new ParleyError({ code: 'signed_out', detail: ENDINGS[reason], retryable: false, status: 401 })
