/**
 * Endpoints of webhooks in D1, and what became of deliveries. Secrets are sealed texts here; who may have endpoints, and
 * when one is disabled, is decided in `webhooks/`. An owner of null stands for the operators.
 *
 * A secret that is made, or an endpoint that goes, is one transaction with its entry of the audit trail.
 */
import { drizzle } from 'drizzle-orm/d1'
import { and, desc, eq, gte, isNull, type SQL } from 'drizzle-orm'
import { entryStatements, FIRST_GUARD_VALUE, type Guard, type NewEntry } from './audit.ts'
import { webhookDeliveries, webhooks } from './webhooks-schema.ts'

export type WebhookRow = typeof webhooks.$inferSelect
export type DeliveryRow = typeof webhookDeliveries.$inferSelect
export type NewWebhook = Pick<WebhookRow, 'id' | 'ownerId' | 'url' | 'events' | 'secret' | 'createdAt'>

/** How often the time of the last success is written. */
const SUCCESS_EVERY_MS = 60_000

const ownedBy = (ownerId: string | null): SQL =>
  ownerId === null ? isNull(webhooks.ownerId) : eq(webhooks.ownerId, ownerId)

/**
 * @param entry of the trail that says so; of the time of creation
 * @returns false when this owner has as many as they may
 */
export async function createWebhook(
  db: D1Database,
  webhook: NewWebhook,
  most: number,
  entry: NewEntry,
): Promise<boolean> {
  const { id, ownerId, url, events, secret, createdAt } = webhook
  const hasRoom = (first: number): string =>
    `(SELECT count(*) FROM webhooks WHERE owner_id IS ?${first}) < ?${first + 1}`
  const guard: Guard = { sql: hasRoom(FIRST_GUARD_VALUE), values: [ownerId, most] }
  const add = db
    .prepare(
      `INSERT INTO webhooks (id, url, events, secret, created_at, owner_id, dead_in_a_row)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0 WHERE ${hasRoom(6)}`,
    )
    .bind(id, url, events, secret, createdAt, ownerId, most)
  const results = await db.batch([...entryStatements(db, entry, createdAt, guard), add])
  return results.at(-1)?.meta.changes === 1
}

/** Newest first. */
export async function webhooksOf(db: D1Database, ownerId: string | null): Promise<WebhookRow[]> {
  return await drizzle(db)
    .select()
    .from(webhooks)
    .where(ownedBy(ownerId))
    .orderBy(desc(webhooks.createdAt), desc(webhooks.id))
}

/** @param ownerId whose it must be; undefined: anybody's */
export async function findWebhook(
  db: D1Database,
  id: string,
  ownerId?: string | null,
): Promise<WebhookRow | null> {
  const owner = ownerId === undefined ? undefined : ownedBy(ownerId)
  const row = await drizzle(db)
    .select()
    .from(webhooks)
    .where(and(eq(webhooks.id, id), owner))
    .get()
  return row ?? null
}

/**
 * With what is known of its deliveries.
 *
 * @param entry of the trail that says so
 * @param now ms since the epoch, of the entry
 * @returns whether this owner had it
 */
export async function removeWebhook(
  db: D1Database,
  ownerId: string | null,
  id: string,
  entry: NewEntry,
  now: number,
): Promise<boolean> {
  const owned = (first: number): string =>
    `(SELECT id FROM webhooks WHERE id = ?${first} AND owner_id IS ?${first + 1})`
  const guard: Guard = { sql: `EXISTS ${owned(FIRST_GUARD_VALUE)}`, values: [id, ownerId] }
  const results = await db.batch([
    ...entryStatements(db, entry, now, guard),
    db.prepare(`DELETE FROM webhook_deliveries WHERE endpoint_id IN ${owned(1)}`).bind(id, ownerId),
    db.prepare('DELETE FROM webhooks WHERE id = ?1 AND owner_id IS ?2').bind(id, ownerId),
  ])
  return (results.at(-1)?.meta.changes ?? 0) > 0
}

