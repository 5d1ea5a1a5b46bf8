/**
 * People in D1: found by id or by email, made once, changed in single statements that cannot race. What may be done and by
 * whom is decided elsewhere; each function takes the database.
 */
import { and, eq, ne } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { users } from './accounts-schema.ts'

export type Account = typeof users.$inferSelect

export async function accountByEmail(db: D1Database, emailKey: string): Promise<Account | null> {
  return (await drizzle(db).select().from(users).where(eq(users.emailKey, emailKey)).get()) ?? null
}

export async function accountById(db: D1Database, id: string): Promise<Account | null> {
  return (await drizzle(db).select().from(users).where(eq(users.id, id)).get()) ?? null
}

/** What somebody who registers brings; role and plan are not among it. */
export type NewAccount = Pick<Account, 'id' | 'name' | 'plan' | 'createdAt'> & {
  readonly email: string
  readonly emailKey: string
  readonly passwordHash: string
}

/**
 * A guest who was known already (an admin acted on them) keeps what is written of them, but for what registering changes.
 *
 * @returns the account; `email_taken`; or `registered`: this person has an email and a password
 */
export async function createAccount(
  db: D1Database,
  account: NewAccount,
): Promise<Account | 'email_taken' | 'registered'> {
  const { id, email, emailKey, name, passwordHash, plan, createdAt } = account
  // The conditions are looked at in this order, in one statement: of two at once, one makes the row.
  const made = await db
    .prepare(
      `INSERT INTO users (id, email, email_key, name, password_hash, role, plan, created_at, last_seen_at)
       VALUES (?1, ?2, ?3, ?4, ?5, 'user', ?6, ?7, ?7)
       ON CONFLICT (email_key) DO NOTHING
       ON CONFLICT (id) DO UPDATE SET email = ?2, email_key = ?3, name = ?4, password_hash = ?5, role = 'user',
         plan = CASE plan WHEN 'guest' THEN ?6 ELSE plan END, last_seen_at = ?7
       WHERE users.email_key IS NULL
       RETURNING id`,
    )
    .bind(id, email, emailKey, name, passwordHash, plan, createdAt)
    .first()
  if (!made) return (await accountByEmail(db, emailKey)) ? 'email_taken' : 'registered'
  const stored = await accountById(db, id)
  if (!stored) throw new Error('the account was not stored')
  return stored
}

/**
 * Somebody whom an external provider vouches for: a row on first sight, and then the last role that was seen, because others
 * decide by it who may suspend them. What is so already is not written again.
 */
export async function noteExternal(
  db: D1Database,
  person: Pick<Account, 'id' | 'email' | 'name' | 'role' | 'plan' | 'createdAt'>,
): Promise<void> {
  await drizzle(db)
    .insert(users)
    .values({ ...person, lastSeenAt: person.createdAt })
    .onConflictDoUpdate({
      target: users.id,
      set: { role: person.role, lastSeenAt: person.createdAt },
      setWhere: ne(users.role, person.role),
    })
}

/** @returns false when the password was changed in the meantime: nothing is written then */
export async function replacePassword(
  db: D1Database,
  id: string,
  oldHash: string,
  newHash: string,
): Promise<boolean> {
  const { meta } = await drizzle(db)
    .update(users)
    .set({ passwordHash: newHash })
    .where(and(eq(users.id, id), eq(users.passwordHash, oldHash)))
    .run()
  return meta.changes === 1
}

export async function renameAccount(db: D1Database, id: string, name: string): Promise<Account | null> {
  return (await drizzle(db).update(users).set({ name }).where(eq(users.id, id)).returning().get()) ?? null
}

/** @returns whether this id has an account that is signed in to, so that a guest's token of that id is of the past */
export async function isRegistered(db: D1Database, id: string): Promise<boolean> {
  const row = await drizzle(db).select({ key: users.emailKey }).from(users).where(eq(users.id, id)).get()
  return row !== undefined && row.key !== null
}
