/**
 * Keys of machines in D1. The secret part is known here by its hash alone; a revoked key has no row.
 * Who may make and revoke keys is decided by the routes.
 */
import { and, desc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { serviceKeys, users } from './accounts-schema.ts'
import { entryStatements, FIRST_GUARD_VALUE, type Guard, type NewEntry } from './audit.ts'

export type ServiceKeyRow = typeof serviceKeys.$inferSelect

/**
 * @param entry of the trail that says so: written with the key or not at all, for an erasure finds by it what the key wrote
 * @returns false when this person has as many keys as they may
 */
export async function createServiceKey(
  db: D1Database,
  key: ServiceKeyRow,
  most: number,
  entry: NewEntry,
): Promise<boolean> {
  const { id, ownerId, name, hash, scopes, createdAt, expiresAt } = key
  const hasRoom = (first: number): string =>
    `(SELECT count(*) FROM service_keys WHERE owner_id = ?${first}) < ?${first + 1}`
  const guard: Guard = { sql: hasRoom(FIRST_GUARD_VALUE), values: [ownerId, most] }
  const add = db
    .prepare(
      `INSERT INTO service_keys (id, name, hash, scopes, created_at, expires_at, owner_id)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ${hasRoom(7)}`,
    )
    .bind(id, name, hash, scopes, createdAt, expiresAt, ownerId, most)
  const results = await db.batch([...entryStatements(db, entry, createdAt, guard), add])
  return results.at(-1)?.meta.changes === 1
}

/** Newest first. */
export async function serviceKeysOf(db: D1Database, ownerId: string): Promise<ServiceKeyRow[]> {
  return await drizzle(db)
    .select()
    .from(serviceKeys)
    .where(eq(serviceKeys.ownerId, ownerId))
    .orderBy(desc(serviceKeys.createdAt), desc(serviceKeys.id))
}

/** @returns whether this person had such a key */
export async function removeServiceKey(db: D1Database, ownerId: string, id: string): Promise<boolean> {
  const { meta } = await drizzle(db)
    .delete(serviceKeys)
    .where(and(eq(serviceKeys.id, id), eq(serviceKeys.ownerId, ownerId)))
    .run()
  return meta.changes > 0
}

/** With what its owner is now. */
export async function findServiceKey(
  db: D1Database,
  id: string,
): Promise<{ key: ServiceKeyRow; owner: { id: string; plan: string; suspended: boolean } } | null> {
  const row = await drizzle(db)
    .select({ key: serviceKeys, plan: users.plan, suspendedAt: users.suspendedAt })
    .from(serviceKeys)
    .innerJoin(users, eq(users.id, serviceKeys.ownerId))
    .where(eq(serviceKeys.id, id))
    .get()
  return row
    ? { key: row.key, owner: { id: row.key.ownerId, plan: row.plan, suspended: row.suspendedAt !== null } }
    : null
}
