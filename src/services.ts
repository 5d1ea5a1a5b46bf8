/**
 * The composition root: the only file that chooses adapters. `createServices` serves the Worker's routes,
 * `conversationParts` the conversation objects; both are built once per isolate from the checked configuration.
 */
import type { ChatInput } from './conversation/chat-input.ts'
import type { ConversationDeps, LinkEntry } from './conversation/deps.ts'
import type { ConversationObject } from './conversation/conversation-object.ts'
import { estimateTokenCount } from 'tokenx'
import type { Admission } from './admission/admission-calls.ts'
import { createAdmission, queueParts, queuesOf, readProviders, type Queues } from './admission/wiring.ts'
import { Tokens } from './auth/tokens.ts'
import { readConfig, secretValues, type Config, type Env } from './env.ts'
import { AppError, type ErrorCode } from './errors.ts'
import { createIdentity, type Identity } from './identity.ts'
import { askLimiter, standingOf } from './limits/limiter-calls.ts'
import { mergeFrameRates, mergePlans, type Plans } from './limits/plans.ts'
import type { Standing } from './limits/standing.ts'
import { factsOf, factsOfPayer, payerOf, TurnAccounts } from './limits/turn-accounts.ts'
import type { Model } from './models/model.ts'
import { OfflineModel } from './models/offline.ts'
import { OpenAIModel } from './models/openai.ts'
import { costOf, DEFAULT_PRICES } from './models/prices.ts'
import { createLogger, type Logger } from './observability/logger.ts'
import { createPrivacy, erasureDeps, type Privacy } from './privacy/wiring.ts'
import { auditTrailOf, type AuditTrail } from './storage/audit.ts'
import { listConversations, putConversation, removeConversation } from './storage/directory.ts'
import { findLink, putLink, removeLink } from './storage/links.ts'
import { localSecret, migrateLocally } from './storage/local-setup.ts'
import { peopleOf, type People } from './storage/people.ts'
import { usageBy, usageOf } from './storage/usage.ts'
import type { Principal } from './protocol/principal.ts'
import type { UsageAnswer } from './protocol/usage.ts'

export type ConversationStub = DurableObjectStub<ConversationObject>
export type { ChatInput }

export interface Services {
  readonly config: Config
  readonly logger: Logger
  readonly tokens: Tokens
  readonly identity: Identity
  readonly model: Model
  /** Resolves when this installation can serve: locally, when the database was migrated. */
  ready(): Promise<void>
  /** @returns whether this is the ticket's first use */
  redeemTicket(userId: string, ticketId: string, expiresAt: number): Promise<boolean>
  conversation(id: string): ConversationStub
  /** What is known of a person beyond their token. Its calls throw `unavailable` when it cannot be reached. */
  standing(userId: string): Standing
  readonly usage: {
    quotas(principal: Principal): Promise<Omit<UsageAnswer, 'days'>>
    days(userId: string, since: string): ReturnType<typeof usageOf>
    by(
      group: Parameters<typeof usageBy>[1],
      range: Parameters<typeof usageBy>[2],
      limit: number,
    ): ReturnType<typeof usageBy>
  }
  readonly directory: {
    list(
      ownerId: string,
      limit: number,
      after: Parameters<typeof listConversations>[3],
    ): ReturnType<typeof listConversations>
    /** A query that touches no table. */
    ping(): Promise<void>
    /** @returns the conversation that a link leads to, by the hash of its token; null when nobody knows it */
    findLink(kind: LinkEntry['kind'], hash: string): Promise<string | null>
  }
  /** The queues in front of providers that have limits. */
  readonly admission: Admission
  /** The same, for operators. */
  readonly queues: Queues
  readonly audit: AuditTrail
  readonly people: People
  readonly privacy: Privacy
  /** Names of the plans that there are. */
  readonly plans: readonly string[]
  /** Ends all sockets of a person; one that cannot be reached is reported, and ends with its token. */
  cutSockets(userId: string, code: ErrorCode): Promise<void>
}

async function cutSockets(env: Env, userId: string, code: ErrorCode): Promise<void> {
  await cutIn(env, await standingOf(env.LIMITER, userId).connections(), userId, code)
}

