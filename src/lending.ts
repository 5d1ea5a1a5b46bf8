/**
 * The conversations' part of the composition root: what a conversation object gets from the outside. The rest it lends
 * itself (time, timers, its alarm). Built for each object from what the isolate holds once.
 */
import type { AnswerCache } from './conversation/answer-cache.ts'
import type { ConversationDeps } from './conversation/deps.ts'
import { readConfig, type Env } from './env.ts'
import { AppError } from './errors.ts'
import { askLimiter, standingOf } from './limits/limiter-calls.ts'
import { mergeFrameRates } from './limits/plans.ts'
import { factsOf, TurnAccounts } from './limits/turn-accounts.ts'
import { costOf } from './models/prices.ts'
import { admissionFor, modelOf, operationsLinkOf } from './operating.ts'
import { providersFor } from './providers.ts'
import { agentsOf, createServices, cutIn, loggerOf, plansOf } from './services.ts'
import { findAnswer, putAnswer } from './storage/answer-cache.ts'
import { putConversation, removeConversation } from './storage/directory.ts'
import { putLink, removeLink } from './storage/links.ts'
import { tellingOf } from './webhooks/turn-events.ts'

/** What a conversation object gets from the outside; the rest it lends itself. */
export function conversationParts(
  env: Env,
): Pick<
  ConversationDeps,
  | 'model'
  | 'agents'
  | 'cache'
  | 'admission'
  | 'fresh'
  | 'paused'
  | 'settings'
  | 'directory'
  | 'quota'
  | 'verify'
  | 'isSuspended'
  | 'connected'
  | 'warn'
  | 'report'
> {
  const config = readConfig(env)
  const logger = loggerOf(env)
  const providers = providersFor(env)
  return {
    model: modelOf(env),
    agents: agentsOf(env),
    cache: answerCacheOf(env),
    admission: admissionFor(env),
    // An object lives as long as it waits for anything.
    fresh: () => operationsLinkOf(env).fresh(() => undefined),
    paused: () => operationsLinkOf(env).pausedForAll(),
    settings: {
      contextTokens: config.CONTEXT_TOKENS,
      answerTokens: config.ANSWER_TOKENS,
      frameRates: mergeFrameRates(config.FRAME_RATES),
      maxQueuedTurns: config.MAX_QUEUED_TURNS,
      queueTimeoutMs: config.QUEUE_TIMEOUT_MS,
      continueTokens: config.MODEL_CONTINUE_TOKENS,
      watchdogMs: config.TURN_WATCHDOG_MS,
      maxSocketsPerUser: config.MAX_SOCKETS_PER_USER,
      maxSocketsPerRoom: config.MAX_SOCKETS_PER_ROOM,
      authGraceMs: config.AUTH_GRACE_MS,
      models: providers.names,
    },
    quota: quotaOf(env),
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
    isSuspended: (userId) => standingOf(env.LIMITER, userId).isSuspended(),
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

/** A store that does not answer costs a call to the model, and never a turn. */
function answerCacheOf(env: Env): AnswerCache {
  const logger = loggerOf(env)
  const failed = (error: unknown): null => {
    logger.error('answer_cache_failed', error)
    return null
  }
  return {
    get: (key, stale) => findAnswer(env.DB, key, stale ? 0 : Date.now()).catch(failed),
    put: async (key, answer, ttlMs, ownerId) =>
      void (await putAnswer(env.DB, key, answer, Date.now() + ttlMs, ownerId).catch(failed)),
  }
}

/** Counts turns, and tells whose they are of them. */
function quotaOf(env: Env): ConversationDeps['quota'] {
  const accounts = turnAccounts(env)
  return {
    counts: (author) => accounts.counts(author),
    reserve: (author, key, estimate) => accounts.reserve(author, key, estimate),
    release: (author, key) => accounts.release(author, key),
    settle: tellingOf(
      (turns) => accounts.settle(turns),
      () => createServices(env).webhooks,
    ),
  }
}

/** On the accounts of the people who write. */
function turnAccounts(env: Env): TurnAccounts {
  const { prices, modelBehind } = providersFor(env)
  return new TurnAccounts({
    db: env.DB,
    plans: plansOf(env),
    cost: (model, tokens) => costOf(prices, modelBehind(model), tokens),
    reserve: (userId, key, facts, amounts) =>
      askLimiter(env.LIMITER, userId, (stub) => stub.reserve(key, facts, amounts)),
    release: (userId, key) => askLimiter(env.LIMITER, userId, (stub) => stub.release(key)),
    settle: (userId, settlements) => askLimiter(env.LIMITER, userId, (stub) => stub.settleAll(settlements)),
  })
}
