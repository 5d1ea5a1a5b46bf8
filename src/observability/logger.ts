/**
 * One JSON object per line, on the console, where Workers Logs and `wrangler tail` pick it up. Secrets never get there:
 * values under telling names are replaced, everything in a text that looks like a credential, and the configured secrets
 * themselves, which may look like nothing. Which those are is told by whoever makes the logger.
 */
type Level = 'info' | 'warn' | 'error'
type Details = Readonly<Record<string, unknown>>

export interface Logger {
  info(event: string, details?: Details): void
  warn(event: string, details?: Details): void
  error(event: string, error: unknown, details?: Details): void
  /** A logger that adds these details to each of its lines. */
  with(details: Details): Logger
}

const SECRET_NAME = /authorization|cookie|password|secret|token$|ticket|api[-_]?key|^e-?mail/i
/** JSON Web Tokens, bearer credentials, keys, refresh tokens and those of links, credentials in URLs; and email addresses, which are personal. */
const SECRET_TEXT =
  /eyJ[\w-]+\.[\w-]+\.[\w-]*|\bbearer\s+[^\s"']+|\b(?:sk|pk|rk|rt|inv|shr)[-_][\w-]{8,}|(?<=:\/\/)[^/\s:@]+:[^/\s@]+(?=@)|(?<=[?&][\w-]*(?:ticket|token|key|secret|password)=)[^&\s"']+|[\w.+'-]{1,64}@[a-z\d-]+(?:\.[a-z\d-]+)+/gi
const REDACTED = '[redacted]'
/** A log line is no place for a document. */
const MAX_TEXT_CHARS = 2_000

/** Finds the configured secrets, also as a URL or JSON within a text spells them; null when there are none. */
type Known = RegExp | null

function knownSecrets(secrets: readonly string[]): Known {
  const spellings = secrets.flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
  ])
  // The longest first: one secret may begin another.
  const parts = [...new Set(spellings)]
    .filter((text) => text !== '')
    .toSorted((a, b) => b.length - a.length)
    .map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  return parts.length === 0 ? null : new RegExp(parts.join('|'), 'g')
}

function redactText(text: string, known: Known): string {
  // Known ones first: a form that covers a part of one would leave the rest.
  const hidden = known ? text.replace(known, REDACTED) : text
  // Cut last: half a credential is no longer known as one.
  return hidden.replace(SECRET_TEXT, REDACTED).slice(0, MAX_TEXT_CHARS)
}

export function redact(value: unknown, known: Known = null, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value, known)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth > 4) return '[deep]'
  if (Array.isArray(value)) return value.slice(0, 50).map((item) => redact(item, known, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      redactText(name, known),
      SECRET_NAME.test(name) ? REDACTED : redact(item, known, depth + 1),
    ]),
  )
}

/** A query that failed is told by the database library with the values of its row, which are for nobody to read. */
const messageOf = ({ message }: Error): string => message.replace(/\nparams: .*/s, '\nparams: [redacted]')

function describeError(error: unknown): Details {
  if (!(error instanceof Error)) return { error: String(error) }
  const { cause, name, message, stack } = error
  return {
    error: messageOf(error),
    errorName: name,
    // It begins with the message. A function, because `$&` in a replacement means something.
    stack: stack?.replace(message, () => messageOf(error)),
    ...(cause !== undefined && { cause: cause instanceof Error ? messageOf(cause) : 'not an error' }),
  }
}

/**
 * @param write takes one line; the console in production, a list in tests
 * @param secrets texts that are replaced wherever they stand
 */
export function createLogger(
  base: Details = {},
  write: (level: Level, line: string) => void = (level, line) => console[level](line),
  secrets: readonly string[] = [],
): Logger {
  return loggerWith(base, write, knownSecrets(secrets))
}

function loggerWith(base: Details, write: (level: Level, line: string) => void, known: Known): Logger {
  const log = (level: Level, event: string, details: Details): void => {
    const entry = { level, event, time: new Date().toISOString(), ...base, ...details }
    write(level, JSON.stringify(redact(entry, known)))
  }
  return {
    info: (event, details = {}) => log('info', event, details),
    warn: (event, details = {}) => log('warn', event, details),
    error: (event, error, details = {}) => log('error', event, { ...describeError(error), ...details }),
    with: (details) => loggerWith({ ...base, ...details }, write, known),
  }
}
