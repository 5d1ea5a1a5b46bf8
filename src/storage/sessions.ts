/**
 * Sessions and their refresh tokens in D1. What must happen once is one conditional statement: of uses that race, the
 * database lets one through. Tokens are known here by their hash alone.
 */
import { and, desc, eq, gt, inArray } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { refreshTokens, sessions, users } from './accounts-schema.ts'
import type { Account } from './accounts.ts'

export type SessionRow = typeof sessions.$inferSelect

export interface NewRefreshToken {
  readonly hash: string
  readonly expiresAt: number
}

/**
 * @param passwordHash what the person proved to know: when it was changed since, nothing is opened
 * @param most sessions that a person may have; those used longest ago make room
 * @returns the ids of those that ended; null when nothing was opened
 */
export async function openSession(
  db: D1Database,
  session: SessionRow,
  token: NewRefreshToken,
  passwordHash: string,
  most: number,
): Promise<string[] | null> {
  const { id, userId, createdAt, lastUsedAt, agent, address } = session
  const [opened] = await db.batch([
    db
      .prepare(
        `INSERT INTO sessions (id, user_id, created_at, last_used_at, agent, address)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM users WHERE id = ?2 AND password_hash = ?7)`,
      )
      .bind(id, userId, createdAt, lastUsedAt, agent, address, passwordHash),
    db
      .prepare(
        'INSERT INTO refresh_tokens (hash, session_id, expires_at) SELECT ?1, id, ?3 FROM sessions WHERE id = ?2',
      )
      .bind(token.hash, id, token.expiresAt),
    db
      .prepare('UPDATE users SET last_seen_at = ?1 WHERE id = ?2 AND password_hash = ?3')
      .bind(lastUsedAt, userId, passwordHash),
  ])
  if (opened?.meta.changes === 0) return null
  const { results } = await db
    .prepare(
      'SELECT id FROM sessions WHERE user_id = ?1 AND id <> ?2 ORDER BY last_used_at DESC, id LIMIT -1 OFFSET ?3',
    )
    .bind(userId, id, most - 1)
    .all<{ id: string }>()
  const tooMany = results.map((row) => row.id)
  return await endSessions(db, userId, tooMany)
}

export type Rotation =
  | { readonly state: 'rotated'; readonly session: SessionRow; readonly account: Account }
  /** Used before, at this time. */
  | { readonly state: 'used'; readonly usedAt: number; readonly session: SessionRow }
  | { readonly state: 'unknown' }

/** Replaces one refresh token by the next, once: everyone who comes after the first is told `used`. */
export async function rotateToken(
  db: D1Database,
  hash: string,
  next: NewRefreshToken,
  now: number,
): Promise<Rotation> {
  // One batch is one transaction. Only the winner's statement leaves its mark, so the others' inserts find nothing.
  const [won] = await db.batch<{ session_id: string }>([
    db
      .prepare(
        `UPDATE refresh_tokens SET used_at = ?1, next_hash = ?2
         WHERE hash = ?3 AND used_at IS NULL AND expires_at > ?1 RETURNING session_id`,
      )
      .bind(now, next.hash, hash),
    db
      .prepare(
        `INSERT INTO refresh_tokens (hash, session_id, expires_at)
         SELECT ?2, session_id, ?3 FROM refresh_tokens WHERE hash = ?1 AND next_hash = ?2`,
      )
      .bind(hash, next.hash, next.expiresAt),
    db
      .prepare(
        `UPDATE sessions SET last_used_at = ?1
         WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = ?2 AND next_hash = ?3)`,
      )
      .bind(now, hash, next.hash),
    db
      .prepare(
        `DELETE FROM refresh_tokens WHERE expires_at <= ?1
         AND session_id = (SELECT session_id FROM refresh_tokens WHERE hash = ?2 AND next_hash = ?3)`,
      )
      .bind(now, hash, next.hash),
  ])
  const token = await drizzle(db)
    .select({
      usedAt: refreshTokens.usedAt,
      expiresAt: refreshTokens.expiresAt,
      session: sessions,
      account: users,
    })
    .from(refreshTokens)
    .innerJoin(sessions, eq(sessions.id, refreshTokens.sessionId))
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(eq(refreshTokens.hash, hash))
    .get()
  if (!token || token.expiresAt <= now) return { state: 'unknown' }
  const { session, account, usedAt } = token
  if ((won?.results.length ?? 0) > 0) return { state: 'rotated', session, account }
  return usedAt === null ? { state: 'unknown' } : { state: 'used', usedAt, session }
}

/** Those that were used since then, last used first. */
export async function sessionsOf(db: D1Database, userId: string, since: number): Promise<SessionRow[]> {
  return await drizzle(db)
    .select()
    .from(sessions)
    .where(and(eq(sessions.userId, userId), gt(sessions.lastUsedAt, since)))
    .orderBy(desc(sessions.lastUsedAt), sessions.id)
}

/** Ends those of these that are this person's. @returns the ids of those that were there */
export async function endSessions(db: D1Database, userId: string, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const query = drizzle(db)
  const ended = await query
    .delete(sessions)
    .where(and(eq(sessions.userId, userId), inArray(sessions.id, [...ids])))
    .returning({ id: sessions.id })
  const gone = ended.map((row) => row.id)
  // A token without its session is refused already; this only clears it away.
  if (gone.length > 0) await query.delete(refreshTokens).where(inArray(refreshTokens.sessionId, gone))
  return gone
}
