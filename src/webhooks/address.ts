/**
 * Which addresses webhooks are sent to: those of the public internet. An address comes from whoever has an account, and
 * what we ask there must reach nothing that only we can reach (server side request forgery).
 *
 * Looked at when it is written down and again before each delivery. What a name resolves to is not seen here: the platform's
 * own network does not route to private ranges, and hosts of our own zone are asked as anybody asks them (wrangler.toml,
 * `global_fetch_strictly_public`). Pure.
 */

/** Names that mean this machine or its network, or are never public (RFC 6761, 6762, 8375, 9476, ICANN's `internal`). */
const PRIVATE_NAMES = [
  'localhost',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'home.arpa',
  'arpa',
  'onion',
  'alt',
  'test',
  'invalid',
]

/** IPv4 that is not public, after IANA's registry of special-purpose addresses: network and bits. */
const SPECIAL_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Link-local, with the metadata services of clouds.
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  // Multicast, reserved, broadcast.
  ['224.0.0.0', 3],
]

/** Longest address, in UTF-16 code units. */
export const MAX_URL_CHARS = 2_048

export interface AddressRules {
  /** A development machine: http is allowed, and so are this machine and names of the network that it is in. */
  readonly isLocal: boolean
  /** `host` of the address that we are reached at ourselves, where it is known. */
  readonly ownHost?: string | undefined
}

/** Why nothing is sent there; null when it may be. The text is written for whoever gave the address. */
export function addressRefusal(text: string, { isLocal, ownHost }: AddressRules): string | null {
  if (text.length > MAX_URL_CHARS) return `is longer than ${MAX_URL_CHARS} characters`
  if (!URL.canParse(text)) return 'is not an address'
  const url = new URL(text)
  if (url.protocol !== 'https:' && !(isLocal && url.protocol === 'http:')) return 'must begin with https://'
  if (url.username !== '' || url.password !== '') return 'must not hold a name or a password'
  const host = bareHost(url)
  if (host === null) return 'names no host'
  if (ownHost !== undefined && sameHost(url, ownHost)) return 'is our own'
  const v4 = ipv4(host)
  if (v4 !== null) return refusalOf(isLocal && isLoopbackV4(v4), isPublicV4(v4))
  if (host.startsWith('[')) {
    const v6 = ipv6(host.slice(1, -1))
    return refusalOf(isLocal && isLoopbackV6(v6), isPublicV6(v6))
  }
  if (isLocal) return null
  const isPrivate = PRIVATE_NAMES.some((name) => host === name || host.endsWith(`.${name}`))
  // A name without a dot is one of the network that we are in.
  return isPrivate || !host.includes('.') ? 'names a host that is not public' : null
}

/** Of `a.example.` the same is meant as of `a.example`. Without its dots it may be a number, so it is read once more. */
function bareHost({ hostname }: URL): string | null {
  const bare = `https://${hostname.replace(/\.+$/, '')}`
  return URL.canParse(bare) ? new URL(bare).hostname : null
}

const refusalOf = (isOurs: boolean, isPublic: boolean): string | null =>
  isOurs || isPublic ? null : 'holds an address that is not public'

function sameHost({ host, protocol }: URL, ownHost: string): boolean {
  const own = `${protocol}//${ownHost}`
  return URL.canParse(own) && new URL(own).host.replace(/\.+(?=:|$)/, '') === host.replace(/\.+(?=:|$)/, '')
}

/** As a number; null when it is no IPv4 address. `new URL` has already read decimal, octal and hexadecimal notations. */
function ipv4(host: string): number | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)
  return match && match.slice(1).reduce((all, part) => all * 256 + Number(part), 0)
}

const isIn = (address: number, network: string, bits: number): boolean =>
  Math.floor(address / 2 ** (32 - bits)) === Math.floor((ipv4(network) ?? 0) / 2 ** (32 - bits))

const isLoopbackV4 = (address: number): boolean => isIn(address, '127.0.0.0', 8)
const isPublicV4 = (address: number): boolean =>
  !SPECIAL_V4.some(([network, bits]) => isIn(address, network, bits))

/** The eight groups of what `new URL` has normalised: lower case, at most one `::`, no dots. */
function ipv6(text: string): number[] {
  const [head = '', tail] = text.split('::')
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((g) => parseInt(g, 16)))
  const [before, after] = [groups(head), groups(tail ?? '')]
  return tail === undefined
    ? before
    : [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}

const isLoopbackV6 = (groups: readonly number[]): boolean =>
  groups.every((group, index) => group === (index === 7 ? 1 : 0))

/**
 * Only 2000::/3 is given out to the public; of that not 2001::/23 (Teredo and other tunnels), 2001:db8::/32 and 3fff::/20
 * (documentation), 2002::/16 (6to4, which holds an IPv4 address). What maps to IPv4 in other ways lies outside of it.
 */
function isPublicV6([first = 0, second = 0]: readonly number[]): boolean {
  if (first < 0x2000 || first > 0x3fff) return false
  if (first === 0x2001 && (second < 0x0200 || second === 0x0db8)) return false
  return first !== 0x2002 && !(first === 0x3fff && second < 0x1000)
}
