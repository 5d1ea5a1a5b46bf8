/**
 * From what stands in `Authorization: Bearer …` to who is asking: a key of a machine, a token of ours, or one of the external
 * provider. Which of them it claims to be is read before it is verified, and only chooses the verifier.
 */
import { decodeJwt } from 'jose'
import type { Principal } from '../protocol/principal.ts'
import type { ExternalPerson, ExternalTokens } from './external-tokens.ts'
import type { ServiceKeys } from './api-keys.ts'
import type { Tokens } from './tokens.ts'

/** People of whom this isolate knows what their row says. */
const MAX_SEEN = 10_000
/** For how long: another isolate may have seen another token since. */
export const SEEN_MS = 10 * 60_000
/** How soon it is tried again when D1 did not take it. */
const AGAIN_MS = 10_000

export interface AuthenticatorDeps {
  readonly tokens: Tokens
  readonly keys: ServiceKeys
  readonly external: ExternalTokens | null
  /** Keeps who somebody of the external provider is: for this isolate new, with another role, or not seen for long. */
  readonly seen: (person: ExternalPerson) => Promise<void>
  readonly now: () => number
  /** Told when somebody who is known could not be noted again. */
  readonly report: (error: unknown) => void
}

export class Authenticator {
  readonly #deps: AuthenticatorDeps
  readonly #seen = new Map<string, { readonly role: Principal['role']; readonly until: number }>()

  constructor(deps: AuthenticatorDeps) {
    this.#deps = deps
  }

  /** @throws AppError `unauthorized` and what the verifiers throw */
  async verify(bearer: string): Promise<Principal> {
    const { tokens, keys, external } = this.#deps
    if (bearer.startsWith('pk_')) return await keys.verify(bearer)
    if (external && claimedIssuer(bearer) === external.issuer) {
      const person = await external.verify(bearer)
      await this.#note(person)
      return person.principal
    }
    return await tokens.verifyAccess(bearer)
  }

  async #note(person: ExternalPerson): Promise<void> {
    const { userId, role } = person.principal
    const now = this.#deps.now()
    const known = this.#seen.get(userId)
    if (known?.role === role && now < known.until) return
    let until = now + SEEN_MS
    try {
      await this.#deps.seen(person)
    } catch (error) {
      // Of somebody who was here in this role their row says so: an operator must come in while D1 is down.
      if (known?.role !== role) throw error
      this.#deps.report(error)
      until = now + AGAIN_MS
    }
    if (this.#seen.size >= MAX_SEEN) this.#seen.clear()
    this.#seen.set(userId, { role, until })
  }
}

function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}