/** What signs from now on: the newest, and the previous one until its time. */
export type NewSecret = Pick<WebhookRow, 'secret' | 'previousSecret' | 'previousUntil'>

/**
 * Only while the row holds the secrets that this was decided on: of two at once, one is made.
 *
 * @param entry of the trail that says so
 * @param now ms since the epoch, of the entry
 * @returns whether it is disabled now, as it is not because of a secret that nobody could read; null when nothing changed
 */
export async function replaceSecret(
  db: D1Database,
  { id, secret, previousSecret }: Pick<WebhookRow, 'id' | 'secret' | 'previousSecret'>,
  next: NewSecret,
  entry: NewEntry,
  now: number,
): Promise<Pick<WebhookRow, 'disabledAt' | 'disabledReason'> | null> {
  const asRead = (first: number): string =>
    `id = ?${first} AND secret = ?${first + 1} AND previous_secret IS ?${first + 2}`
  const values = [id, secret, previousSecret]
  const guard: Guard = {
    sql: `EXISTS (SELECT 1 FROM webhooks WHERE ${asRead(FIRST_GUARD_VALUE)})`,
    values,
  }
  const update = db
    .prepare(
      `UPDATE webhooks SET secret = ?1, previous_secret = ?2, previous_until = ?3,
         disabled_at = CASE disabled_reason WHEN 'secret_unreadable' THEN NULL ELSE disabled_at END,
         disabled_reason = CASE disabled_reason WHEN 'secret_unreadable' THEN NULL ELSE disabled_reason END
       WHERE ${asRead(4)} RETURNING disabled_at AS disabledAt, disabled_reason AS disabledReason`,
    )
    .bind(next.secret, next.previousSecret, next.previousUntil, ...values)
  const results = await db.batch<WebhookRow>([...entryStatements(db, entry, now, guard), update])
  return results.at(-1)?.results[0] ?? null
}

/** Only while the row holds what was sealed before: a rotation that came between stays. */
export async function replaceSealed(
  db: D1Database,
  { id, secret, previousSecret }: Pick<WebhookRow, 'id' | 'secret' | 'previousSecret'>,
  next: Pick<WebhookRow, 'secret' | 'previousSecret'>,
): Promise<void> {
  await db
    .prepare(
      'UPDATE webhooks SET secret = ?4, previous_secret = ?5 WHERE id = ?1 AND secret = ?2 AND previous_secret IS ?3',
    )
    .bind(id, secret, previousSecret, next.secret, next.previousSecret)
    .run()
}

/** Those whose sealed text does not begin like this. */
export async function sealedOtherwise(db: D1Database, prefix: string, limit: number): Promise<WebhookRow[]> {
  const { results } = await db
    .prepare(
      `SELECT id, secret, previous_secret AS previousSecret FROM webhooks
       WHERE substr(secret, 1, ?2) <> ?1 OR substr(previous_secret, 1, ?2) <> ?1 LIMIT ?3`,
    )
    .bind(prefix, prefix.length, limit)
    .all<WebhookRow>()
  return results
}

