/**
 * Bindings, and the configuration read from them: checked by zod once per isolate, so that a wrong value is found at
 * the first request and named, and no other file reads a raw variable. Also the variables of a Hono context.
 */
import * as z from 'zod'
import type { TicketObject } from './auth/ticket-object.ts'
import type { ConversationObject } from './conversation/conversation-object.ts'
import { AppError } from './errors.ts'
import type { Logger } from './observability/logger.ts'
import type { Principal } from './protocol/principal.ts'
import type { Services } from './services.ts'

export interface Env {
  readonly CONVERSATIONS: DurableObjectNamespace<ConversationObject>
  readonly TICKETS: DurableObjectNamespace<TicketObject>
  readonly DB: D1Database
  readonly [variable: string]: unknown
}

/** A whole number in a variable, which is text when it comes from `.dev.vars` or the command line. */
const int = (standard: number, least: number, most: number) =>
  z.preprocess(
    (value) => (typeof value === 'string' && value.trim() === '' ? undefined : value),
    z.coerce.number().int().min(least).max(most).default(standard),
  )

/** Empty means not set, here and for numbers: `.dev.vars` files keep their keys. */
const text = z
  .string()
  .transform((value) => value.trim() || undefined)
  .optional()

/** Below this a value is a word that texts hold anyway ("local", a number), and no secret. */
const MIN_HIDDEN_CHARS = 8
const SECRET_NAME = /secret|passw|passphrase|credential|(?:^|_)(?:key|token)(?:_|$)/i

/** What must not be seen in the log: the values of variables whose names say so. Asked for even when one is wrong. */
export function secretValues(env: Env): string[] {
  return Object.entries(env).flatMap(([name, value]) => {
    const secret = typeof value === 'string' && SECRET_NAME.test(name) ? value.trim() : ''
    return secret.length < MIN_HIDDEN_CHARS ? [] : [secret]
  })
}

const list = z
  .string()
  .default('')
  .transform((value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  )

/** As browsers send it in `Origin`, which is compared letter by letter; null when it is not one. */
function originOf(text: string): string | null {
  const match = /^([a-z][a-z\d+.-]*:)\/\/[^\s/?#@\\*]+$/i.exec(text)
  if (!match || !URL.canParse(text)) return null
  // Of schemes that are not the web's (`capacitor://localhost`) a URL tells no origin.
  return /^https?:$/i.test(match[1] ?? '') ? new URL(text).origin : text.toLowerCase()
}

const origins = list.transform((items, check) =>
  items.map((item) => {
    const origin = item === '*' ? item : originOf(item)
    if (origin !== null) return origin
    check.addIssue(
      'each must be "*" or an origin such as https://chat.example, without a path or a slash at its end',
    )
    return z.NEVER
  }),
)

export const DEFAULT_SYSTEM_PROMPT =
  'You are Parley, a helpful assistant. Answer clearly and to the point, in the language of the question. Use Markdown where it helps.'

const configShape = z
  .object({
    ENVIRONMENT: z.enum(['local', 'production']).default('production'),
    /** Signs access tokens and tickets. Production does not start without one. */
    AUTH_SECRET: text,
    OPENAI_API_KEY: text,
    OPENAI_BASE_URL: text.pipe(z.url({ protocol: /^https?$/ }).optional()),
    OPENAI_MODEL: text.transform((name) => name ?? 'gpt-4o-mini'),
    /** Further models that a caller may name, separated by commas. */
    OPENAI_MODELS: list,
    SYSTEM_PROMPT: text.transform((prompt) => prompt ?? DEFAULT_SYSTEM_PROMPT),
    /** Estimated tokens of history that a request carries; most models take far more, but every token is paid for. */
    CONTEXT_TOKENS: int(8_000, 256, 1_000_000),
    FIRST_TOKEN_TIMEOUT_MS: int(30_000, 10, 600_000),
    CHUNK_GAP_TIMEOUT_MS: int(20_000, 10, 600_000),
    MAX_QUEUED_TURNS: int(16, 0, 1_000),
    /** How soon a turn whose process died is taken up again when nobody asks for it. */
    TURN_WATCHDOG_MS: int(15_000, 100, 600_000),
    MAX_BODY_BYTES: int(1024 * 1024, 1024, 100 * 1024 * 1024),
    /** Origins that may call the API from a browser besides the page's own, separated by commas. */
    CORS_ORIGINS: origins,
    /** Pace of the offline provider, per word. */
    OFFLINE_PACE_MS: int(20, 0, 10_000),
  })
  .transform((vars) => ({ ...vars, isLocal: vars.ENVIRONMENT === 'local' }))

export type Config = z.infer<typeof configShape>

/** Shorter secrets can be guessed; 32 characters of base64 are 192 bits. */
const MIN_SECRET_CHARS = 32

const parsed = new WeakMap<object, Config>()

/** @throws AppError `misconfigured` naming the variable, and never its value */
export function readConfig(env: Env): Config {
  const known = parsed.get(env)
  if (known) return known
  const result = configShape.safeParse(env)
  if (!result.success) {
    const issue = result.error.issues[0]
    throw new AppError(
      'misconfigured',
      `The variable ${issue?.path.join('.')} is invalid: ${issue?.message}.`,
    )
  }
  const secret = result.data.AUTH_SECRET
  if (secret === undefined && !result.data.isLocal) {
    throw new AppError(
      'misconfigured',
      'AUTH_SECRET is not set. Set it with `wrangler secret put AUTH_SECRET`.',
    )
  }
  if (secret !== undefined && (secret.length < MIN_SECRET_CHARS || new Set(secret).size < 8)) {
    throw new AppError(
      'misconfigured',
      `AUTH_SECRET is too weak: use ${MIN_SECRET_CHARS} random characters or more.`,
    )
  }
  parsed.set(env, result.data)
  return result.data
}

/** What routes find in `c.var`. */
export interface Variables {
  readonly requestId: string
  readonly logger: Logger
  readonly services: Services
  readonly principal: Principal
}

export interface AppEnv {
  Bindings: Env
  Variables: Variables
}
