/**
 * Bindings, and the configuration read from them: checked by zod once per isolate, so that a wrong value is found at
 * the first request and named, and no other file reads a raw variable. Also the variables of a Hono context.
 */
import * as z from 'zod'
import type { AdmissionObject } from './admission/admission-object.ts'
import type { AttemptsObject } from './auth/attempts-object.ts'
import type { TicketObject } from './auth/ticket-object.ts'
import type { ConversationObject } from './conversation/conversation-object.ts'
import type { LimiterObject } from './limits/limiter-object.ts'
import { AppError } from './errors.ts'
import type { IncidentsObject } from './incidents/incidents-object.ts'
import type { Logger } from './observability/logger.ts'
import type { OperationsObject } from './operations/operations-object.ts'
import type { AuditAction, AuditDetails } from './protocol/admin.ts'
import { agentList } from './protocol/agent-config.ts'
import { providerList } from './protocol/provider-config.ts'
import { incidentRules } from './protocol/incident-rules.ts'
import { breakerSettings } from './protocol/breaker-settings.ts'
import { frameRates, planName, planOverrides } from './protocol/plan.ts'
import type { ErasureObject } from './privacy/erasure-object.ts'
import type { Principal } from './protocol/principal.ts'
import { webhookSecret } from './protocol/webhooks.ts'
import type { Services } from './services.ts'

export interface Env {
  readonly CONVERSATIONS: DurableObjectNamespace<ConversationObject>
  readonly TICKETS: DurableObjectNamespace<TicketObject>
  readonly ATTEMPTS: DurableObjectNamespace<AttemptsObject>
  readonly LIMITER: DurableObjectNamespace<LimiterObject>
  /** Counts requests per address; where it is not bound, nobody does. */
  readonly FLOOD_GUARD?: RateLimit
  readonly ADMISSION: DurableObjectNamespace<AdmissionObject>
  readonly ERASURES: DurableObjectNamespace<ErasureObject>
  /** One object, `global`. */
  readonly INCIDENTS: DurableObjectNamespace<IncidentsObject>
  readonly OPERATIONS: DurableObjectNamespace<OperationsObject>
  readonly DB: D1Database
  /** Workers AI, in production; locally it would need an account. */
  readonly AI?: Ai
  /** Webhooks that wait for their delivery; what lies in it is known by `webhooks/queue-message.ts`. */
  readonly WEBHOOK_QUEUE: Queue
  readonly [variable: string]: unknown
}

/** A whole number in a variable, which is text when it comes from `.dev.vars` or the command line. */
const int = <Standard extends number | undefined>(standard: Standard, least: number, most: number) =>
  z.preprocess(
    (value) => (typeof value === 'string' && value.trim() === '' ? undefined : value),
    z.coerce
      .number()
      .int()
      .min(least)
      .max(most)
      .optional()
      .transform((value) => value ?? standard),
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
  const keys = keyNames(env['MODEL_PROVIDERS'])
  return Object.entries(env).flatMap(([name, value]) => {
    const isSecret = SECRET_NAME.test(name) || keys.has(name)
    const secret = typeof value === 'string' && isSecret ? value.trim() : ''
    return secret.length < MIN_HIDDEN_CHARS ? [] : [secret]
  })
}

