/**
 * Where links lead, in D1: from the hash of a token to a conversation, so that a token need not name it. Whether a link
 * still serves is decided by the conversation; what is left here of one that does not leads to a refusal.
 */
import { and, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { links } from './members-schema.ts'

export type Link = typeof links.$inferSelect

export async function putLink(db: D1Database, link: Link): Promise<void> {
  await drizzle(db).insert(links).values(link)
}

export async function removeLink(db: D1Database, hash: string): Promise<void> {
  await drizzle(db).delete(links).where(eq(links.hash, hash))
}

/** @returns the conversation's id; null for a hash that nobody knows */
export async function findLink(db: D1Database, kind: Link['kind'], hash: string): Promise<string | null> {
  const row = await drizzle(db)
    .select({ id: links.conversationId })
    .from(links)
    .where(and(eq(links.hash, hash), eq(links.kind, kind)))
    .get()
  return row?.id ?? null
}
