/**
 * The REST routes of one's own account as typed calls: name, devices, keys of machines, what was used, taking one's data
 * away. Signing in and out, which change the session, are in `account.ts`.
 */
import * as accounts from '../protocol/accounts.ts'
import type {
  CreatedKeyAnswer,
  CreateKeyBody,
  MeAnswer,
  ServiceKey,
  SessionsAnswer,
} from '../protocol/accounts.ts'
import { eraseAnswer, receipt, type EraseBody, type Receipt } from '../protocol/privacy.ts'
import { usageAnswer, type UsageAnswer } from '../protocol/usage.ts'
import type { Caller } from './caller.ts'

export class AccountApi {
  readonly #caller: Caller

  constructor(caller: Caller) {
    this.#caller = caller
  }

  async me(): Promise<MeAnswer> {
    return await this.#caller.json({ method: 'GET', path: '/api/me' }, accounts.meAnswer)
  }

  /** Tokens keep the old name until they are renewed: `session.renew()`. */
  async rename(name: string): Promise<MeAnswer> {
    return await this.#caller.json({ method: 'PATCH', path: '/api/me', body: { name } }, accounts.meAnswer)
  }

  /** The devices on which one is signed in, last used first. */
  async sessions(): Promise<SessionsAnswer['sessions']> {
    const call = { method: 'GET', path: '/api/me/sessions' } as const
    return (await this.#caller.json(call, accounts.sessionsAnswer)).sessions
  }

  async endSession(id: string): Promise<void> {
    await this.#caller.done({ method: 'DELETE', path: `/api/me/sessions/${encodeURIComponent(id)}` })
  }

  /** Those in force, newest first. */
  async keys(): Promise<ServiceKey[]> {
    return (await this.#caller.json({ method: 'GET', path: '/api/keys' }, accounts.keysAnswer)).keys
  }

  /** @returns with the key itself, which no other answer has: show it at once, or it is lost */
  async createKey(body: CreateKeyBody): Promise<CreatedKeyAnswer> {
    return await this.#caller.json({ method: 'POST', path: '/api/keys', body }, accounts.createdKeyAnswer)
  }

  async revokeKey(id: string): Promise<void> {
    await this.#caller.done({ method: 'DELETE', path: `/api/keys/${encodeURIComponent(id)}` })
  }

  async usage(): Promise<UsageAnswer> {
    return await this.#caller.json({ method: 'GET', path: '/api/usage' }, usageAnswer)
  }

  /** Everything of this person as one JSON text, which takes as long as it takes. */
  async export(signal: AbortSignal): Promise<Blob> {
    const response = await this.#caller.send({ method: 'GET', path: '/api/me/export', signal })
    return await response.blob()
  }

  /** @returns the id of the receipt; the tokens are void from then on */
  async erase(body: EraseBody): Promise<string> {
    const answer = await this.#caller.json({ method: 'DELETE', path: '/api/me', body }, eraseAnswer)
    return answer.receiptId
  }

  async receipt(id: string): Promise<Receipt> {
    const call = { method: 'GET', path: `/api/erasures/${encodeURIComponent(id)}`, isPublic: true } as const
    return await this.#caller.json(call, receipt)
  }
}
