/**
 * Signatures of webhooks as "Standard Webhooks" has them (standardwebhooks.com, version 1): HMAC-SHA256 of
 * `<id>.<timestamp>.<body>`, so that neither can be changed, and an old request is not taken for a new one.
 *
 * By WebCrypto, because the package of that name brings a SHA-256 of its own in JavaScript. Verifying is the receiver's part.
 */
const PREFIX = 'whsec_'
/** What the specification allows, and what we make. */
const MIN_SECRET_BYTES = 24
const MAX_SECRET_BYTES = 64
const NEW_SECRET_BYTES = 32

export function newWebhookSecret(): string {
  return PREFIX + Buffer.from(crypto.getRandomValues(new Uint8Array(NEW_SECRET_BYTES))).toString('base64')
}

/** @returns null for what is no secret: `whsec_` and base64 of 24 to 64 bytes */
export function secretBytes(secret: string): Uint8Array<ArrayBuffer> | null {
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : ''
  if (!/^[A-Za-z\d+/]+={0,2}$/.test(encoded) || encoded.length % 4 !== 0) return null
  const bytes = Uint8Array.from(Buffer.from(encoded, 'base64'))
  return bytes.length < MIN_SECRET_BYTES || bytes.length > MAX_SECRET_BYTES ? null : bytes
}

/**
 * The headers of one attempt.
 *
 * @param secrets one, or two while one replaces the other: a receiver accepts a request of which one signature is right
 * @param at when it is sent, ms since the epoch
 * @throws when one is no secret
 */
export async function signedHeaders(
  secrets: readonly string[],
  id: string,
  at: number,
  body: string,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1000))
  const content = new TextEncoder().encode(`${id}.${timestamp}.${body}`)
  const signatures = await Promise.all(secrets.map((secret) => signature(secret, content)))
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  }
}

async function signature(secret: string, content: BufferSource): Promise<string> {
  const bytes = secretBytes(secret)
  if (!bytes) throw new TypeError('this is no webhook secret')
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return `v1,${Buffer.from(await crypto.subtle.sign('HMAC', key, content)).toString('base64')}`
}
