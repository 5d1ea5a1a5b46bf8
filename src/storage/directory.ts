/**
 * The directory of conversations in D1: upserted by conversations, listed for their owners.
 *
 * Each function takes the database, so that the directory can be spread over several by owner.
 */
import { and, desc, eq, lt, or, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { Conversation } from '../protocol/message.ts'
import { conversations } from './schema.ts'

type Row = typeof conversations.$inferSelect

/** Idempotent; an entry with an older `seq` than the row's is ignored. */
export async function putConversation(
  db: D1Database,
  conversation: Conversation,
  seq: number,
): Promise<void> {
  const row: Row = {
    id: conversation.id,
    ownerId: conversation.ownerId,
    title: conversation.title,
    createdAt: Date.parse(conversation.createdAt),
    lastActivityAt: Date.parse(conversation.lastActivityAt),
    messageCount: conversation.messageCount,
    seq,
  }
  const { id, ...rest } = row
  await drizzle(db)
    .insert(conversations)
    .values({ id, ...rest })
    .onConflictDoUpdate({
      target: conversations.id,
      set: rest,
      setWhere: sql`excluded.seq >= ${conversations.seq}`,
    })
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
    .where(
      and(
        eq(conversations.ownerId, ownerId),
        after
          ? or(
              lt(conversations.lastActivityAt, after.lastActivityAt),
              and(eq(conversations.lastActivityAt, after.lastActivityAt), lt(conversations.id, after.id)),
            )
          : undefined,
      ),
    )
    .orderBy(desc(conversations.lastActivityAt), desc(conversations.id))
    .limit(limit + 1)
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    conversations: page.map(toConversation),
    end: rows.length > limit && last ? { lastActivityAt: last.lastActivityAt, id: last.id } : null,
  }
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
