/**
 * Tokens of links (`inv_…`, `shr_…`): secrets that say nothing of what they lead to. Only their holders have one;
 * everyone else, this application too, keeps its hash.
 */
import { hashOf, newSecret } from './opaque-secret.ts'

const PREFIX = { invite: 'inv_', share: 'shr_' } as const
export type LinkKind = keyof typeof PREFIX

/** What {@link newSecret} makes. */
const SECRET = /^[\w-]{43}$/

export async function newLinkToken(kind: LinkKind): Promise<{ token: string; hash: string }> {
  const token = PREFIX[kind] + newSecret()
  return { token, hash: await hashOf(token) }
}

/** @returns null for what cannot be a token of this kind */
export async function hashOfLinkToken(kind: LinkKind, token: string): Promise<string | null> {
  const isOne = token.startsWith(PREFIX[kind]) && SECRET.test(token.slice(PREFIX[kind].length))
  return isOne ? await hashOf(token) : null
}
