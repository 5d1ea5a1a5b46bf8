/**
 * Tokens that the server must refuse, or that it would not hand out at this moment (an expired one), made with the secret
 * that the test gave it. The claims are those of src/auth/tokens.ts.
 */
import { sign } from 'hono/jwt'

export const TEST_SECRET = 'hunter2-secret-0123456789-abcdefghijklmnop'

export interface Claims {
  readonly aud: 'access' | 'ticket'
  /** The user's id. */
  readonly sub: string
  /** Seconds from now until it expires; negative: since it has. */
  readonly expiresIn?: number
  readonly iss?: string
}

export async function signed(claims: Claims, secret = TEST_SECRET): Promise<string> {
  return await sign(payload(claims), secret, 'HS256')
}

/** Says that it needs no signature. */
export function unsigned(claims: Claims, alg = 'none'): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg, typ: 'JWT' })}.${part(payload(claims))}.`
}

/** A valid token whose claims were changed afterwards. */
export async function tampered(claims: Claims, change: Partial<Claims>): Promise<string> {
  const [header, , signature] = (await signed(claims)).split('.')
  const other = Buffer.from(JSON.stringify(payload({ ...claims, ...change }))).toString('base64url')
  return `${header}.${other}.${signature}`
}

function payload({ aud, sub, expiresIn = 60, iss = 'parley' }: Claims) {
  const iat = Math.floor(Date.now() / 1000)
  const jti = crypto.randomUUID()
  return { iss, aud, sub, name: 'Guest', role: 'guest', kind: 'guest', jti, iat, exp: iat + expiresIn }
}
