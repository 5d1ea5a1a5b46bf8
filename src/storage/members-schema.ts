/**
 * The tables of membership and links in D1, as drizzle sees them. The SQL that makes them is
 * `migrations/d1/0004_members.sql`: a test holds the two against each other.
 */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const memberships = sqliteTable(
  'memberships',
  {
    userId: text('user_id').notNull(),
    conversationId: text('conversation_id').notNull(),
    role: text({ enum: ['editor', 'viewer', 'removed'] }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.conversationId] })],
)

export const links = sqliteTable('links', {
  hash: text().primaryKey(),
  kind: text({ enum: ['invite', 'share'] }).notNull(),
  conversationId: text('conversation_id').notNull(),
  expiresAt: integer('expires_at'),
})
