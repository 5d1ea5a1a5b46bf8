/**
 * From what stands in `Authorization: Bearer …` to who is asking: a key of a machine, a token of ours, or one of the external
 * provider. Which of them it claims to be is read before it is verified, and only chooses the verifier.
 */
import { decodeJwt } from 'jose'
import type { Principal } from '../protocol/principal.ts'
import type { ExternalPerson, ExternalTokens } from './external-tokens.ts'
import type { ServiceKeys } from './api-keys.ts'
import type { Tokens } from './tokens.ts'

/** People of whom this isolate knows that they have a row. */
const MAX_SEEN = 10_000

export interface AuthenticatorDeps {
  readonly tokens: Tokens
  readonly keys: ServiceKeys
  readonly external: ExternalTokens | null
  /** Called when this isolate sees somebody of the external provider for the first time. */
  readonly firstSeen: (person: ExternalPerson) => Promise<void>
}

export class Authenticator {
  readonly #deps: AuthenticatorDeps
  readonly #seen = new Set<string>()

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
    const { userId } = person.principal
    if (this.#seen.has(userId)) return
    await this.#deps.firstSeen(person)
    if (this.#seen.size >= MAX_SEEN) this.#seen.clear()
    this.#seen.add(userId)
  }
}

function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}
