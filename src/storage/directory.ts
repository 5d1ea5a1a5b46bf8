/**
 * The directory of conversations in D1: upserted by conversations, listed for their owners and members.
 *
 * Each function takes the database, so that the directory can be spread over several by owner. A conversation shared with
 * somebody is joined when their list is read: a copy of its activity in each membership would be a row written per member
 * and turn, and rows written cost a thousand times what rows read do.
 */
import type { Conversation } from '../protocol/message.ts'
import type { MemberRole } from '../protocol/permissions.ts'

interface Row {
  readonly id: string
  readonly owner_id: string
  readonly title: string
  readonly created_at: number
  readonly last_activity_at: number
  readonly message_count: number
  readonly role: MemberRole
}

/** Written out, because it is sent after every turn and building it costs more than sending it. */
const PUT = `
  INSERT INTO conversations (id, owner_id, title, created_at, last_activity_at, message_count, seq)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
  ON CONFLICT (id) DO UPDATE SET owner_id = ?2, title = ?3, last_activity_at = ?5, message_count = ?6, seq = ?7
  WHERE ?7 >= conversations.seq`

/** In the batch of {@link PUT}: a row that tells of a later time than `?3` then holds the members of that time, too. */
const IS_LATE = 'EXISTS (SELECT 1 FROM conversations WHERE id = ?1 AND seq > ?3)'
const DROP_MEMBERS = `
  DELETE FROM memberships WHERE conversation_id = ?1
  AND user_id NOT IN (SELECT value ->> 'userId' FROM json_each(?2)) AND NOT ${IS_LATE}`
const PUT_MEMBERS = `
  INSERT INTO memberships (user_id, conversation_id, role)
  SELECT value ->> 'userId', ?1, value ->> 'role' FROM json_each(?2) WHERE NOT ${IS_LATE}
  ON CONFLICT (user_id, conversation_id) DO UPDATE SET role = excluded.role WHERE role != excluded.role`

/**
 * Idempotent; an entry with an older `seq` than the row's is ignored.
 *
 * @param members all but the owner, and who was removed; absent when nothing changed there
 */
export async function putConversation(
  db: D1Database,
  conversation: Conversation,
  seq: number,
  members?: readonly { readonly userId: string; readonly role: MemberRole | 'removed' }[],
): Promise<void> {
  const { id, ownerId, title, createdAt, lastActivityAt, messageCount } = conversation
  const put = db
    .prepare(PUT)
    .bind(id, ownerId, title, Date.parse(createdAt), Date.parse(lastActivityAt), messageCount, seq)
  if (!members) return void (await put.run())
  const list = JSON.stringify(members)
  await db.batch([
    put,
    db.prepare(DROP_MEMBERS).bind(id, list, seq),
    db.prepare(PUT_MEMBERS).bind(id, list, seq),
  ])
}

/** With everyone's membership, and all links that led there. */
export async function removeConversation(db: D1Database, id: string): Promise<void> {
  await db.batch([
    db.prepare('DELETE FROM conversations WHERE id = ?').bind(id),
    db.prepare('DELETE FROM memberships WHERE conversation_id = ?').bind(id),
    db.prepare('DELETE FROM links WHERE conversation_id = ?').bind(id),
  ])
}

/** Where a page ended: activity of its last row in ms since the epoch, and that row's id for ties. */
export interface PageEnd {
  readonly lastActivityAt: number
  readonly id: string
}

/** What comes after the end of a page. The first condition bounds the range of the index that is read; the second settles ties. */
const AFTER = 'last_activity_at <= ?3 AND (last_activity_at < ?3 OR id < ?4)'
const NEWEST = 'ORDER BY last_activity_at DESC, id DESC LIMIT ?2'
const COLUMNS = 'id, owner_id, title, created_at, last_activity_at, message_count'

/** Two statements, because one with both would sort what the index has in order already. */
const own = (after: string): string => `
  SELECT ${COLUMNS}, 'owner' AS role FROM conversations WHERE owner_id = ?1 ${after} ${NEWEST}`
const shared = (after: string): string => `
  SELECT ${COLUMNS}, role FROM memberships CROSS JOIN conversations ON id = conversation_id
  WHERE user_id = ?1 AND role <> 'removed' ${after} ${NEWEST}`
const FIRST_PAGE = [own(''), shared('')]
const NEXT_PAGE = [own(`AND ${AFTER}`), shared(`AND ${AFTER}`)]

/** One's own and those shared with one; newest activity first, by key. @returns `end`: where to go on, null at the end */
export async function listConversations(
  db: D1Database,
  userId: string,
  limit: number,
  after: PageEnd | null,
): Promise<{ conversations: Conversation[]; end: PageEnd | null }> {
  const values = after ? [userId, limit + 1, after.lastActivityAt, after.id] : [userId, limit + 1]
  const statements = (after ? NEXT_PAGE : FIRST_PAGE).map((sql) => db.prepare(sql).bind(...values))
  const rows = (await db.batch<Row>(statements)).flatMap(({ results }) => results).toSorted(newestFirst)
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    conversations: page.map(toConversation),
    end: rows.length > limit && last ? { lastActivityAt: last.last_activity_at, id: last.id } : null,
  }
}

const newestFirst = (a: Row, b: Row): number =>
  b.last_activity_at - a.last_activity_at || (a.id < b.id ? 1 : -1)

function toConversation(row: Row): Conversation {
  return {
    id: row.id,
    title: row.title,
    ownerId: row.owner_id,
    createdAt: new Date(row.created_at).toISOString(),
    lastActivityAt: new Date(row.last_activity_at).toISOString(),
    messageCount: row.message_count,
    role: row.role,
  }
}
