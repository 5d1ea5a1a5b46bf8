/**
 * Reads a log for what must not stand in it: credentials by their shape, and passwords, messages, titles and secrets by the
 * marks that tests put into them. Knows nothing of the logger, whose own list of what to hide is what is being checked.
 *
 * Titles are made of messages, so they are as private as those.
 */
import { COMMON_PASSWORD, MESSAGE_MARK, PASSWORD_MARK, SECRET_MARK, TITLE_MARK } from './private-marks.ts'

export interface Leak {
  readonly kind: string
  /** Counted from 1. */
  readonly line: number
  readonly text: string
}

const PATTERNS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  // Access tokens and tickets alike; the header alone is enough.
  ['a token or ticket', /eyJ[\w-]{8,}/],
  ['a bearer credential', /\bbearer\s+[\w-]{8,}/i],
  ['a refresh token', /\brt_[\w-]{8,}/],
  ['a service key', /\bpk_[\w-]{8,}/],
  ['an invite', /\binv_[\w-]{8,}/],
  ['a share link', /\bshr_[\w-]{8,}/],
  ['a key of a provider', /\bsk-[\w-]{6,}/],
  // What signs tokens where nobody configured anything: 32 random bytes in base64.
  ['a made secret', /(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=/],
  ['a configured secret', new RegExp(SECRET_MARK)],
  ['a password hash', /\$scrypt\$/],
  ['a password', new RegExp(`${PASSWORD_MARK}|${COMMON_PASSWORD}`, 'i')],
  // What tells the model server how to answer stands in nearly every message.
  ['a message', new RegExp(`${MESSAGE_MARK}|\\[\\[[a-z]+[=\\] ]`)],
  // Three letters and a space, again and again: what the model server makes up.
  ['an answer', /(?:\b[a-z]{3} ){8}/],
  ['a title', new RegExp(`"${TITLE_MARK}\\b`)],
  ['an email address', /(?<![\w.+'-])[\w.+'-]{1,64}@[a-z\d-]+(?:\.[a-z\d-]+)*\.[a-z]{2,}\b/i],
]

/**
 * What `wrangler dev` prints of a request for its developer: the path, which of a share link is the link itself. That line
 * is not the Worker's and is printed on one's own machine only; where a share stands anywhere else, also in it, is a leak.
 */
const SHARE_OF_WRANGLER = /^(\[wrangler:info\] [A-Z]+ \/(?:s|api\/shares)\/)shr_[\w-]+(?= \d{3} )/

export function leaksIn(log: string): Leak[] {
  return log.split('\n').flatMap((text, index) => {
    // A stack or a message of several lines is one line of JSON, its quotes escaped.
    const plain = text.replaceAll('\\"', '"').replace(SHARE_OF_WRANGLER, '$1')
    return PATTERNS.filter(([, pattern]) => pattern.test(plain)).map(([kind]) => ({
      kind,
      line: index + 1,
      text,
    }))
  })
}

/** How many lines are the Worker's own: JSON with a level and an event. */
export function linesOfWorker(log: string): number {
  // Some come on two ways.
  return new Set(log.split('\n').filter(isOfWorker)).size
}

function isOfWorker(line: string): boolean {
  if (!line.startsWith('{')) return false
  try {
    const entry = JSON.parse(line) as Readonly<Record<string, unknown>>
    return typeof entry['level'] === 'string' && typeof entry['event'] === 'string'
  } catch {
    return false
  }
}

/** Characters of a line that are shown. */
const SHOWN_CHARS = 400
/** Leaks that are shown. */
const SHOWN_LEAKS = 20

/**
 * @param complete whether it is the log of all tests, which cannot be empty
 * @returns what is wrong with this log, to be read by a person; null when nothing is
 */
export function complaintOf(log: string, complete: boolean): string | null {
  if (complete && linesOfWorker(log) === 0)
    return 'No line of the Worker was read, so nothing is known of what it logs.'
  const leaks = leaksIn(log)
  if (leaks.length === 0) return null
  const shown = leaks
    .slice(0, SHOWN_LEAKS)
    .map(({ kind, line, text }) => `  line ${line}, ${kind}: ${text.slice(0, SHOWN_CHARS)}`)
  return `${leaks.length} times, something private was logged:\n${shown.join('\n')}`
}
