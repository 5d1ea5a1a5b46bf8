/**
 * The composition root: the only file that chooses adapters. `createServices` serves the Worker's routes; it is
 * built once per isolate from the checked configuration. Its other parts: identity, providers, and what conversations get.
 */
import type { ChatInput } from './conversation/chat-input.ts'
import type { LinkEntry } from './conversation/deps.ts'
import type { ConversationObject } from './conversation/conversation-object.ts'
import { Agents } from './agents/registry.ts'
import { queuesOf, type Queues } from './admission/wiring.ts'
import { Tokens } from './auth/tokens.ts'
import type { IncidentsObject } from './incidents/incidents-object.ts'
import { readConfig, secretValues, type Config, type Env } from './env.ts'
import { AppError, type ErrorCode } from './errors.ts'
import { createIdentity, type Identity } from './identity.ts'
import { askLimiter, standingOf } from './limits/limiter-calls.ts'
import { mergePlans, type Plans } from './limits/plans.ts'
import type { Standing } from './limits/standing.ts'
import { factsOfPayer, payerOf } from './limits/turn-accounts.ts'
import type { Model } from './models/model.ts'
import { createLogger, type Logger } from './observability/logger.ts'
import { deskOf, type OperationsDesk } from './operations/operations-calls.ts'
import type { OperationsLink } from './operations/operations-link.ts'
import type { ConfiguredProvider } from './operations/provider-list.ts'
import { admissionFor, incidentsOf, modelOf, operationsLinkOf } from './operating.ts'
import { perIsolate } from './per-isolate.ts'
import { createPrivacy, erasureDeps, type Privacy } from './privacy/wiring.ts'
import { providersFor } from './providers.ts'
import { auditTrailOf, type AuditTrail } from './storage/audit.ts'
import { listConversations } from './storage/directory.ts'
import { findLink } from './storage/links.ts'
import { localSecret, migrateLocally } from './storage/local-setup.ts'
import { peopleOf, type People } from './storage/people.ts'
import { usageBy, usageOf } from './storage/usage.ts'
import { createWebhooks, type WebhookServices } from './webhooks/wiring.ts'
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
  readonly agents: Agents
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
  /** The same, for operators. */
  readonly queues: Queues
  readonly audit: AuditTrail
  readonly people: People
  readonly privacy: Privacy
  /** The object that knows all incidents; asked for anew each time, because one that failed once stays broken. */
  incidents(): DurableObjectStub<IncidentsObject>
  /** Who is asked for answers, in this order. */
  providers(): readonly ConfiguredProvider[]
  readonly operations: OperationsDesk
  /** What this isolate knows of the providers' health, and what it reports. */
  readonly operationsLink: OperationsLink
  readonly webhooks: WebhookServices
  /** Names of the plans that there are. */
  readonly plans: readonly string[]
  /** Ends all sockets of a person; one that cannot be reached is reported, and ends with its token. */
  cutSockets(userId: string, code: ErrorCode): Promise<void>
}

async function cutSockets(env: Env, userId: string, code: ErrorCode): Promise<void> {
  await cutIn(env, await standingOf(env.LIMITER, userId).connections(), userId, code)
}

/** Ends a person's sockets in these conversations. */
export async function cutIn(
  env: Env,
  rooms: readonly string[],
  userId: string,
  code: ErrorCode,
): Promise<void> {
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
    webhooksOf: (userId) => createServices(env).webhooks.endpoints.list(userId),
  }
}

/** What the object of an erasure gets from the outside. */
export function erasureParts(env: Env): ReturnType<typeof erasureDeps> {
  return erasureDeps(privacyParts(env))
}

/** What the cron trigger does. */
export async function runRetention(env: Env): Promise<void> {
  const services = createServices(env)
  await services.ready()
  const { RETENTION: conversations, AUDIT_RETENTION_DAYS: audit } = services.config
  services.logger.info('retention', { ...(await services.privacy.retain({ conversations, audit })) })
  await services.webhooks.endpoints.tidy()
}

/** What lies in the queue of webhooks, and in that of its dead letters. */
export async function runQueue(env: Env, batch: MessageBatch): Promise<void> {
  const services = createServices(env)
  await services.ready()
  await services.webhooks.consume(batch)
}

/** Also for what fails before a request or an object has a logger of its own, or a configuration. */
export const loggerOf = perIsolate((env): Logger => createLogger({}, undefined, secretValues(env)))

export const createServices = perIsolate((env): Services => {
  const config = readConfig(env)
  const ready = keep(() => (config.isLocal ? migrateLocally(env.DB) : Promise.resolve()))
  const secret = keep(() => (config.AUTH_SECRET ? Promise.resolve(config.AUTH_SECRET) : localSecret(env.DB)))
  const previous = config.AUTH_SECRET_PREVIOUS ?? []
  const secrets = async (): Promise<string[]> => [await secret()].concat(previous)
  const tokens = new Tokens(secrets)
  const logger = loggerOf(env)
  return {
    config,
    logger,
    ready,
    model: modelOf(env),
    agents: agentsOf(env),
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
    queues: queuesOf(admissionFor(env)),
    audit: auditTrailOf(env.DB),
    people: peopleOf(env.DB),
    privacy: createPrivacy(privacyParts(env)),
    incidents: () => incidentsOf(env),
    providers: () => providersFor(env).list,
    operations: deskOf(env.OPERATIONS, () => providersFor(env).list),
    operationsLink: operationsLinkOf(env),
    webhooks: createWebhooks({
      db: env.DB,
      queue: env.WEBHOOK_QUEUE,
      isLocal: config.isLocal,
      configured: alertEndpoint(config),
      secrets,
      report: (event, error, details) => logger.error(event, error, details),
    }),
    plans: Object.keys(plansOf(env)),
    cutSockets: (userId, code) => cutSockets(env, userId, code),
  }
})

export const agentsOf = perIsolate((env): Agents => {
  const { AGENTS, SYSTEM_PROMPT } = readConfig(env)
  return new Agents(AGENTS, SYSTEM_PROMPT)
})

function alertEndpoint({ ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: secret }: Config) {
  return url === undefined || secret === undefined ? null : { url, secret }
}

/** The plans as this installation has them. */
export const plansOf = perIsolate((env): Plans => mergePlans(readConfig(env).PLANS))

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
