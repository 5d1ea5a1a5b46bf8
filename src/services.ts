/**
 * The composition root: the only file that chooses adapters. `createServices` serves the Worker's routes,
 * `conversationParts` the conversation objects; both are built once per isolate from the checked configuration.
 */
import type { ChatInput } from './conversation/chat-input.ts'
import type { ConversationDeps } from './conversation/deps.ts'
import type { ConversationObject } from './conversation/conversation-object.ts'
import { estimateTokenCount } from 'tokenx'
import { Tokens } from './auth/tokens.ts'
import { readConfig, secretValues, type Config, type Env } from './env.ts'
import { AppError } from './errors.ts'
import type { Model } from './models/model.ts'
import { OfflineModel } from './models/offline.ts'
import { OpenAIModel } from './models/openai.ts'
import { createLogger, type Logger } from './observability/logger.ts'
import { listConversations, putConversation, removeConversation } from './storage/directory.ts'
import { localSecret, migrateLocally } from './storage/local-setup.ts'

export type ConversationStub = DurableObjectStub<ConversationObject>
export type { ChatInput }

export interface Services {
  readonly config: Config
  readonly logger: Logger
  readonly tokens: Tokens
  readonly model: Model
  /** Resolves when this installation can serve: locally, when the database was migrated. */
  ready(): Promise<void>
  /** @returns whether this is the ticket's first use */
  redeemTicket(userId: string, ticketId: string, expiresAt: number): Promise<boolean>
  conversation(id: string): ConversationStub
  readonly directory: {
    list(
      ownerId: string,
      limit: number,
      after: Parameters<typeof listConversations>[3],
    ): ReturnType<typeof listConversations>
    /** A query that touches no table. */
    ping(): Promise<void>
  }
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
  const services: Services = {
    config,
    logger: loggerOf(env),
    ready,
    model: modelOf(env, config),
    tokens: new Tokens(secret),
    redeemTicket: (userId, ticketId, expiresAt) =>
      env.TICKETS.get(env.TICKETS.idFromName(userId)).redeem(ticketId, expiresAt),
    conversation: (id) => env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(id)),
    directory: {
      list: (ownerId, limit, after) => listConversations(env.DB, ownerId, limit, after),
      ping: async () => void (await env.DB.prepare('SELECT 1').first()),
    },
  }
  built.set(env, services)
  return services
}

/** What a conversation object gets from the outside; the rest it lends itself. */
export function conversationParts(
  env: Env,
): Pick<ConversationDeps, 'model' | 'settings' | 'directory' | 'warn' | 'report'> {
  const config = readConfig(env)
  const logger = loggerOf(env)
  return {
    model: modelOf(env, config),
    settings: {
      systemPrompt: config.SYSTEM_PROMPT,
      contextTokens: config.CONTEXT_TOKENS - estimateTokenCount(config.SYSTEM_PROMPT),
      maxQueuedTurns: config.MAX_QUEUED_TURNS,
      watchdogMs: config.TURN_WATCHDOG_MS,
      models: config.OPENAI_MODELS,
    },
    directory: {
      put: (entry) => putConversation(env.DB, entry.conversation, entry.seq),
      remove: (id) => removeConversation(env.DB, id),
    },
    warn: (event, details) => logger.warn(event, details),
    report: (event, error, details) => logger.error(event, error, details),
  }
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
