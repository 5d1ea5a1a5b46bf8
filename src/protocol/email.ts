/**
 * What an email address is here, and when two are the same account. The browser checks with it, the server decides by it.
 *
 * A local part must be ASCII: almost no mailbox is otherwise, and "аdmin@…" with a Cyrillic letter looks like another's.
 * A domain may be of any script; it is kept in the ASCII form of DNS, where look-alikes differ visibly (`xn--…`).
 */
import * as z from 'zod'

/** RFC 5321: a path has 256 octets, two of them brackets. */
const MAX_EMAIL_CHARS = 254
const MAX_LOCAL_CHARS = 64

/** RFC 5322 "dot-atom": no quoted local parts, which hold spaces, line breaks and "@". */
const LOCAL = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/
/** What would make a URL's parser see more in a domain than a domain. */
const NOT_IN_DOMAIN = /[\s/?#@\\:%[\]<>^|]/
/** Dotted labels of DNS; the last is no number, so an IP address is none. */
const DOMAIN = /^(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)+[a-z](?:[a-z\d-]{0,61}[a-z\d])$/

/** @returns the address with its domain in ASCII, the local part as typed; null when it is none */
export function normalEmail(text: string): string | null {
  if (text.length > MAX_EMAIL_CHARS) return null
  const plain = text.normalize('NFKC').trim()
  const at = plain.lastIndexOf('@')
  const local = plain.slice(0, Math.max(at, 0))
  if (local.length > MAX_LOCAL_CHARS || !LOCAL.test(local)) return null
  const domain = asciiDomain(plain.slice(at + 1))
  const email = domain === null ? null : `${local}@${domain}`
  return email !== null && email.length <= MAX_EMAIL_CHARS ? email : null
}

/** What an account is found by: addresses that differ in case alone are one. @returns null when it is no address */
export function emailKey(text: string): string | null {
  return normalEmail(text)?.toLowerCase() ?? null
}

/** IDNA as browsers do it: their URL parser holds the tables. */
function asciiDomain(text: string): string | null {
  if (text === '' || NOT_IN_DOMAIN.test(text) || !URL.canParse(`http://${text}`)) return null
  const { hostname } = new URL(`http://${text}`)
  return DOMAIN.test(hostname) ? hostname : null
}

export const email = z
  .string()
  .max(MAX_EMAIL_CHARS)
  .transform((text, check) => {
    const normal = normalEmail(text)
    if (normal !== null) return normal
    check.addIssue('is not an email address that we take')
    return z.NEVER
  })
