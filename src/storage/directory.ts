/**
 * The directory of conversations in D1: upserted by conversations, listed for their owners.
 *
 * Each function takes the database, so that the directory can be spread over several by owner.
 */
import { and, desc, eq, lt, lte, or } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { Conversation } from '../protocol/message.ts'
import { conversations } from './schema.ts'

type Row = typeof conversations.$inferSelect

/** Written out, because it is sent after every turn and building it costs more than sending it. */
const PUT = `
  INSERT INTO conversations (id, owner_id, title, created_at, last_activity_at, message_count, seq)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
  ON CONFLICT (id) DO UPDATE SET owner_id = ?2, title = ?3, last_activity_at = ?5, message_count = ?6, seq = ?7
  WHERE ?7 >= conversations.seq`

/** Idempotent; an entry with an older `seq` than the row's is ignored. */
export async function putConversation(
  db: D1Database,
  conversation: Conversation,
  seq: number,
): Promise<void> {
  const { id, ownerId, title, createdAt, lastActivityAt, messageCount } = conversation
  await db
    .prepare(PUT)
    .bind(id, ownerId, title, Date.parse(createdAt), Date.parse(lastActivityAt), messageCount, seq)
    .run()
}

export async function removeConversation(db: D1Database, id: string): Promise<void> {
  await drizzle(db).delete(conversations).where(eq(conversations.id, id))
}

/** Where a page ended: activity of its last row in ms since the epoch, and that row's id for ties. */
export interface PageEnd {
  readonly lastActivityAt: number
  readonly id: string
}

/** Newest activity first, by key. @returns `end`: where to go on, null at the end */
export async function listConversations(
  db: D1Database,
  ownerId: string,
  limit: number,
  after: PageEnd | null,
): Promise<{ conversations: Conversation[]; end: PageEnd | null }> {
  const rows = await drizzle(db)
    .select()
    .from(conversations)
    .where(and(eq(conversations.ownerId, ownerId), ...(after ? isAfter(after) : [])))
    .orderBy(desc(conversations.lastActivityAt), desc(conversations.id))
    .limit(limit + 1)
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    conversations: page.map(toConversation),
    end: rows.length > limit && last ? { lastActivityAt: last.lastActivityAt, id: last.id } : null,
  }
}

/** What comes after `end`. The first condition bounds the range of the index that is read; the second settles ties. */
function isAfter({ lastActivityAt, id }: PageEnd) {
  return [
    lte(conversations.lastActivityAt, lastActivityAt),
    or(lt(conversations.lastActivityAt, lastActivityAt), lt(conversations.id, id)),
  ]
}

function toConversation(row: Row): Conversation {
  return {
    id: row.id,
    title: row.title,
    ownerId: row.ownerId,
    createdAt: new Date(row.createdAt).toISOString(),
    lastActivityAt: new Date(row.lastActivityAt).toISOString(),
    messageCount: row.messageCount,
  }
}
