/**
 * The tables of the audit trail and of the receipts of erasures, as drizzle sees them; what they promise is said, and
 * kept by triggers, in `migrations/d1/0005_audit.sql` and `0006_audit_retention.sql`.
 */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const audit = sqliteTable('audit', {
  id: integer().primaryKey(),
  at: integer().notNull(),
  action: text().notNull(),
  actor: text(),
  actorRole: text('actor_role'),
  subject: text(),
  resource: text(),
  details: text(),
  requestId: text('request_id').notNull(),
  address: text(),
  agent: text(),
})

export const auditPeople = sqliteTable('audit_people', {
  userId: text('user_id').primaryKey(),
  pseudonym: text().notNull(),
})

export const erasures = sqliteTable('erasures', {
  id: text().primaryKey(),
  requestedAt: integer('requested_at').notNull(),
  finishedAt: integer('finished_at'),
  removed: text().notNull(),
})
