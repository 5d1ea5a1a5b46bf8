/**
 * Secrets of endpoints as they lie in the database: AES-256-GCM under a key that HKDF derives from `AUTH_SECRET`, because
 * signing needs the secret itself, and a copy of the database must not be enough to sign. The endpoint's id is
 * authenticated with it: a text that was moved to another row does not open.
 *
 * What the previous `AUTH_SECRET` has sealed still opens, and says that it should be sealed anew.
 */
const FORMAT = 'v1'
const IV_BYTES = 12
const KEY_INFO = 'parley webhook secrets'
/** Tells which key sealed it without trying all: 48 bits, derived besides the key, so they say nothing of it. */
const TAG_INFO = 'parley webhook secrets: name of the key'
const TAG_BITS = 48

interface SealKey {
  readonly tag: string
  readonly key: CryptoKey
}

export class SealedSecrets {
  readonly #secrets: () => Promise<readonly string[]>
  readonly #keys = new Map<string, SealKey>()

  /** @param secrets what keys are derived from: the current one first, then those of before */
  constructor(secrets: () => Promise<readonly string[]>) {
    this.#secrets = secrets
  }

  async seal(endpointId: string, secret: string): Promise<string> {
    const { tag, key } = await this.#current()
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
    const sealed = await crypto.subtle.encrypt(
      algorithm(iv, endpointId),
      key,
      new TextEncoder().encode(secret),
    )
    return [FORMAT, tag, base64(iv), base64(sealed)].join('.')
  }

  /** @returns null when none of the keys opens it */
  async open(endpointId: string, sealed: string): Promise<string | null> {
    const [format, tag, iv = '', text = ''] = sealed.split('.')
    if (format !== FORMAT) return null
    for (const secret of await this.#secrets()) {
      const known = await this.#keyOf(secret)
      if (known.tag !== tag) continue
      try {
        const opened = await crypto.subtle.decrypt(algorithm(bytes(iv), endpointId), known.key, bytes(text))
        return new TextDecoder().decode(opened)
      } catch {
        // Changed, or another row's.
        return null
      }
    }
    return null
  }

  /** How every text begins that is sealed with the current key; what does not should be sealed anew. */
  async currentPrefix(): Promise<string> {
    return `${FORMAT}.${(await this.#current()).tag}.`
  }

  async #current(): Promise<SealKey> {
    const [secret] = await this.#secrets()
    if (secret === undefined) throw new Error('there is no secret to seal with')
    return await this.#keyOf(secret)
  }

  /** Kept for the life of the isolate; a result, never a promise, as those end with their request. */
  async #keyOf(secret: string): Promise<SealKey> {
    const known = this.#keys.get(secret)
    if (known) return known
    const material = await crypto.subtle.importKey('raw', new TextEncoder().encode(secret), 'HKDF', false, [
      'deriveKey',
      'deriveBits',
    ])
    const made = {
      tag: base64(await crypto.subtle.deriveBits(hkdf(TAG_INFO), material, TAG_BITS)),
      key: await crypto.subtle.deriveKey(hkdf(KEY_INFO), material, { name: 'AES-GCM', length: 256 }, false, [
        'encrypt',
        'decrypt',
      ]),
    }
    this.#keys.set(secret, made)
    return made
  }
}

const hkdf = (info: string) => ({
  name: 'HKDF',
  hash: 'SHA-256',
  salt: new Uint8Array(),
  info: new TextEncoder().encode(info),
})

const algorithm = (iv: Uint8Array<ArrayBuffer>, endpointId: string) => ({
  name: 'AES-GCM',
  iv,
  additionalData: new TextEncoder().encode(endpointId),
})

const base64 = (data: ArrayBuffer | Uint8Array): string =>
  Buffer.from(data instanceof Uint8Array ? data : new Uint8Array(data)).toString('base64url')

const bytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'base64url'))
