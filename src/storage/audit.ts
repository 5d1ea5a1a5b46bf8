/**
 * The audit trail in D1: written one entry at a time, read in pages, newest first. What is written cannot be changed, nor
 * removed before it is old: the migrations' triggers see to that, whatever this file does.
 *
 * People are written under a pseudonym of their own; `audit_people` says who is who, until an erasure.
 */
import type { AuditAction, AuditDetails, AuditEntry } from '../protocol/admin.ts'
import type { Principal } from '../protocol/principal.ts'

export interface NewEntry {
  readonly action: AuditAction
  /** Who did it; null when nobody had proved who they are. */
  readonly actor: Pick<Principal, 'userId' | 'role'> | null
  /** A person by user id, or a thing (`conversation:…`). */
  readonly resource?: string | null | undefined
  /** Codes, counts and ids only. */
  readonly details?: AuditDetails | null | undefined
  readonly requestId: string
  readonly address: string | null
  readonly agent: string | null
}

const PERSON = /^(?:guest|user|oidc|service):/
const ERASED = 'erased:'

const KNOW = 'INSERT INTO audit_people (user_id, pseudonym) VALUES (?1, ?2) ON CONFLICT (user_id) DO NOTHING'
const ADD = `
  INSERT INTO audit (at, action, actor, actor_role, subject, resource, details, request_id, address, agent)
  SELECT ?1, ?2, (SELECT pseudonym FROM audit_people WHERE user_id = ?3), ?4,
    (SELECT pseudonym FROM audit_people WHERE user_id = ?5), ?6, ?7, ?8, ?9, ?10`

/** Only when this holds, which is read in the same transaction. */
export interface Guard {
  readonly sql: string
  readonly values: readonly (string | number | null)[]
}

/** Number of a guard's first value in the statement of an entry. */
export const FIRST_GUARD_VALUE = 11

/** The statements of one entry, for a batch with the change that it tells: both are written, or neither. */
export function entryStatements(
  db: D1Database,
  entry: NewEntry,
  at: number,
  guard?: Guard,
): D1PreparedStatement[] {
  const { actor, resource = null, details = null } = entry
  const subject = resource !== null && PERSON.test(resource) ? resource : null
  const people = [actor?.userId, subject].filter((id) => id != null)
  const add = db.prepare(guard ? `${ADD} WHERE ${guard.sql}` : ADD)
  return [
    ...people.map((id) => db.prepare(KNOW).bind(id, crypto.randomUUID().replaceAll('-', ''))),
    add.bind(
      at,
      entry.action,
      actor?.userId ?? null,
      actor?.role ?? null,
      subject,
      subject === null ? resource : null,
      details === null ? null : JSON.stringify(details),
      entry.requestId,
      entry.address,
      entry.agent,
      ...(guard?.values ?? []),
    ),
  ]
}

export async function recordEntry(db: D1Database, entry: NewEntry, at: number): Promise<void> {
  await db.batch(entryStatements(db, entry, at))
}

export interface EntryFilter {
  /** User ids, or `erased:…`. */
  readonly actor?: string | undefined
  readonly resource?: string | undefined
  readonly action?: AuditAction | undefined
  /** Ms since the epoch, the first included, the second not. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** Entries that this person made, or that are about them. */
  readonly concerning?: string | undefined
}

/** Where a page ended: time of its last entry, ms since the epoch, and its id for ties. */
export interface EntriesEnd {
  readonly at: number
  readonly id: number
}

/** As it is stored; drizzle sees it as `audit` in audit-schema.ts. */
interface Row {
  readonly id: number
  readonly at: number
  readonly action: AuditAction
  readonly actor: string | null
  readonly actor_id: string | null
  readonly actor_role: AuditEntry['actorRole']
  readonly subject: string | null
  readonly subject_id: string | null
  readonly resource: string | null
  readonly details: string | null
  readonly request_id: string
  readonly address: string | null
  readonly agent: string | null
}

/** Newest first, by key. @returns `end`: where to go on, null at the end */
export async function listEntries(
  db: D1Database,
  filter: EntryFilter,
  limit: number,
  after: EntriesEnd | null,
): Promise<{ entries: AuditEntry[]; end: EntriesEnd | null }> {
  const { sql, values } = conditions(filter, after)
  const { results } = await db
    .prepare(
      `SELECT audit.*, who.user_id AS actor_id, whom.user_id AS subject_id FROM audit
       LEFT JOIN audit_people who ON who.pseudonym = audit.actor
       LEFT JOIN audit_people whom ON whom.pseudonym = audit.subject
       WHERE ${sql} ORDER BY audit.at DESC, audit.id DESC LIMIT ?`,
    )
    .bind(...values, limit + 1)
    .all<Row>()
  const page = results.slice(0, limit)
  const last = page.at(-1)
  return {
    entries: page.map(toEntry),
    end: results.length > limit && last ? { at: last.at, id: last.id } : null,
  }
}

