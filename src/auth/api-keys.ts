/**
 * Keys of machines: `pk_<id>_<secret>`. The id finds the row, the secret's hash is compared. A key that was found is kept in
 * the isolate for a moment, so that a busy machine costs no query for each request. Whoever revokes a key, or suspends its
 * owner, tells the machine's limiter object, too, which every request asks; a row that goes otherwise is missed in 30 seconds.
 */
import { timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { Principal } from '../protocol/principal.ts'
import { hashOf, newSecret } from './opaque-secret.ts'

/** How long a key may be gone from D1 before it is missed. */
export const KEY_CACHE_MS = 30_000
/** Bounds the memory of an isolate; then all are asked for anew. */
const MAX_CACHED = 5_000
const KEY = /^pk_([a-f\d]{24})_([\w-]{43})$/

export interface FoundKey {
  readonly key: {
    readonly name: string
    readonly hash: string
    readonly scopes: string
    /** Milliseconds since the epoch; null: it does not. */
    readonly expiresAt: number | null
  }
  readonly owner: { readonly id: string; readonly plan: string; readonly suspended: boolean }
}

export interface MadeKey {
  readonly id: string
  /** The whole of it, to be shown once. */
  readonly text: string
  readonly hash: string
}

/** The user id of what comes with this key. */
export const machineOf = (keyId: string): string => `service:${keyId}`

export async function makeKey(): Promise<MadeKey> {
  const id = Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString('hex')
  const secret = newSecret()
  return { id, text: `pk_${id}_${secret}`, hash: await hashOf(secret) }
}

export class ServiceKeys {
  readonly #find: (id: string) => Promise<FoundKey | null>
  readonly #now: () => number
  readonly #cache = new Map<string, { readonly found: FoundKey; readonly until: number }>()

  constructor(find: (id: string) => Promise<FoundKey | null>, now: () => number = () => Date.now()) {
    this.#find = find
    this.#now = now
  }

  /** @throws AppError `unauthorized`, `suspended` when its owner is */
  async verify(text: string): Promise<Principal> {
    const [, id = '', secret = ''] = KEY.exec(text) ?? []
    const hash = await hashOf(secret)
    const found = id === '' ? null : await this.#lookUp(id)
    const now = this.#now()
    const isRight = found !== null && timingSafeEqual(Buffer.from(hash), Buffer.from(found.key.hash))
    const isOver = found?.key.expiresAt != null && found.key.expiresAt <= now
    if (!isRight || isOver)
      throw new AppError('unauthorized', 'The service key is invalid, revoked or expired.')
    if (found.owner.suspended) throw new AppError('suspended', 'The owner of this service key is suspended.')
    const { name, scopes, expiresAt } = found.key
    return {
      userId: machineOf(id),
      name,
      role: 'service',
      kind: 'service',
      plan: found.owner.plan,
      ownerId: found.owner.id,
      scopes: scopes.split(' '),
      ...(expiresAt !== null && { expiresAt: Math.floor(expiresAt / 1000) }),
    }
  }

  /** In this isolate at once; in others within {@link KEY_CACHE_MS}. */
  forget(id: string): void {
    this.#cache.delete(id)
  }

  async #lookUp(id: string): Promise<FoundKey | null> {
    const now = this.#now()
    const kept = this.#cache.get(id)
    if (kept && now < kept.until) return kept.found
    const found = await this.#find(id)
    this.#cache.delete(id)
    // What is not there is not kept: a new key works at once, and guesses take no memory.
    if (found) {
      if (this.#cache.size >= MAX_CACHED) this.#cache.clear()
      this.#cache.set(id, { found, until: now + KEY_CACHE_MS })
    }
    return found
  }
}
