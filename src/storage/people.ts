/**
 * People as the administration sees and changes them, in D1. Each change is one transaction with its entry of the audit
 * trail, and looks again at what it was decided on: of changes that race, one is made, and one admin always stays.
 *
 * What follows from a change for tokens and sockets is for whoever calls this.
 */
import type { AdminUser, AuditAction, AuditDetails } from '../protocol/admin.ts'
import type { Principal } from '../protocol/principal.ts'
import { entryStatements, FIRST_GUARD_VALUE, type Guard, type NewEntry } from './audit.ts'

interface Row {
  readonly id: string
  readonly email: string | null
  readonly name: string
  readonly role: Principal['role']
  readonly plan: string
  readonly created_at: number
  readonly suspended_at: number | null
  readonly suspended_reason: string | null
  readonly last_seen_at: number | null
}

const COLUMNS = 'id, email, name, role, plan, created_at, suspended_at, suspended_reason, last_seen_at'

/** Where a page ended: creation of its last row in ms since the epoch, and that row's id for ties. */
export interface PeopleEnd {
  readonly at: number
  readonly id: string
}

/**
 * Newest first, by key.
 *
 * @param query the whole id, or the beginning of an email or a name. Compared letter by letter, so nothing in it is a
 *   pattern; D1 would take no pattern of more than 50 bytes anyway. Case counts for letters beyond ASCII.
 */
