/**
 * Becoming somebody: registering, signing in and out, a new password, being a guest again. Each changes the stored
 * session, and only when the server agreed; the calls that change no session are in `api-account.ts`.
 */
import { sessionAnswer, type LoginBody, type PasswordBody, type RegisterBody } from '../protocol/accounts.ts'
import { guestAnswer } from '../protocol/http.ts'
import type { Environment } from './environment.ts'
import { ParleyError } from './parley-error.ts'
import { postAs, postForSession } from './session-request.ts'
import type { Session } from './session.ts'
import { guestOf, isAccount, isEnded, sessionOf, type EndReason } from './stored-session.ts'

export class Account {
  readonly #env: Environment
  readonly #session: Session

  constructor(env: Environment, session: Session) {
    this.#env = env
    this.#session = session
  }

  /** @throws ParleyError `invalid_credentials`, `suspended`, `rate_limited` */
  async signIn(body: LoginBody): Promise<void> {
    await this.#session.change(async () => await this.#enter('/api/auth/login', null, body))
  }

  /**
   * Makes an account. A guest becomes it and keeps their id, and so their conversations.
   *
   * @throws ParleyError `email_taken`; `validation_failed` names the field
   */
  async register(body: RegisterBody): Promise<void> {
    // Renewed first if need be, since an expired token would leave the guest's conversations behind.
    const { state } = this.#session.snapshot
    const token = state === 'guest' ? await this.#session.token() : null
    await this.#session.change(async () => await this.#enter('/api/auth/register', token, body))
  }

  /** Other devices are signed out by it. */
  async changePassword(body: PasswordBody): Promise<void> {
    const token = await this.#session.token()
    await this.#session.change(async () => await this.#enter('/api/auth/password', token, body))
  }

  /**
   * This device, or all. Without a network this device forgets its tokens all the same.
   *
   * @throws ParleyError when signing out everywhere did not reach the server; then nothing has changed
   */
  async signOut(where: 'here' | 'everywhere'): Promise<void> {
    if (where === 'everywhere') {
      const token = await this.#session.token()
      await postAs(this.#env, { path: '/api/auth/logout-all', token })
      return await this.end('chosen')
    }
    try {
      await postAs(this.#env, { path: '/api/auth/logout', token: await this.#session.token() })
    } catch (error) {
      // A session that the server refuses is as ended as can be; an unreachable server must not keep anybody in.
      if (ParleyError.from(error).code === 'signed_out') return
    }
    await this.end('chosen')
  }

  /** Forgets the tokens. */
  async end(reason: EndReason): Promise<void> {
    await this.#session.change(async (now) => {
      if (isEnded(now)) return null
      return { ended: reason, email: isAccount(now) && reason !== 'erased' ? now.user.email : null }
    })
  }

  /** After a session has ended: somebody new. */
  async continueAsGuest(): Promise<void> {
    await this.#session.change(async (now) => {
      // Another tab was faster.
      if (now && !isEnded(now)) return null
      const answer = await postForSession(this.#env, { path: '/api/auth/guest', token: null }, guestAnswer)
      return guestOf(answer, this.#env.now())
    })
  }

  async #enter(path: string, token: string | null, body: unknown) {
    const answer = await postForSession(this.#env, { path, token, body }, sessionAnswer)
    return sessionOf(answer, this.#env.now())
  }
}
