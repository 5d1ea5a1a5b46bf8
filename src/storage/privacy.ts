/**
 * What D1 knows of a person, for exports and erasures: where their conversations are, and the rows that go with them. Each
 * removal may be repeated; each function takes the database.
 */
import { STALE_MS } from './answer-cache.ts'
import { NOTHING_REMOVED, type RemovedCounts, type Receipt } from '../protocol/privacy.ts'

/**
 * Conversations in which something may be of this person: their own, those that they are in, and those that they were in
 * when they used something, which the ledger knows. By id, from `after` on.
 */
export async function placesOf(
  db: D1Database,
  userId: string,
  after: string,
  limit: number,
): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT id FROM conversations WHERE owner_id = ?1 AND id > ?2
       UNION SELECT conversation_id FROM memberships WHERE user_id = ?1 AND conversation_id > ?2
       UNION SELECT conversation_id FROM usage WHERE user_id = ?1 AND conversation_id > ?2
       ORDER BY 1 LIMIT ?3`,
    )
    .bind(userId, after, limit)
    .all<{ id: string }>()
  return results.map(({ id }) => id)
}

/**
 * The person, and the machines that act for them: each has conversations of its own. A revoked key has no row; that it was
 * made stands in the audit trail.
 */
export async function subjectsOf(db: D1Database, userId: string): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT id FROM service_keys WHERE owner_id = ?1
       UNION SELECT substr(resource, 5) FROM audit
         WHERE actor = (SELECT pseudonym FROM audit_people WHERE user_id = ?1)
           AND action = 'key_created' AND resource LIKE 'key:%'
       ORDER BY 1`,
    )
    .bind(userId)
    .all<{ id: string }>()
  return [userId, ...results.map(({ id }) => `service:${id}`)]
}

/** How many rows there are to remove. */
export async function countAccountRows(
  db: D1Database,
  userId: string,
): Promise<Pick<RemovedCounts, 'sessions' | 'keys' | 'webhooks' | 'account'>> {
  const row = await db
    .prepare(
      `SELECT (SELECT count(*) FROM sessions WHERE user_id = ?1) AS sessions,
        (SELECT count(*) FROM service_keys WHERE owner_id = ?1) AS keys,
        (SELECT count(*) FROM webhooks WHERE owner_id = ?1) AS webhooks,
        (SELECT count(*) FROM users WHERE id = ?1) AS account`,
    )
    .bind(userId)
    .first<{ sessions: number; keys: number; webhooks: number; account: number }>()
  return row ?? { sessions: 0, keys: 0, webhooks: 0, account: 0 }
}

/** The account with all that opens it. */
export async function removeAccountRows(db: D1Database, userId: string): Promise<void> {
  await db.batch(
    [
      'DELETE FROM refresh_tokens WHERE session_id IN (SELECT id FROM sessions WHERE user_id = ?)',
      'DELETE FROM sessions WHERE user_id = ?',
      'DELETE FROM service_keys WHERE owner_id = ?',
      'DELETE FROM webhook_deliveries WHERE endpoint_id IN (SELECT id FROM webhooks WHERE owner_id = ?)',
      'DELETE FROM webhooks WHERE owner_id = ?',
      'DELETE FROM memberships WHERE user_id = ?',
      'DELETE FROM answer_cache WHERE owner_id = ?',
      'DELETE FROM users WHERE id = ?',
    ].map((sql) => db.prepare(sql).bind(userId)),
  )
}

export async function countUsageRows(db: D1Database, userId: string): Promise<number> {
  const row = await db
    .prepare('SELECT count(*) AS n FROM usage WHERE user_id = ?')
    .bind(userId)
    .first<{ n: number }>()
  return row?.n ?? 0
}

/** Whose rows stand for everyone who is no longer known. */
const ERASED = 'erased'

