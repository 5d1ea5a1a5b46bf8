/**
 * What the installation itself does to a conversation, without a member who asks: telling what a person said here, removing
 * it, and ending a conversation that nobody uses. Its callers have decided that it may be done.
 *
 * Erasing a person from a conversation of somebody else blanks what they said, because it is theirs, and keeps its place,
 * because the answers hang on it and belong to the room.
 */
import { PAGE_CHARS } from '../protocol/limits.ts'
import type { Message } from '../protocol/message.ts'
import type { MemberRole } from '../protocol/permissions.ts'
import type { Conversation } from './conversation.ts'
import type { Database } from './database.ts'
import { toMessage, turnIdOf } from './events.ts'
import { RowSql } from './row-sql.ts'
import { messages } from './schema.ts'

export const DELETED_USER = 'Deleted user'

const messageRows = new RowSql(messages)
const UNFINISHED = "('queued', 'admitted', 'streaming', 'awaiting_approval')"

/** What is here of a person. */
export interface Trace {
  readonly owner: boolean
  readonly member: boolean
  /** Those that they wrote, in a conversation of somebody else. */
  readonly messages: number
}

export interface OwnPart {
  /** Null for one who has left: what became of the conversation since is not theirs to know. */
  readonly role: MemberRole | null
  readonly title: string | null
  readonly createdAt: string | null
  /** Oldest first: all for the owner, who else gets their own. */
  readonly messages: Message[]
  /** Where to go on; null at the end. */
  readonly next: number | null
  /** With the first part, for the owner. */
  readonly links: { kind: 'invite' | 'share'; id: string; createdAt: string; expiresAt: string | null }[]
}

export class Caretaker {
  readonly #storage: DurableObjectStorage
  readonly #conversation: Conversation

  constructor(db: Database, conversation: Conversation) {
    this.#storage = db.$client
    this.#conversation = conversation
  }

  trace(userId: string): Trace {
    const owner = this.#conversation.describe().ownerId === userId
    const messages = owner ? 0 : this.#count('SELECT count(*) AS n FROM messages WHERE author_id = ?', userId)
    return { owner, member: !owner && this.#roleOf(userId) !== null, messages }
  }

  /** Does what is left to do: again, when it was interrupted. @returns false when D1 could not be told; ask again */
  async forget(userId: string): Promise<boolean> {
    const conversation = this.#conversation
    if (conversation.deleted || this.trace(userId).owner) return await conversation.remove()
    this.#stopTurnsOf(userId)
    // What they used is told by who asked, which is about to be blanked.
    await conversation.settle()
    if (this.#count('SELECT (SELECT max(seq) FROM events) > (SELECT delivered FROM marks) AS n') > 0)
      return false
    this.#blank(userId)
    conversation.reread()
    await conversation.doors.access.forget(userId)
    return true
  }

  /** One page of what is a person's here; null when nothing is. @param after number of the last message of the page before */
  part(userId: string, after: number, limit: number): OwnPart | null {
    if (this.#conversation.deleted) return null
    const role = this.#roleOf(userId)
    const isOwner = role === 'owner'
    const page: Message[] = []
    let last = after
    let chars = 0
    let next: number | null = null
    for (const row of this.#messagesAfter(isOwner ? null : userId, after)) {
      chars += row.content.length
      if (page.length === limit || (page.length > 0 && chars > PAGE_CHARS)) {
        next = last
        break
      }
      page.push(toMessage(row))
      last = row.number
    }
    if (role === null && after === 0 && page.length === 0) return null
    const { title, createdAt } = this.#conversation.describe()
    return {
      role,
      title: role === null ? null : title,
      createdAt: role === null ? null : createdAt,
      messages: page,
      next,
      links: isOwner && after === 0 ? this.#links() : [],
    }
  }

  /**
   * Removes the conversation if nobody has used it since; it looks for itself, so a message that has just come saves it.
   *
   * @param before ms since the epoch
   */
  async removeIfIdle(before: number): Promise<boolean> {
    const conversation = this.#conversation
    const isOpen = this.#count(`SELECT count(*) AS n FROM turns WHERE state IN ${UNFINISHED}`) > 0
    if (!conversation.deleted && (isOpen || Date.parse(conversation.describe().lastActivityAt) >= before))
      return false
    return await conversation.remove()
  }

  #roleOf(userId: string): MemberRole | null {
    const [row] = this.#storage.sql
      .exec<{ role: MemberRole }>(
        'SELECT role FROM members WHERE user_id = ? AND removed_seq IS NULL',
        userId,
      )
      .toArray()
    return row?.role ?? null
  }

  #stopTurnsOf(userId: string): void {
    const open = this.#storage.sql
      .exec<{ number: number }>(
        `SELECT number FROM turns WHERE state IN ${UNFINISHED}
         AND asked_by IN (SELECT number FROM messages WHERE author_id = ?)`,
        userId,
      )
      .toArray()
    for (const { number } of open) this.#conversation.stop(turnIdOf(number))
  }

  #blank(userId: string): void {
    const { sql } = this.#storage
    this.#storage.transactionSync(() => {
      // The key by which a repeat is known holds the author's id.
      sql.exec(
        `UPDATE turns SET client_key = 'deleted:' || number
         WHERE asked_by IN (SELECT number FROM messages WHERE author_id = ?)`,
        userId,
      )
      sql.exec(
        `UPDATE messages SET content = '', tokens = 0, author_id = NULL, author_name = ?, client_id = NULL
         WHERE author_id = ?`,
        DELETED_USER,
        userId,
      )
    })
  }

  *#messagesAfter(authorId: string | null, after: number) {
    const rows =
      authorId === null
        ? this.#storage.sql.exec('SELECT * FROM messages WHERE number > ? ORDER BY number', after)
        : this.#storage.sql.exec(
            'SELECT * FROM messages WHERE number > ? AND author_id = ? ORDER BY number',
            after,
            authorId,
          )
    for (const row of rows) yield messageRows.read(row)
  }

  #links(): OwnPart['links'] {
    return this.#storage.sql
      .exec<{ kind: 'invite' | 'share'; id: string; created_at: number; expires_at: number | null }>(
        `SELECT 'invite' AS kind, id, created_at, expires_at FROM invites
         UNION ALL SELECT 'share', id, created_at, expires_at FROM shares`,
      )
      .toArray()
      .map(({ kind, id, created_at, expires_at }) => ({
        kind,
        id,
        createdAt: new Date(created_at).toISOString(),
        expiresAt: expires_at === null ? null : new Date(expires_at).toISOString(),
      }))
  }

  #count(sql: string, ...values: string[]): number {
    return this.#storage.sql.exec<{ n: number }>(sql, ...values).one().n
  }
}
