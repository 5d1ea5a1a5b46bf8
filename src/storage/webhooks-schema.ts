/**
 * The tables of webhooks in D1, as drizzle sees them. The SQL that makes them is the migration of that name: a test holds
 * the two against each other. Times are milliseconds since the epoch.
 */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const webhooks = sqliteTable('webhooks', {
  id: text().primaryKey(),
  ownerId: text('owner_id'),
  url: text().notNull(),
  events: text().notNull(),
  secret: text().notNull(),
  previousSecret: text('previous_secret'),
  previousUntil: integer('previous_until'),
  createdAt: integer('created_at').notNull(),
  disabledAt: integer('disabled_at'),
  disabledReason: text('disabled_reason', {
    enum: ['gone', 'deliveries_failed', 'address_refused', 'secret_unreadable'],
  }),
  lastSuccessAt: integer('last_success_at'),
  lastFailureAt: integer('last_failure_at'),
  deadInARow: integer('dead_in_a_row').notNull(),
})

export const webhookDeliveries = sqliteTable(
  'webhook_deliveries',
  {
    endpointId: text('endpoint_id').notNull(),
    at: integer().notNull(),
    eventId: text('event_id').notNull(),
    type: text().notNull(),
    attempt: integer().notNull(),
    outcome: text({ enum: ['delivered', 'failed', 'dead'] }).notNull(),
    failure: text({
      enum: ['status', 'redirect', 'timeout', 'network', 'address_refused', 'secret_unreadable', 'given_up'],
    }),
    status: integer(),
    durationMs: integer('duration_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.endpointId, table.at, table.eventId] })],
)
