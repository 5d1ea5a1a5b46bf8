/**
 * The tables of D1, as drizzle sees them. The SQL that makes them is in `migrations/d1`, written by hand: a test holds the
 * two against each other.
 */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const conversations = sqliteTable('conversations', {
  id: text().primaryKey(),
  ownerId: text('owner_id').notNull(),
  title: text().notNull(),
  createdAt: integer('created_at').notNull(),
  lastActivityAt: integer('last_activity_at').notNull(),
  messageCount: integer('message_count').notNull(),
  seq: integer().notNull(),
})

export const settings = sqliteTable('settings', {
  name: text().primaryKey(),
  value: text().notNull(),
})
