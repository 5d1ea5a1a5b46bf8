/**
 * Registering, signing in, changing the password. Whoever asks learns nothing of an account before its password was right:
 * the same answer, after the same work, for an unknown address and for a wrong password.
 *
 * Sessions are opened by `sessions.ts`, tries are counted through the port `Attempts`.
 */
import { AppError, type ErrorShape } from '../errors.ts'
import type { SessionAnswer } from '../protocol/accounts.ts'
import { emailKey } from '../protocol/email.ts'
import type { Principal } from '../protocol/principal.ts'
import type { GuessablePasswords } from './guessable-passwords.ts'
import { hashOf } from './opaque-secret.ts'
import { hashPassword, needsUpgrade, verifyPassword } from './passwords.ts'
import { suspended, type Device, type Sessions, type StoredAccount, type VoidTokens } from './sessions.ts'
import { GUEST_TTL_S } from './tokens.ts'

/** Of who registers; an admin may give another. */
export const FIRST_PLAN = 'free'

export interface NewAccount {
  readonly id: string
  readonly email: string
  readonly emailKey: string
  readonly name: string
  readonly passwordHash: string
  readonly plan: string
  readonly createdAt: number
}

export interface AccountStore {
  byEmail(emailKey: string): Promise<StoredAccount | null>
  byId(id: string): Promise<StoredAccount | null>
  /** @returns `registered` when this id has an account already */
  create(account: NewAccount): Promise<StoredAccount | 'email_taken' | 'registered'>
  /** @returns false when the hash is no longer the old one */
  replacePassword(id: string, oldHash: string, newHash: string): Promise<boolean>
}

export interface Attempts {
  /** Counts a try before its outcome is known. @returns null, or why it has to wait */
  begin(account: string, address: string): Promise<ErrorShape | null>
  succeeded(account: string, address: string): Promise<void>
}

export interface AccountDeps {
  readonly store: AccountStore
  readonly sessions: Sessions
  readonly attempts: Attempts
  readonly common: GuessablePasswords
  readonly voidTokens: (userId: string, which: VoidTokens) => Promise<void>
  readonly now: () => number
}

export class Accounts {
  readonly #deps: AccountDeps

  constructor(deps: AccountDeps) {
    this.#deps = deps
  }

  /**
   * @param guest who registers, if they are somebody here already: they keep their id, and with it all that is theirs
   * @throws AppError `validation_failed`, `email_taken`, `conflict`, `rate_limited`
   */
  async register(
    input: { readonly email: string; readonly password: string; readonly name?: string | undefined },
    guest: Principal | null,
    device: Device,
  ): Promise<SessionAnswer> {
    const { store, now, attempts, voidTokens } = this.#deps
    const key = this.#keyOf(input.email)
    this.#refuseCommon('password', input.password, input.email)
    const counter = await hashOf(key)
    // That an address is taken can be tried out here; so it costs a try, and taken ones cost it for good.
    const wait = await attempts.begin(counter, device.address)
    if (wait) throw AppError.fromShape(wait)
    const created = await store.create({
      id: guest?.userId ?? `user:${crypto.randomUUID()}`,
      email: input.email,
      emailKey: key,
      name: input.name ?? guest?.name ?? 'User',
      passwordHash: await hashPassword(input.password),
      plan: FIRST_PLAN,
      createdAt: now(),
    })
    if (created === 'email_taken')
      throw new AppError('email_taken', 'This email is registered: sign in.', { field: 'email' })
    if (created === 'registered') throw new AppError('conflict', 'You have registered already: sign in.')
    await attempts.succeeded(counter, device.address)
    if (guest) await this.#retireGuest(guest, voidTokens)
    return await this.#opened(created, device)
  }

  /** @throws AppError `invalid_credentials`, `rate_limited`, `suspended` */
  async login(email: string, password: string, device: Device): Promise<SessionAnswer> {
    const account = await this.#proven(emailKey(email) ?? email.toLowerCase(), password, device.address, () =>
      this.#deps.store.byEmail(emailKey(email) ?? ''),
    )
    if (account.suspendedAt !== null) throw suspended()
    const answer = await this.#opened(account, device)
    const { passwordHash } = account
    if (passwordHash !== null && needsUpgrade(passwordHash)) {
      await this.#deps.store.replacePassword(account.id, passwordHash, await hashPassword(password))
    }
    return answer
  }

  /**
   * Ends all sessions and opens a new one.
   *
   * @throws AppError `invalid_credentials`, `rate_limited`, `validation_failed`, `forbidden` for who has no password here
   */
  async changePassword(
    userId: string,
    current: string,
    next: string,
    device: Device,
  ): Promise<SessionAnswer> {
    const { store, sessions } = this.#deps
    const account = await this.confirm(userId, current, device.address)
    this.#refuseCommon('newPassword', next, account.email ?? '')
    const passwordHash = await hashPassword(next)
    if (!(await store.replacePassword(userId, account.passwordHash ?? '', passwordHash))) {
      throw new AppError('conflict', 'The password was changed at the same time.')
    }
    await sessions.endAll(userId)
    return await this.#opened({ ...account, passwordHash }, device)
  }

  /**
   * That it is really this person, before something that cannot be undone.
   *
   * @throws AppError `invalid_credentials`, `rate_limited`, `forbidden` for who has no password here
   */
  async confirm(userId: string, password: string, address: string): Promise<StoredAccount> {
    const account = await this.#deps.store.byId(userId)
    if (!account?.email || account.passwordHash === null) {
      throw new AppError('forbidden', 'There is no password of this person here.')
    }
    const found = account
    return await this.#proven(emailKey(account.email) ?? account.email, password, address, () =>
      Promise.resolve(found),
    )
  }

  async #proven(
    key: string,
    password: string,
    address: string,
    find: () => Promise<StoredAccount | null>,
  ): Promise<StoredAccount> {
    const { attempts } = this.#deps
    const counter = await hashOf(key)
    const wait = await attempts.begin(counter, address)
    if (wait) throw AppError.fromShape(wait)
    const account = await find()
    const isRight = await verifyPassword(password, account?.passwordHash ?? null)
    if (!account || !isRight) {
      throw new AppError('invalid_credentials', 'The email or the password is wrong.')
    }
    await attempts.succeeded(counter, address)
    return account
  }

  async #opened(account: StoredAccount, device: Device): Promise<SessionAnswer> {
    const answer = await this.#deps.sessions.open(account, account.passwordHash ?? '', device)
    if (answer) return answer
    throw new AppError('invalid_credentials', 'The password was changed at the same time.')
  }

  /** A guest's token lives for a month, and would go on being this person without a password. */
  async #retireGuest(guest: Principal, voidTokens: AccountDeps['voidTokens']): Promise<void> {
    const now = Math.floor(this.#deps.now() / 1000)
    if (guest.sessionId !== undefined) {
      await voidTokens(guest.userId, { sessionId: guest.sessionId, until: now + GUEST_TTL_S + 1 })
    }
    await voidTokens(guest.userId, { before: now })
  }

  #keyOf(email: string): string {
    const key = emailKey(email)
    if (key !== null) return key
    throw new AppError('validation_failed', 'The field "email" is not an email address that we take.', {
      field: 'email',
    })
  }

  #refuseCommon(field: string, password: string, email: string): void {
    const complaint = this.#deps.common.complaint(password, email)
    if (complaint === null) return
    throw new AppError('validation_failed', `The field "${field}" ${complaint}.`, { field })
  }
}
