/**
 * Answers that were given before, in D1: read by the turns of agents that are cacheable, and by no other. What may be kept,
 * and under which key, is decided by the caller.
 */
import { finishReason, type FinishReason } from '../protocol/message.ts'

export interface StoredAnswer {
  readonly text: string
  readonly model: string
  readonly finishReason: FinishReason
}

/** How long an answer is kept after its time, for when nobody can answer: a week. */
export const STALE_MS = 7 * 24 * 3600 * 1000

/** @returns null when there is none whose time is not over before `now`, ms since the epoch */
export async function findAnswer(db: D1Database, key: string, now: number): Promise<StoredAnswer | null> {
  const row = await db
    .prepare(
      'SELECT text, model, finish_reason AS finishReason FROM answer_cache WHERE key = ? AND expires_at > ?',
    )
    .bind(key, now)
    .first<StoredAnswer>()
  return row && { ...row, finishReason: finishReason.catch('unknown').parse(row.finishReason) }
}

/** Keeps an answer; a newer one under the same key replaces it. @param ownerId null: it is everyone's */
export async function putAnswer(
  db: D1Database,
  key: string,
  answer: StoredAnswer,
  expiresAt: number,
  ownerId: string | null,
): Promise<void> {
  await db
    .prepare(
      `INSERT OR REPLACE INTO answer_cache (key, owner_id, text, model, finish_reason, expires_at)
       VALUES (?, ?, ?, ?, ?, ?)`,
    )
    .bind(key, ownerId, answer.text, answer.model, answer.finishReason, expiresAt)
    .run()
}