/** What was used stays in the totals of its day, agent and model; by whom, and in which conversation, does not. */
export async function blankUsage(db: D1Database, userId: string): Promise<void> {
  await db.batch([
    db
      .prepare(
        `INSERT INTO usage (user_id, day, conversation_id, agent_id, model,
           messages, input_tokens, output_tokens, cost, priced, seq)
         SELECT ?2, day, ?2, agent_id, model,
           sum(messages), sum(input_tokens), sum(output_tokens), sum(cost), min(priced), 0
         FROM usage WHERE user_id = ?1 GROUP BY day, agent_id, model
         ON CONFLICT (user_id, day, conversation_id, agent_id, model) DO UPDATE SET
           messages = messages + excluded.messages, input_tokens = input_tokens + excluded.input_tokens,
           output_tokens = output_tokens + excluded.output_tokens, cost = cost + excluded.cost,
           priced = min(priced, excluded.priced)`,
      )
      .bind(userId, ERASED),
    db.prepare('DELETE FROM usage WHERE user_id = ?').bind(userId),
  ])
}

/** Writes the receipt, or its end. @param finishedAt ms since the epoch; null while it goes on */
export async function putReceipt(
  db: D1Database,
  id: string,
  requestedAt: number,
  finishedAt: number | null,
  removed: RemovedCounts,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO erasures (id, requested_at, finished_at, removed) VALUES (?1, ?2, ?3, ?4)
       ON CONFLICT (id) DO UPDATE SET finished_at = coalesce(finished_at, ?3),
         removed = CASE WHEN ?3 IS NULL THEN removed ELSE ?4 END`,
    )
    .bind(id, requestedAt, finishedAt, JSON.stringify(removed))
    .run()
}

export async function findReceipt(db: D1Database, receiptId: string): Promise<Receipt | null> {
  const row = await db
    .prepare('SELECT requested_at, finished_at, removed FROM erasures WHERE id = ?')
    .bind(receiptId)
    .first<{ requested_at: number; finished_at: number | null; removed: string }>()
  if (!row) return null
  return {
    receiptId,
    state: row.finished_at === null ? 'running' : 'finished',
    requestedAt: new Date(row.requested_at).toISOString(),
    finishedAt: row.finished_at === null ? null : new Date(row.finished_at).toISOString(),
    // One that is older knows less.
    removed: { ...NOTHING_REMOVED, ...(JSON.parse(row.removed) as Partial<RemovedCounts>) },
  }
}

/** Conversations of people on this plan, unused since `before`, longest unused first. A guest without a row has the guests'. */
export async function unusedConversations(
  db: D1Database,
  plan: string,
  before: number,
  limit: number,
): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT conversations.id FROM conversations LEFT JOIN users ON users.id = owner_id
       WHERE last_activity_at < ?2
         AND coalesce(users.plan, CASE substr(owner_id, 1, 6) WHEN 'guest:' THEN 'guest' END) = ?1
       ORDER BY last_activity_at, conversations.id LIMIT ?3`,
    )
    .bind(plan, before, limit)
    .all<{ id: string }>()
  return results.map(({ id }) => id)
}

/** Refresh tokens and keys that have expired, sessions without a token, and receipts that are old. @returns rows removed */
export async function removeExpiredRows(
  db: D1Database,
  before: { readonly sessions: number; readonly receipts: number },
  limit: number,
): Promise<number> {
  const results = await db.batch([
    db
      .prepare(
        'DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at <= ? LIMIT ?)',
      )
      .bind(before.sessions, limit),
    db
      .prepare(
        `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions
           WHERE NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE session_id = sessions.id) LIMIT ?)`,
      )
      .bind(limit),
    db
      .prepare('DELETE FROM links WHERE hash IN (SELECT hash FROM links WHERE expires_at <= ? LIMIT ?)')
      .bind(before.sessions, limit),
    db
      .prepare(
        'DELETE FROM answer_cache WHERE key IN (SELECT key FROM answer_cache WHERE expires_at <= ? LIMIT ?)',
      )
      .bind(before.sessions - STALE_MS, limit),
    db
      .prepare('DELETE FROM erasures WHERE id IN (SELECT id FROM erasures WHERE finished_at <= ? LIMIT ?)')
      .bind(before.receipts, limit),
  ])
  return results.reduce((rows, { meta }) => rows + meta.changes, 0)
}