/** Nobody is found by a user id that no entry ever named, and none is made by looking. */
const PSEUDONYM = '(SELECT pseudonym FROM audit_people WHERE user_id = ?)'

function conditions(filter: EntryFilter, after: EntriesEnd | null): Guard {
  const all: string[] = ['1']
  const values: (string | number)[] = []
  const add = (sql: string, ...bound: (string | number)[]): void => {
    all.push(sql)
    values.push(...bound)
  }
  const person = (column: string, who: string): void => {
    if (who.startsWith(ERASED)) add(`${column} = ?`, who.slice(ERASED.length))
    else add(`${column} = ${PSEUDONYM}`, who)
  }
  const { actor, resource, action, from, to, concerning } = filter
  if (actor !== undefined) person('audit.actor', actor)
  if (resource !== undefined) {
    if (resource.startsWith(ERASED) || PERSON.test(resource)) person('audit.subject', resource)
    else add('audit.resource = ?', resource)
  }
  if (concerning !== undefined)
    add(`(audit.actor = ${PSEUDONYM} OR audit.subject = ${PSEUDONYM})`, concerning, concerning)
  if (action !== undefined) add('audit.action = ?', action)
  if (from !== undefined) add('audit.at >= ?', from)
  if (to !== undefined) add('audit.at < ?', to)
  // The first bounds the range of the index that is read; the second settles ties.
  if (after) add('audit.at <= ? AND (audit.at < ? OR audit.id < ?)', after.at, after.at, after.id)
  return { sql: all.join(' AND '), values }
}

function toEntry(row: Row): AuditEntry {
  const actor = row.actor_id ?? (row.actor && ERASED + row.actor)
  const subject = row.subject_id ?? (row.subject && ERASED + row.subject)
  return {
    id: row.id,
    at: new Date(row.at).toISOString(),
    action: row.action,
    actor,
    actorRole: row.actor_role,
    resource: row.resource ?? subject,
    details: row.details === null ? null : (JSON.parse(row.details) as AuditDetails),
    requestId: row.request_id,
    address: row.address,
    agent: row.agent,
  }
}

/** Rows changed by one statement: far below D1's limits of time. */
const FORGET_AT_ONCE = 500

/**
 * Makes a person unknown to the trail: their entries stay, under a pseudonym that leads nowhere, without address and agent.
 *
 * @returns false while there is more to do: call again
 */
export async function forgetPerson(db: D1Database, userId: string): Promise<boolean> {
  const { meta } = await db
    .prepare(
      `UPDATE audit SET address = NULL, agent = NULL WHERE id IN (
         SELECT id FROM audit, (SELECT pseudonym FROM audit_people WHERE user_id = ?) AS person
         WHERE (actor = person.pseudonym OR (actor IS NULL AND subject = person.pseudonym))
           AND (address IS NOT NULL OR agent IS NOT NULL)
         LIMIT ${FORGET_AT_ONCE})`,
    )
    .bind(userId)
    .run()
  if (meta.changes > 0) return false
  await db.prepare('DELETE FROM audit_people WHERE user_id = ?').bind(userId).run()
  return true
}

/**
 * Removes the oldest entries. That a key was made stays for as long as its maker is known: a revoked key has no row, and
 * an erasure finds by this entry what the machine wrote.
 *
 * @param before ms since the epoch. The second bound is the trigger's, by the same clock: it never refuses what is chosen
 * @returns how many went; fewer than `limit` when none is left
 */
export async function removeOldEntries(db: D1Database, before: number, limit: number): Promise<number> {
  // Counted by what it returns: `changes` counts what the trigger removes as well.
  const { results } = await db
    .prepare(
      `DELETE FROM audit WHERE id IN (
         SELECT id FROM audit WHERE at <= min(?, (unixepoch() - 30 * 86400) * 1000)
           AND id < (SELECT max(id) FROM audit)
           AND (action <> 'key_created' OR NOT EXISTS (SELECT 1 FROM audit_people WHERE pseudonym = actor))
         ORDER BY at, id LIMIT ?) RETURNING id`,
    )
    .bind(before, limit)
    .all()
  return results.length
}

export type AuditTrail = ReturnType<typeof auditTrailOf>

/** What routes use of it, over one database. */
export function auditTrailOf(db: D1Database, now: () => number = () => Date.now()) {
  return {
    /** Resolves when it is stored. */
    record: (entry: NewEntry) => recordEntry(db, entry, now()),
    list: (filter: EntryFilter, limit: number, after: EntriesEnd | null) =>
      listEntries(db, filter, limit, after),
  }
}
