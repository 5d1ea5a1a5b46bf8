/**
 * Secrets that are shown once and stored hashed: refresh tokens and the keys of machines. They are 256 random bits, so one
 * round of SHA-256 is enough: there is nothing to guess.
 */
const SECRET_BYTES = 32

/** 43 characters of base64url. */
export function newSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(SECRET_BYTES))).toString('base64url')
}

export async function hashOf(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  return Buffer.from(digest).toString('hex')
}
