/**
 * Puts exports, erasures and retention over what keeps the data: D1, the conversations, the limiters. The composition root
 * hands in how those are reached; what is done with them is decided in the files beside this one.
 *
 * A search index and vectors will be further steps of an erasure, beside `usage`: what they hold is found by author.
 */
import type { Env } from '../env.ts'
import type { Standing } from '../limits/standing.ts'
import type { Logger } from '../observability/logger.ts'
import { NOTHING_REMOVED } from '../protocol/privacy.ts'
import type { Principal } from '../protocol/principal.ts'
import { forgetPerson, listEntries, removeOldEntries, type EntriesEnd } from '../storage/audit.ts'
import type { Webhook } from '../protocol/webhooks.ts'
import { findPerson } from '../storage/people.ts'
import * as rows from '../storage/privacy.ts'
import { serviceKeysOf } from '../storage/api-keys.ts'
import { sessionsOf } from '../storage/sessions.ts'
import { usageOf } from '../storage/usage.ts'
import type { ErasureDeps } from './erasure.ts'
import { exportStream } from './export.ts'
import { retain, type RetentionResult, type RetentionTimes } from './retention.ts'

export interface PrivacyParts {
  readonly env: Env
  readonly logger: Logger
  readonly standing: (userId: string) => Standing
  readonly cutSockets: (userId: string) => Promise<void>
  /** Endpoints of a person, as they are shown to them. */
  readonly webhooksOf: (userId: string) => Promise<readonly Webhook[]>
}

/** Messages and entries that are in memory at a time. */
const PAGE = 100

export type Privacy = ReturnType<typeof createPrivacy>

/** What routes and the cron trigger use. */
export function createPrivacy({ env, logger, standing, cutSockets, webhooksOf }: PrivacyParts) {
  const lockOut = lockOutWith(standing, cutSockets)
  return {
    export: (principal: Principal) => exportOf(env, logger, webhooksOf, principal),
    /** From now on this person is nobody here. @returns the receipt's id */
    async erase(userId: string): Promise<string> {
      const subjects = await rows.subjectsOf(env.DB, userId)
      // The job first: once anything was taken away, all of it will be.
      const object = env.ERASURES.get(env.ERASURES.idFromName(userId))
      const receiptId = await object.begin(userId, newReceiptId(), subjects)
      await rows.putReceipt(env.DB, receiptId, Date.now(), null, NOTHING_REMOVED)
      await Promise.all(subjects.map((subject) => lockOut(subject)))
      return receiptId
    },
    receipt: (receiptId: string) => rows.findReceipt(env.DB, receiptId),
    retain: (times: RetentionTimes): Promise<RetentionResult> =>
      retain(times, {
        now: () => Date.now(),
        unused: (plan, before, limit) => rows.unusedConversations(env.DB, plan, before, limit),
        removeIfIdle: (id, before) => conversationOf(env, id).removeIfIdle(before),
        removeExpired: (before, limit) => rows.removeExpiredRows(env.DB, before, limit),
        removeOldEntries: (before, limit) => removeOldEntries(env.DB, before, limit),
        report: (conversationId, error) => logger.error('retention_failed', error, { conversationId }),
      }),
  }
}

/** What the object of an erasure reaches. */
export function erasureDeps({ env, logger, standing, cutSockets }: PrivacyParts): ErasureDeps & {
  failed(error: unknown, receiptId: string, step: string): void
} {
  return {
    lockOut: lockOutWith(standing, cutSockets),
    placesOf: (userId, after, limit) => rows.placesOf(env.DB, userId, after, limit),
    trace: ({ conversationId, userId }) => conversationOf(env, conversationId).tracesOf(userId),
    forget: ({ conversationId, userId }) => conversationOf(env, conversationId).forgetPerson(userId),
    countUsage: (userId) => rows.countUsageRows(env.DB, userId),
    blankUsage: (userId) => rows.blankUsage(env.DB, userId),
    countAccount: (userId) => rows.countAccountRows(env.DB, userId),
    removeAccount: (userId) => rows.removeAccountRows(env.DB, userId),
    forgetLimits: (userId) => standing(userId).forget(),
    async forgetInAudit(userId) {
      await env.INCIDENTS.get(env.INCIDENTS.idFromName('global')).forgetPerson(userId)
      return await forgetPerson(env.DB, userId)
    },
    putReceipt: ({ receiptId, requestedAt, removed }, finished) =>
      rows.putReceipt(env.DB, receiptId, requestedAt, finished ? Date.now() : null, removed),
    // Neither says whose: a log outlives an erasure.
    report: (error, { conversationId }) => logger.error('erasure_delayed', error, { conversationId }),
    failed: (error, receiptId, step) => logger.error('erasure_failed', error, { receiptId, step }),
  }
}

function lockOutWith(standing: PrivacyParts['standing'], cutSockets: PrivacyParts['cutSockets']) {
  return async (userId: string): Promise<void> => {
    // Tokens tell the second in which they were made: those of this one are void too.
    await standing(userId).endSessions({ before: Math.floor(Date.now() / 1000) + 1 })
    await cutSockets(userId)
  }
}

function exportOf(
  env: Env,
  logger: Logger,
  webhooksOf: PrivacyParts['webhooksOf'],
  principal: Principal,
): ReadableStream<Uint8Array> {
  const { userId, name, role, plan } = principal
  const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())
  return exportStream({
    userId,
    now: () => Date.now(),
    async profile() {
      const person = await findPerson(env.DB, userId)
      const { email = null, createdAt = null } = person ?? {}
      return {
        id: userId,
        name: person?.name ?? name,
        email,
        role,
        plan: plan ?? person?.plan ?? null,
        createdAt,
      }
    },
    async sessions() {
      const sessions = await sessionsOf(env.DB, userId, 0)
      return sessions.map(({ id, createdAt, lastUsedAt, agent, address }) => ({
        id,
        createdAt: iso(createdAt),
        lastUsedAt: iso(lastUsedAt),
        agent,
        address,
      }))
    },
    async keys() {
      const keys = await serviceKeysOf(env.DB, userId)
      return keys.map(({ id, name, scopes, createdAt, expiresAt }) => ({
        id,
        name,
        scopes: scopes.split(' '),
        createdAt: iso(createdAt),
        expiresAt: iso(expiresAt),
      }))
    },
    webhooks: () => webhooksOf(userId),
    usage: () => usageOf(env.DB, userId, ''),
    audit: (after) => listEntries(env.DB, { concerning: userId }, PAGE, after as EntriesEnd | null) as never,
    subjects: () => rows.subjectsOf(env.DB, userId),
    placesOf: (subject, after, limit) => rows.placesOf(env.DB, subject, after, limit),
    async part(conversationId, subject, after) {
      const part = await conversationOf(env, conversationId).ownPart(subject, after, PAGE)
      return part && { ...part }
    },
    report: (part, error) => logger.error('export_incomplete', error, { part }),
  })
}

function conversationOf(env: Env, id: string) {
  return env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(id))
}

/** 128 random bits. */
function newReceiptId(): string {
  return crypto.randomUUID().replaceAll('-', '')
}