async function cutIn(env: Env, rooms: readonly string[], userId: string, code: ErrorCode): Promise<void> {
  const cuts = rooms.map((id) =>
    env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(id)).disconnect(userId, code),
  )
  for (const cut of await Promise.allSettled(cuts)) {
    if (cut.status === 'rejected') loggerOf(env).error('socket_not_cut', cut.reason, { userId })
  }
}

function privacyParts(env: Env): Parameters<typeof createPrivacy>[0] {
  return {
    env,
    logger: loggerOf(env),
    standing: (userId) => standingOf(env.LIMITER, userId),
    cutSockets: (userId) => cutSockets(env, userId, 'unauthorized'),
  }
}

/** What the object of an erasure gets from the outside. */
export function erasureParts(env: Env): ReturnType<typeof erasureDeps> {
  return erasureDeps(privacyParts(env))
}

/** What a queue object gets from the outside. @param name of the object */
export function admissionParts(env: Env, name: string): ReturnType<typeof queueParts> {
  const warn = (event: string, details: Record<string, unknown>) => loggerOf(env).warn(event, details)
  return queueParts(env, readProviders(env['MODEL_PROVIDERS']), name, warn)
}

/** What the cron trigger does. */
export async function runRetention(env: Env): Promise<void> {
  const services = createServices(env)
  await services.ready()
  services.logger.info('retention', { ...(await services.privacy.retain(services.config.RETENTION)) })
}

const loggers = new WeakMap<Env, Logger>()
const built = new WeakMap<Env, Services>()
const models = new WeakMap<Env, Model>()

/** Also for what fails before a request or an object has a logger of its own, or a configuration. */
export function loggerOf(env: Env): Logger {
  const known = loggers.get(env)
  if (known) return known
  const logger = createLogger({}, undefined, secretValues(env))
  loggers.set(env, logger)
  return logger
}

export function createServices(env: Env): Services {
  const known = built.get(env)
  if (known) return known
  const config = readConfig(env)
  const ready = keep(() => (config.isLocal ? migrateLocally(env.DB) : Promise.resolve()))
  const secret = keep(() => (config.AUTH_SECRET ? Promise.resolve(config.AUTH_SECRET) : localSecret(env.DB)))
  const previous = config.AUTH_SECRET_PREVIOUS ?? []
  const tokens = new Tokens(async () => [await secret()].concat(previous))
  const logger = loggerOf(env)
  const admission = createAdmission(env, readProviders(env['MODEL_PROVIDERS']))
  const services: Services = {
    config,
    logger,
    ready,
    model: modelOf(env, config),
    tokens,
    identity: createIdentity({
      env,
      config,
      logger,
      tokens,
      voidTokens: (userId, which) => standingOf(env.LIMITER, userId).endSessions(which),
    }),
    redeemTicket: (userId, ticketId, expiresAt) =>
      env.TICKETS.get(env.TICKETS.idFromName(userId)).redeem(ticketId, expiresAt),
    conversation: (id) => env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(id)),
    standing: (userId) => standingOf(env.LIMITER, userId),
    usage: {
      quotas: (principal) =>
        askLimiter(env.LIMITER, payerOf(principal), (stub) => stub.quotas(factsOfPayer(principal))),
      days: (userId, since) => usageOf(env.DB, userId, since),
      by: (group, range, limit) => usageBy(env.DB, group, range, limit),
    },
    directory: {
      findLink: (kind, hash) => findLink(env.DB, kind, hash),
      list: (ownerId, limit, after) => listConversations(env.DB, ownerId, limit, after),
      ping: async () => void (await env.DB.prepare('SELECT 1').first()),
    },
    admission,
    queues: queuesOf(admission),
    audit: auditTrailOf(env.DB),
    people: peopleOf(env.DB),
    privacy: createPrivacy(privacyParts(env)),
    plans: Object.keys(plansOf(env)),
    cutSockets: (userId, code) => cutSockets(env, userId, code),
  }
  built.set(env, services)
  return services
}

/** What a conversation object gets from the outside; the rest it lends itself. */
export function conversationParts(
  env: Env,
): Pick<
  ConversationDeps,
  'model' | 'settings' | 'directory' | 'quota' | 'verify' | 'connected' | 'warn' | 'report'