export async function listPeople(
  db: D1Database,
  query: string | undefined,
  limit: number,
  after: PeopleEnd | null,
): Promise<{ users: AdminUser[]; end: PeopleEnd | null }> {
  const found = `(?1 IS NULL OR id = ?1 OR substr(email_key, 1, length(?1)) = lower(?1)
    OR substr(lower(email), 1, length(?1)) = lower(?1) OR substr(lower(name), 1, length(?1)) = lower(?1))`
  // The first bounds the range of the index that is read; the second settles ties.
  const behind = '(?2 IS NULL OR (created_at <= ?2 AND (created_at < ?2 OR id < ?3)))'
  const { results } = await db
    .prepare(
      `SELECT ${COLUMNS} FROM users WHERE ${found} AND ${behind} ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(query ?? null, after?.at ?? null, after?.id ?? null, limit + 1)
    .all<Row>()
  const page = results.slice(0, limit)
  const last = page.at(-1)
  return {
    users: page.map(toUser),
    end: results.length > limit && last ? { at: last.created_at, id: last.id } : null,
  }
}

export async function findPerson(db: D1Database, id: string): Promise<AdminUser | null> {
  const row = await db.prepare(`SELECT ${COLUMNS} FROM users WHERE id = ?`).bind(id).first<Row>()
  return row && toUser(row)
}

/** A guest has no row until somebody acts on them. Does nothing when there is one. */
export async function knowGuest(db: D1Database, id: string, name: string, now: number): Promise<void> {
  await db
    .prepare(
      "INSERT INTO users (id, name, role, plan, created_at) VALUES (?, ?, 'guest', 'guest', ?) ON CONFLICT DO NOTHING",
    )
    .bind(id, name, now)
    .run()
}

/** What is to be changed; what is absent stays. */
export interface PersonChange {
  readonly role?: AdminUser['role'] | undefined
  readonly plan?: string | undefined
  /** Null: no longer. */
  readonly suspended?: { readonly reason: string } | null | undefined
}

/** Who changes it, from where. */
export type ChangedBy = Omit<NewEntry, 'action' | 'resource' | 'details'>

/** `stale`: the person is no longer as they were read; `last_admin`: nobody else is an admin who can sign in. */
export type ChangeOutcome = 'changed' | 'stale' | 'last_admin'

/**
 * Whether the person still is as they were read, and, when they are an admin who will be none, whether there is another
 * who can sign in and do what admins do. For an admin with an account here that is another such: what the provider says of
 * somebody may be otherwise tomorrow, and nobody here is told.
 *
 * @param first number of the first of the four values
 */
function conditionOf(losesAdmin: false | 'account' | 'external', first: number): string {
  const asRead = `EXISTS (SELECT 1 FROM users WHERE id = ?${first} AND role = ?${first + 1}
    AND plan = ?${first + 2} AND suspended_at IS ?${first + 3})`
  const another = `EXISTS (SELECT 1 FROM users AS other WHERE other.role = 'admin'
    AND other.suspended_at IS NULL AND other.id <> ?${first}
    ${losesAdmin === 'account' ? 'AND other.email_key IS NOT NULL' : ''})`
  return losesAdmin ? `${asRead} AND ${another}` : asRead
}

/** @param person as it was read when this was decided */
export async function changePerson(
  db: D1Database,
  person: AdminUser,
  change: PersonChange,
  by: ChangedBy,
  now: number,
): Promise<ChangeOutcome> {
  const { id, role, plan } = person
  const next = { role: change.role ?? role, plan: change.plan ?? plan }
  const suspendedAt = change.suspended === undefined ? timeOf(person.suspended?.at) : change.suspended && now
  const reason =
    change.suspended === undefined ? (person.suspended?.reason ?? null) : (change.suspended?.reason ?? null)
  const losesAdmin =
    role === 'admin' &&
    person.suspended === null &&
    (next.role !== 'admin' || suspendedAt !== null) &&
    (id.startsWith('oidc:') ? 'external' : 'account')
  const asRead = [id, role, plan, timeOf(person.suspended?.at)] as const
  const guard: Guard = { sql: conditionOf(losesAdmin, FIRST_GUARD_VALUE), values: asRead }
  const entries = entriesOf(person, change).flatMap(({ action, details }) =>
    entryStatements(db, { ...by, action, resource: id, details }, now, guard),
  )
  const update = db
    .prepare(
      `UPDATE users SET role = ?1, plan = ?2, suspended_at = ?3, suspended_reason = ?4
       WHERE id = ?5 AND ${conditionOf(losesAdmin, 5)}`,
    )
    .bind(next.role, next.plan, suspendedAt, reason, ...asRead)
  const results = await db.batch([...entries, update])
  if (results.at(-1)?.meta.changes === 1) return 'changed'
  const current = await findPerson(db, id)
  const isSame =
    current?.role === role && current.plan === plan && current.suspended?.at === person.suspended?.at
  return isSame && losesAdmin ? 'last_admin' : 'stale'
}

function entriesOf(
  person: AdminUser,
  { role, plan, suspended }: PersonChange,
): { action: AuditAction; details: AuditDetails | null }[] {
  const entries: { action: AuditAction; details: AuditDetails | null }[] = []
  if (role !== undefined && role !== person.role)
    entries.push({ action: 'role_changed', details: { from: person.role, to: role } })
  if (plan !== undefined && plan !== person.plan)
    entries.push({ action: 'plan_changed', details: { from: person.plan, to: plan } })
  // The reason is a text about a person: it stands with the person, and goes with them.
  if (suspended) entries.push({ action: 'user_suspended', details: null })
  if (suspended === null) entries.push({ action: 'user_unsuspended', details: null })
  return entries
}

function timeOf(iso: string | undefined): number | null {
  return iso === undefined ? null : Date.parse(iso)
}

function toUser(row: Row): AdminUser {
  const { id, email, name, role, plan } = row
  return {
    id,
    email,
    name,
    role,
    plan,
    createdAt: new Date(row.created_at).toISOString(),
    lastSeenAt: row.last_seen_at === null ? null : new Date(row.last_seen_at).toISOString(),
    suspended:
      row.suspended_at === null
        ? null
        : { at: new Date(row.suspended_at).toISOString(), reason: row.suspended_reason ?? '' },
  }
}

export type People = ReturnType<typeof peopleOf>

/** All of it, over one database. */
export function peopleOf(db: D1Database, now: () => number = () => Date.now()) {
  return {
    list: (query: string | undefined, limit: number, after: PeopleEnd | null) =>
      listPeople(db, query, limit, after),
    find: (id: string) => findPerson(db, id),
    knowGuest: (id: string, name: string) => knowGuest(db, id, name, now()),
    change: (person: AdminUser, change: PersonChange, by: ChangedBy) =>
      changePerson(db, person, change, by, now()),
  }
}