/** Writes what became of an attempt, and what it says of its endpoint. One that is gone has no history. */
export async function recordDelivery(
  db: D1Database,
  row: DeliveryRow,
  disable: WebhookRow['disabledReason'] = null,
): Promise<void> {
  const { endpointId, at, eventId, type, attempt, outcome, failure, status, durationMs } = row
  const add = db
    .prepare(
      `INSERT INTO webhook_deliveries
         (endpoint_id, at, event_id, type, attempt, outcome, failure, status, duration_ms)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
       WHERE ?1 = 'configured' OR EXISTS (SELECT 1 FROM webhooks WHERE id = ?1)
       ON CONFLICT DO NOTHING`,
    )
    .bind(endpointId, at, eventId, type, attempt, outcome, failure, status, durationMs)
  const note =
    outcome === 'delivered'
      ? db
          .prepare(
            `UPDATE webhooks SET last_success_at = ?2, dead_in_a_row = 0
             WHERE id = ?1 AND (dead_in_a_row > 0 OR last_success_at IS NULL OR last_success_at < ?3)`,
          )
          .bind(endpointId, at, at - SUCCESS_EVERY_MS)
      : db
          .prepare(
            `UPDATE webhooks SET last_failure_at = ?2, disabled_reason = coalesce(disabled_reason, ?3),
               disabled_at = CASE WHEN ?3 IS NULL THEN disabled_at ELSE coalesce(disabled_at, ?2) END
             WHERE id = ?1`,
          )
          .bind(endpointId, at, disable)
  await db.batch([add, note])
}

/** Counts a delivery that was given up; the endpoint is disabled at `most` in a row. Told again, it counts once. */
export async function recordDead(db: D1Database, row: DeliveryRow, most: number): Promise<void> {
  const { endpointId, at, eventId, type, attempt, durationMs } = row
  await db.batch([
    // First, because the row tells whether it was counted.
    db
      .prepare(
        `UPDATE webhooks SET last_failure_at = ?2, dead_in_a_row = dead_in_a_row + 1,
           disabled_at = CASE WHEN dead_in_a_row + 1 >= ?4 THEN coalesce(disabled_at, ?2) ELSE disabled_at END,
           disabled_reason = CASE WHEN dead_in_a_row + 1 >= ?4
             THEN coalesce(disabled_reason, 'deliveries_failed') ELSE disabled_reason END
         WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM webhook_deliveries
           WHERE endpoint_id = ?1 AND at = ?2 AND event_id = ?3 AND outcome = 'dead')`,
      )
      .bind(endpointId, at, eventId, most),
    db
      .prepare(
        `INSERT INTO webhook_deliveries
           (endpoint_id, at, event_id, type, attempt, outcome, failure, status, duration_ms)
         SELECT ?1, ?2, ?3, ?4, ?5, 'dead', 'given_up', NULL, ?6
         WHERE ?1 = 'configured' OR EXISTS (SELECT 1 FROM webhooks WHERE id = ?1)
         ON CONFLICT DO NOTHING`,
      )
      .bind(endpointId, at, eventId, type, attempt, durationMs),
  ])
}

/** After a test that succeeded. */
export async function enableWebhook(db: D1Database, id: string): Promise<void> {
  await db
    .prepare(
      'UPDATE webhooks SET disabled_at = NULL, disabled_reason = NULL, dead_in_a_row = 0 WHERE id = ? AND disabled_at IS NOT NULL',
    )
    .bind(id)
    .run()
}

/** Newest first. */
export async function deliveriesOf(
  db: D1Database,
  endpointId: string,
  since: number,
  limit: number,
): Promise<DeliveryRow[]> {
  return await drizzle(db)
    .select()
    .from(webhookDeliveries)
    .where(and(eq(webhookDeliveries.endpointId, endpointId), gte(webhookDeliveries.at, since)))
    .orderBy(desc(webhookDeliveries.at), desc(webhookDeliveries.eventId))
    .limit(limit)
}

/** Goes by endpoint, so that no index by time has to be written with each delivery. @returns rows removed */
export async function removeOldDeliveries(db: D1Database, before: number, limit: number): Promise<number> {
  const { meta } = await db
    .prepare(
      `DELETE FROM webhook_deliveries WHERE (endpoint_id, at, event_id) IN (
         SELECT endpoint_id, at, event_id FROM (SELECT id FROM webhooks UNION ALL SELECT 'configured') AS endpoints
         CROSS JOIN webhook_deliveries ON endpoint_id = endpoints.id AND at < ?1 LIMIT ?2)`,
    )
    .bind(before, limit)
    .run()
  return meta.changes
}
