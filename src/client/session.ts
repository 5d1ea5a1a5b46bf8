/**
 * Who we are: a guest's access token, kept in a store that all tabs share, fetched when there is none, renewed before it
 * expires. The store is the truth and is read each time, so that a tab never goes on with a token that another replaced.
 * Which request needs the token is the caller's business.
 */
import * as z from 'zod'
import { guestAnswer, type GuestAnswer } from '../protocol/http.ts'
import type { Environment, KeyValueStore } from './environment.ts'
import { ParleyError } from './parley-error.ts'

const STORE_KEY = 'parley.session'

/** A token is renewed in the last fifth of its life: early enough to survive some failed attempts. */
const RENEW_IN_LAST_PART = 0.2

/** A token that dies within this time is not used any more, since the request has to arrive, too. */
const EXPIRY_MARGIN_MS = 10_000

/** How long to wait for a token before the attempt counts as failed. */
const TOKEN_TIMEOUT_MS = 15_000

const storedSession = z.object({
  accessToken: z.string(),
  /** Milliseconds since the epoch, by this machine's clock. */
  expiresAt: z.number(),
  renewAt: z.number(),
  user: guestAnswer.shape.user,
})
type StoredSession = z.infer<typeof storedSession>

export class Session {
  readonly #env: Environment
  readonly #store: KeyValueStore
  #inFlight: Promise<StoredSession> | null = null

  constructor(env: Environment, store: KeyValueStore) {
    this.#env = env
    this.#store = store
  }

  /** The person that the stored token names, if there is one. */
  get user(): GuestAnswer['user'] | null {
    return this.#read()?.user ?? null
  }

  /**
   * A token that can be used now; fetched or renewed when needed.
   *
   * @throws ParleyError
   */
  async token(): Promise<string> {
    const session = this.#read()
    if (session && !this.#shouldRenew(session)) return session.accessToken
    return (await this.#refreshOnce(null)).accessToken
  }

  /**
   * A token in place of one that the server refused. The person may be a new one after this.
   *
   * @throws ParleyError
   */
  async replace(refused: string): Promise<string> {
    return (await this.#refreshOnce(refused)).accessToken
  }

  async #refreshOnce(refused: string | null): Promise<StoredSession> {
    const refresh = () => this.#env.exclusively('parley.session', () => this.#refresh(refused))
    this.#inFlight ??= refresh().finally(() => (this.#inFlight = null))
    return await this.#inFlight
  }

  async #refresh(refused: string | null): Promise<StoredSession> {
    // Another tab may have done the work while this one waited for its turn.
    const session = this.#read()
    if (session && session.accessToken !== refused && !this.#shouldRenew(session)) return session

    const usable = session && session.accessToken !== refused && this.#isAlive(session) ? session : null
    try {
      return await this.#fetch(usable)
    } catch (error) {
      if (usable && ParleyError.from(error).status === 401) return await this.#fetch(null)
      if (usable) return usable
      throw error
    }
  }

  /** With a valid token the same person gets a new one; without, a new guest is made. */
  async #fetch(current: StoredSession | null): Promise<StoredSession> {
    const url = `${this.#env.origin}/api/auth/guest`
    const headers: HeadersInit = current ? { authorization: `Bearer ${current.accessToken}` } : {}
    let response: Response
    try {
      response = await this.#env.fetch(url, {
        method: 'POST',
        headers,
        signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
      })
    } catch (error) {
      throw ParleyError.network(error)
    }
    if (!response.ok) throw await ParleyError.fromResponse(response)
    const answer = guestAnswer.safeParse(await response.json().catch(() => null))
    if (!answer.success) {
      const detail = 'The server answered with something that is not a session.'
      throw new ParleyError({ code: 'bad_answer', detail, retryable: true, status: response.status })
    }
    const { accessToken, expiresIn, user } = answer.data
    const life = expiresIn * 1000
    const session: StoredSession = {
      accessToken,
      expiresAt: this.#env.now() + life,
      renewAt: this.#env.now() + life * (1 - RENEW_IN_LAST_PART),
      user,
    }
    this.#store.setItem(STORE_KEY, JSON.stringify(session))
    return session
  }

  #read(): StoredSession | null {
    const text = this.#store.getItem(STORE_KEY)
    if (text === null) return null
    try {
      return storedSession.parse(JSON.parse(text))
    } catch {
      // Written by another version, or by hand: as if there were none.
      this.#store.removeItem(STORE_KEY)
      return null
    }
  }

  #isAlive(session: StoredSession): boolean {
    return this.#env.now() < session.expiresAt - EXPIRY_MARGIN_MS
  }

  #shouldRenew(session: StoredSession): boolean {
    return !this.#isAlive(session) || this.#env.now() >= session.renewAt
  }
}

/** A store for one page view, for where the browser denies Web Storage. */
export function memoryStore(): KeyValueStore {
  const values = new Map<string, string>()
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  }
}

/** `localStorage`, or a store in memory where it is denied (reading the property itself may throw). */
export function browserStore(kind: 'localStorage' | 'sessionStorage' = 'localStorage'): KeyValueStore {
  try {
    const store = globalThis[kind]
    store.getItem(STORE_KEY)
    return store
  } catch {
    return memoryStore()
  }
}