/** Names that providers give to their keys, whatever else is wrong with what names them. */
function keyNames(providers: unknown): Set<string> {
  const text = typeof providers === 'string' ? providers : (JSON.stringify(providers) ?? '')
  return new Set(Array.from(text.matchAll(/"key"\s*:\s*"(\w+)"/g), ([, name]) => name ?? ''))
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

const roleMap = list.transform((items, check) => {
  const roles = new Map<string, 'user' | 'moderator' | 'admin'>()
  for (const item of items) {
    const at = item.lastIndexOf('=')
    const role = z.enum(['user', 'moderator', 'admin']).safeParse(item.slice(at + 1).trim())
    const name = item.slice(0, Math.max(at, 0)).trim()
    if (name === '' || !role.success) {
      check.addIssue('each must be "name=user", "name=moderator" or "name=admin"')
      return z.NEVER
    }
    roles.set(name, role.data)
  }
  return roles
})

/** JSON in a variable: as text, or as it comes from a table of wrangler.toml. */
const optionalJson = <T extends z.ZodType>(shape: T) =>
  z.preprocess((value, check) => {
    if (typeof value !== 'string') return value
    try {
      return value.trim() === '' ? undefined : (JSON.parse(value) as unknown)
    } catch {
      check.addIssue('is not valid JSON')
      return z.NEVER
    }
  }, shape)

/** Where nothing is an empty object. */
const json = <T extends z.ZodType>(shape: T) => optionalJson(shape.prefault({} as z.input<T>))

const onOrOff = z
  .string()
  .transform((value) => value.trim().toLowerCase() || 'off')
  .pipe(z.enum(['on', 'off']))
  .default('off')
  .transform((value) => value === 'on')

/** US dollars per million tokens. */
const dollars = z.number().nonnegative().max(1_000_000)

export const DEFAULT_SYSTEM_PROMPT =
  'You are Parley, a helpful assistant. Answer clearly and to the point, in the language of the question. Use Markdown where it helps.'

const configShape = z
  .object({
    ENVIRONMENT: z.enum(['local', 'production']).default('production'),
    /** Signs access tokens and tickets. Production does not start without one. */
    AUTH_SECRET: text,
    /** The one before: still verifies, so that replacing the secret signs nobody out. Remove it a month later. */
    AUTH_SECRET_PREVIOUS: text,
    /** Tokens of an OIDC provider are accepted as well when these three are set. */
    AUTH_JWKS_URL: text.pipe(z.url({ protocol: /^https?$/ }).optional()),
    AUTH_ISSUER: text,
    AUTH_AUDIENCE: text,
    /** Claim that holds the provider's names of roles: its name, or a path such as `realm_access.roles`. */
    AUTH_ROLE_CLAIM: text.transform((name) => name ?? 'roles'),
    /** Which of them are ours: `chat-admins=admin, support=moderator`. What is not named makes nobody more than a user. */
    AUTH_ROLE_MAP: roleMap,
    /** Who is asked for answers, in order: `protocol/provider-config.ts`. Unset: what the `OPENAI_*` variables say. */
    MODEL_PROVIDERS: optionalJson(providerList.optional()),
    /** An endpoint that is told of incidents, besides those that admins have made: both, or none. */
    ALERT_WEBHOOK_URL: text.pipe(z.url({ protocol: /^https?$/ }).optional()),
    ALERT_WEBHOOK_SECRET: text.pipe(webhookSecret.optional()),
    OPENAI_API_KEY: text,
    OPENAI_BASE_URL: text.pipe(z.url({ protocol: /^https?$/ }).optional()),
    OPENAI_MODEL: text.transform((name) => name ?? 'gpt-4o-mini'),
    /** Further models that a caller may name, separated by commas. */
    OPENAI_MODELS: list,
    SYSTEM_PROMPT: text.transform((prompt) => prompt ?? DEFAULT_SYSTEM_PROMPT),
    /** Named configurations that a message may ask for. */
    AGENTS: optionalJson(agentList.prefault([])),
    /** Estimated tokens of instructions and history that a request carries; most models take far more, but every token is paid for. */
    CONTEXT_TOKENS: int(8_000, 256, 1_000_000),
    FIRST_TOKEN_TIMEOUT_MS: int(30_000, 10, 600_000),
    CHUNK_GAP_TIMEOUT_MS: int(20_000, 10, 600_000),
    /** Longest call: what streams for ever ends then. An object's call keeps it alive for 15 minutes at most. */
    MODEL_TOTAL_TIMEOUT_MS: int(600_000, 10, 900_000),
    /** Repeats of a call that failed before its first text, per provider. */
    MODEL_RETRIES: int(1, 0, 10),
    /** Whether an answer that broke off goes on, where a provider can. */
    MODEL_CONTINUE: onOrOff,
    /** How late the first text is when the next provider is asked as well. 0: never. */
    MODEL_HEDGE_MS: int(0, 0, 600_000),
    /** What an answer is expected to have, and a quota of tokens must have room for, before it is known. */
    ANSWER_TOKENS: int(500, 1, 1_000_000),
    /** Changes to the plans of `limits/plans.ts`, by name: `{"free": {"messagesPerDay": 50}}`. */
    PLANS: json(planOverrides),
    /** Changes to the prices of `models/prices.ts`: `{"my-model": {"input": 1, "output": 2}}`. */
    MODEL_PRICES: json(z.record(z.string(), z.strictObject({ input: dollars, output: dollars }))),
    /** Changes to how fast one socket may send, by kind of frame: `{"chat": {"capacity": 5, "perSecond": 1}}`. */
    FRAME_RATES: json(frameRates.partial()),
    /** Days after which an unused conversation goes, by plan: `{"guest": 30}`; a plan that is not named, or is null, keeps for ever. */
    RETENTION: json(z.record(planName, z.int().min(1).max(36_500).nullable())).transform((days) => ({
      guest: 30,
      ...days,
    })),
    /** Days after which entries of the audit trail go; 0: never. Below 30 the database itself refuses to let go of them. */
    AUDIT_RETENTION_DAYS: int(400, 0, 36_500).refine(
      (days) => days === 0 || days >= 30,
      'must be 0 or at least 30',
    ),
    /** Changes to when incidents open and who hears of them: `{"rules": {"error_rate": {"open": 40}}}`. */
    INCIDENT_RULES: json(incidentRules),
    /** Requests per address in 10 seconds: what `[[ratelimits]]` in wrangler.toml says, for the answer that refuses more. */
    FLOOD_LIMIT: int(1_000, 1, 1_000_000),
    /** New guests and accounts of one network, for each has quotas of their own. 0: nobody counts; the standard locally. */
    NEWCOMERS_PER_HOUR: int(undefined, 0, 1_000_000),
    /** When the breaker of a model opens and closes: `{"failureShare": 0.3, "openMs": 30000}`. */
    BREAKER: json(breakerSettings),
    MAX_QUEUED_TURNS: int(16, 0, 1_000),
    /** How long a message waits for a place with a provider that has limits. */
    QUEUE_TIMEOUT_MS: int(120_000, 100, 3_600_000),
    /** Tokens that the calls of one answer may read together when it goes on after its process died. */
    MODEL_CONTINUE_TOKENS: int(50_000, 0, 10_000_000),
    /** How soon a turn whose process died is taken up again when nobody asks for it. */
    TURN_WATCHDOG_MS: int(15_000, 100, 600_000),
    /** Sockets of one person in one conversation, and of all together. */
    MAX_SOCKETS_PER_USER: int(20, 1, 1_000),
    MAX_SOCKETS_PER_ROOM: int(500, 1, 30_000),
    /** How long a socket goes on after the token that opened it has expired, while the client sends a fresh one. */
    AUTH_GRACE_MS: int(60_000, 0, 600_000),
    MAX_BODY_BYTES: int(1024 * 1024, 1024, 100 * 1024 * 1024),
    /** Origins that may call the API from a browser besides the page's own, separated by commas. */
    CORS_ORIGINS: origins,
    /** Pace of the offline provider, per word. */
    OFFLINE_PACE_MS: int(20, 0, 10_000),
  })
  .transform((vars) => {
    const isLocal = vars.ENVIRONMENT === 'local'
    return { ...vars, isLocal, NEWCOMERS_PER_HOUR: vars.NEWCOMERS_PER_HOUR ?? (isLocal ? 0 : 60) }
  })

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
  for (const name of ['AUTH_SECRET', 'AUTH_SECRET_PREVIOUS'] as const) {
    const value = result.data[name]
    if (value !== undefined && (value.length < MIN_SECRET_CHARS || new Set(value).size < 8)) {
      throw new AppError(
        'misconfigured',
        `${name} is too weak: use ${MIN_SECRET_CHARS} random characters or more.`,
      )
    }
  }
  refuseHalfAProvider(result.data)
  refuseHalfAWebhook(result.data)
  parsed.set(env, result.data)
  return result.data
}