> {
  const config = readConfig(env)
  const systemTokens = estimateTokenCount(config.SYSTEM_PROMPT)
  const logger = loggerOf(env)
  return {
    model: modelOf(env, config),
    settings: {
      systemPrompt: config.SYSTEM_PROMPT,
      systemTokens,
      contextTokens: config.CONTEXT_TOKENS - systemTokens,
      answerTokens: config.ANSWER_TOKENS,
      frameRates: mergeFrameRates(config.FRAME_RATES),
      maxQueuedTurns: config.MAX_QUEUED_TURNS,
      watchdogMs: config.TURN_WATCHDOG_MS,
      maxSocketsPerUser: config.MAX_SOCKETS_PER_USER,
      maxSocketsPerRoom: config.MAX_SOCKETS_PER_ROOM,
      authGraceMs: config.AUTH_GRACE_MS,
      models: config.OPENAI_MODELS,
    },
    quota: turnAccounts(env, config),
    directory: {
      put: ({ conversation, seq, members }) => putConversation(env.DB, conversation, seq, members),
      remove: (id) => removeConversation(env.DB, id),
      putLink: (link) => putLink(env.DB, link),
      removeLink: (hash) => removeLink(env.DB, hash),
    },
    verify: async (token) => {
      const services = createServices(env)
      const principal = await services.identity.verify(token)
      const admission = await services.standing(principal.userId).admit('auth', factsOf(principal))
      if (!admission.ok) throw AppError.fromShape(admission.error)
      return { ...principal, plan: admission.plan }
    },
    connected: async (who, conversationId, isHere) => {
      const standing = standingOf(env.LIMITER, who.userId)
      if (!isHere) return await standing.disconnected(conversationId)
      const { refused, dropped } = await standing.connected(conversationId, factsOf(who))
      await cutIn(env, dropped, who.userId, 'too_many_connections')
      if (refused) throw AppError.fromShape(refused)
    },
    warn: (event, details) => logger.warn(event, details),
    report: (event, error, details) => logger.error(event, error, details),
  }
}

const plans = new WeakMap<Env, Plans>()

/** The plans as this installation has them. */
export function plansOf(env: Env): Plans {
  const known = plans.get(env)
  if (known) return known
  const merged = mergePlans(readConfig(env).PLANS)
  plans.set(env, merged)
  return merged
}

/** On the accounts of the people who write. */
function turnAccounts(env: Env, config: Config): TurnAccounts {
  const prices = { ...DEFAULT_PRICES, ...config.MODEL_PRICES }
  return new TurnAccounts({
    db: env.DB,
    plans: plansOf(env),
    cost: (model, tokens) => costOf(prices, model, tokens),
    reserve: (userId, key, facts, amounts) =>
      askLimiter(env.LIMITER, userId, (stub) => stub.reserve(key, facts, amounts)),
    release: (userId, key) => askLimiter(env.LIMITER, userId, (stub) => stub.release(key)),
    settle: (userId, settlements) => askLimiter(env.LIMITER, userId, (stub) => stub.settleAll(settlements)),
  })
}

/** The provider order of the design: OpenAI or compatible where configured, else offline. */
function modelOf(env: Env, config: Config): Model {
  const known = models.get(env)
  if (known) return known
  const model =
    config.OPENAI_API_KEY || config.OPENAI_BASE_URL
      ? new OpenAIModel({
          apiKey: config.OPENAI_API_KEY,
          baseUrl: config.OPENAI_BASE_URL,
          model: config.OPENAI_MODEL,
          firstTokenTimeoutMs: config.FIRST_TOKEN_TIMEOUT_MS,
          gapTimeoutMs: config.CHUNK_GAP_TIMEOUT_MS,
        })
      : new OfflineModel({ paceMs: config.OFFLINE_PACE_MS })
  models.set(env, model)
  return model
}

/**
 * Keeps the first result. Only a result, never a promise: a request that is cancelled takes its I/O along, and whoever
 * waited for that would wait for ever. So requests that come before there is a result each run on their own, and a
 * failure is not kept.
 */
function keep<T>(run: () => Promise<T>): () => Promise<T> {
  let kept: { readonly result: T } | null = null
  return async () => {
    if (kept) return kept.result
    try {
      const result = await run()
      kept = { result }
      return result
    } catch (cause) {
      throw new AppError('unavailable', 'The database does not answer.', { cause })
    }
  }
}
