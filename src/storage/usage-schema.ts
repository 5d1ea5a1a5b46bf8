/**
 * The usage ledger of D1, as drizzle sees it. Its SQL is in `migrations/d1`: a test holds the two against each other.
 * What is asked of it is in `usage.ts`.
 */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const usage = sqliteTable(
  'usage',
  {
    userId: text('user_id').notNull(),
    day: text().notNull(),
    conversationId: text('conversation_id').notNull(),
    agentId: text('agent_id').notNull(),
    model: text().notNull(),
    messages: integer().notNull(),
    inputTokens: integer('input_tokens').notNull(),
    outputTokens: integer('output_tokens').notNull(),
    cost: integer().notNull(),
    priced: integer().notNull(),
    seq: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.day, table.conversationId, table.agentId, table.model] }),
  ],
)