/** A provider that is named in part would let in nobody, or everybody of another audience. */
function refuseHalfAProvider(config: Config): void {
  const names = ['AUTH_JWKS_URL', 'AUTH_ISSUER', 'AUTH_AUDIENCE'] as const
  const missing = names.filter((name) => config[name] === undefined)
  if (missing.length !== 0 && missing.length !== names.length) {
    throw new AppError('misconfigured', `${missing.join(' and ')} must be set as well.`)
  }
  if (config.AUTH_ISSUER === 'parley') {
    throw new AppError('misconfigured', 'AUTH_ISSUER must be that of the provider, not our own.')
  }
  const url = config.AUTH_JWKS_URL === undefined ? null : new URL(config.AUTH_JWKS_URL)
  // Whoever is between us and the provider could put keys of their own in its answer.
  if (!config.isLocal && url?.protocol === 'http:' && url.hostname !== '127.0.0.1') {
    throw new AppError('misconfigured', 'AUTH_JWKS_URL must begin with https.')
  }
}

/** Without the secret nobody could tell that it is us. */
function refuseHalfAWebhook(config: Config): void {
  const { ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: secret } = config
  if ((url === undefined) !== (secret === undefined)) {
    const missing = url === undefined ? 'ALERT_WEBHOOK_URL' : 'ALERT_WEBHOOK_SECRET'
    throw new AppError('misconfigured', `${missing} must be set as well.`)
  }
  if (!config.isLocal && url !== undefined && !/^https:/i.test(url)) {
    throw new AppError('misconfigured', 'ALERT_WEBHOOK_URL must begin with https.')
  }
}

/** What routes find in `c.var`. */
export interface Variables {
  readonly requestId: string
  readonly logger: Logger
  readonly services: Services
  readonly principal: Principal
  readonly audit: Audit
}

/**
 * Writes to the audit trail, before the request is answered: what could not be written fails the request.
 *
 * @param resource a user id, or a thing such as `conversation:<id>`
 * @param actor who did it, where the request brought no token: somebody who has just signed in, or null for nobody
 */
export type Audit = (
  action: AuditAction,
  resource?: string | null,
  details?: AuditDetails | null,
  actor?: Pick<Principal, 'userId' | 'role'> | null,
) => Promise<void>

export interface AppEnv {
  Bindings: Env
  Variables: Variables
}
