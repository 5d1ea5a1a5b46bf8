/**
 * From where a request comes, as far as it is kept: the network without its last part, and what the device says of itself.
 * Both are foreign text, so they are cut and cleaned here, before they reach a row, a log or an answer.
 */
import type { Principal } from '../protocol/principal.ts'

export interface Caller {
  /** `203.0.113.0/24` or `2001:db8:1::/48`: enough to see that somebody came from elsewhere, too little to find them. */
  readonly address: string | null
  readonly agent: string | null
}

/** Longest `User-Agent` that is kept, in UTF-16 code units. */
export const MAX_AGENT_CHARS = 200

/** What is read of a Hono context: the headers of its request. */
interface Asked {
  readonly req: { header(name: string): string | undefined }
}

export function callerOf(c: Asked): Caller {
  return {
    address: networkOf(c.req.header('cf-connecting-ip') ?? ''),
    agent: agentOf(c.req.header('user-agent') ?? ''),
  }
}

/** Who asks, and from where: for an entry of the audit trail that is written with the change itself. */
export function byOf(
  c: Asked & { readonly var: { readonly principal: Principal; readonly requestId: string } },
) {
  const { principal: actor, requestId } = c.var
  return { actor, requestId, ...callerOf(c) }
}

/** @returns null when it is no address */
export function networkOf(address: string): string | null {
  const v4 = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$/i.exec(address)
  if (v4) {
    const parts = v4.slice(1, 4).map(Number)
    return parts.every((part) => part <= 255) ? `${parts.join('.')}.0/24` : null
  }
  if (!/^[0-9a-f:.]+$/i.test(address) || !address.includes(':') || !URL.canParse(`http://[${address}]`))
    return null
  // The URL parser writes it in one way; the last `::` it may have written stands for groups of zeros.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const before = head === '' ? [] : head.split(':')
  const behind = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : 8 - before.length - behind.length
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...behind]
  return `${groups.slice(0, 3).join(':')}::/48`
}

/** One line, without control characters: what begins a new line in a log would read as an entry of ours. */
export function agentOf(header: string): string | null {
  const text = header
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
  const cut = text.slice(0, MAX_AGENT_CHARS)
  // Not within a pair of code units.
  return (cut.isWellFormed() ? cut : cut.slice(0, -1)).trim() || null
}
