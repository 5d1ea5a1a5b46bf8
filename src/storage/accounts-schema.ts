/**
 * The tables of accounts in D1, as drizzle sees them. The SQL that makes them is `migrations/d1/0002_accounts.sql`: a test
 * holds the two against each other. Times are milliseconds since the epoch.
 */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const users = sqliteTable('users', {
  id: text().primaryKey(),
  email: text(),
  emailKey: text('email_key'),
  name: text().notNull(),
  passwordHash: text('password_hash'),
  role: text({ enum: ['guest', 'user', 'moderator', 'admin', 'service'] }).notNull(),
  plan: text().notNull(),
  createdAt: integer('created_at').notNull(),
  suspendedAt: integer('suspended_at'),
  suspendedReason: text('suspended_reason'),
  lastSeenAt: integer('last_seen_at'),
})

export const sessions = sqliteTable('sessions', {
  id: text().primaryKey(),
  userId: text('user_id').notNull(),
  createdAt: integer('created_at').notNull(),
  lastUsedAt: integer('last_used_at').notNull(),
  agent: text().notNull(),
  address: text().notNull(),
})

export const refreshTokens = sqliteTable('refresh_tokens', {
  hash: text().primaryKey(),
  sessionId: text('session_id').notNull(),
  expiresAt: integer('expires_at').notNull(),
  usedAt: integer('used_at'),
  nextHash: text('next_hash'),
})

export const serviceKeys = sqliteTable('service_keys', {
  id: text().primaryKey(),
  ownerId: text('owner_id').notNull(),
  name: text().notNull(),
  hash: text().notNull(),
  scopes: text().notNull(),
  createdAt: integer('created_at').notNull(),
  expiresAt: integer('expires_at'),
})
