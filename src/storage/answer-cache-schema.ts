/**
 * The answer cache of D1, as drizzle sees it. Its SQL is in `migrations/d1`: a test holds the two against each other.
 * What is asked of it is in `answer-cache.ts`.
 */
import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const answerCache = sqliteTable(
  'answer_cache',
  {
    key: text().primaryKey(),
    ownerId: text('owner_id'),
    text: text().notNull(),
    model: text().notNull(),
    finishReason: text('finish_reason').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [
    index('answer_cache_owner')
      .on(table.ownerId)
      .where(sql`owner_id IS NOT NULL`),
    index('answer_cache_expiry').on(table.expiresAt),
  ],
)
