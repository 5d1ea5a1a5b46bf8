/**
 * The conversation's own database: one SQLite file per conversation, inside its Durable Object.
 *
 * Every row written is paid for ($1 per million), and so is every index entry. Hence integer keys that are the order
 * itself, no secondary index but the one that makes a client's id unique, and reused slots instead of deletes.
 * After a change: `npm run migrations:conversation`; a migration that was released is never edited.
 */
import { integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { Priority } from '../protocol/ids.ts'
import type { GivenRole } from '../protocol/members.ts'
import type { Degraded, FinishReason, MessageStatus, Role, TurnError, Usage } from '../protocol/message.ts'
import type { MemberRole } from '../protocol/permissions.ts'
import type { EventType } from '../protocol/server-frames.ts'
import type { EndingData } from './events.ts'
import type { TurnState } from './turn-state.ts'

/** One row: what the conversation is. Its absence means that nobody created this conversation. */
export const conversation = sqliteTable('conversation', {
  id: text().primaryKey(),
  ownerId: text().notNull(),
  title: text().notNull(),
  createdAt: integer().notNull(),
  /** Set while a deletion waits for D1; the conversation is unknown to everyone from then on. */
  deletedAt: integer(),
})

/**
 * One row, written when the outbox was drained: everything at or below these marks is settled. `turn` lets a wake look
 * for open turns without reading the whole table.
 */
export const marks = sqliteTable('marks', {
  id: integer().primaryKey(),
  /** Events up to this `seq` are known to D1. */
  delivered: integer().notNull(),
  /** Turns up to this number have ended. */
  settledTurn: integer().notNull(),
})

export const members = sqliteTable('members', {
  userId: text().primaryKey(),
  role: text().$type<MemberRole>().notNull(),
  joinedAt: integer().notNull(),
  /** Null until that person was here. */
  name: text(),
  /** `seq` of the event that told that somebody else removed them: no invite from before lets them in. Null for a member. */
  removedSeq: integer(),
})

/** Links that make whoever holds one a member. Of a token only its hash is here. A revoked one has no row. */
export const invites = sqliteTable('invites', {
  id: text().primaryKey(),
  hash: text().notNull(),
  role: text().$type<GivenRole>().notNull(),
  createdAt: integer().notNull(),
  expiresAt: integer().notNull(),
  maxUses: integer(),
  uses: integer().notNull(),
  /** `seq` of the newest event when it was asked for. */
  madeSeq: integer().notNull().default(0),
})

/** Links that show one branch to whoever holds one; the same holds for their tokens. */
export const shares = sqliteTable('shares', {
  id: text().primaryKey(),
  hash: text().notNull(),
  /** Number of the message where a snapshot ends; null: the newest answer, whichever that is. */
  tip: integer(),
  /** A snapshot's title, as it was. */
  title: text(),
  requireSignIn: integer({ mode: 'boolean' }).notNull(),
  createdAt: integer().notNull(),
  expiresAt: integer(),
})

/** A finished message. The text of one that is being written lies in `chunks`, and it has a row when its turn has ended. */
export const messages = sqliteTable('messages', {
  /** `m<number>` is its id; the order of numbers is the order of the conversation. */
  number: integer().primaryKey(),
  parent: integer(),
  turn: integer().notNull(),
  role: text().$type<Role>().notNull(),
  status: text().$type<MessageStatus>().notNull(),
  content: text().notNull(),
  /** Estimated tokens of `content`, counted once, for the context budget. */
  tokens: integer().notNull(),
  authorId: text(),
  authorName: text(),
  clientId: text(),
  createdAt: integer().notNull(),
  agentId: text(),
  model: text(),
  finishReason: text().$type<FinishReason>(),
  usage: text({ mode: 'json' }).$type<Usage>(),
  error: text({ mode: 'json' }).$type<TurnError>(),
  /** Where an answer came from, if not from the model that was meant to give it. */
  origin: text({ mode: 'json' }).$type<{ degraded?: Degraded; cached?: boolean }>(),
})

export const turns = sqliteTable(
  'turns',
  {
    /** `t<number>` is its id, and it writes message `m<number>`. */
    number: integer().primaryKey(),
    /** The message that asked. */
    askedBy: integer().notNull(),
    /** `<author>:<client id>`: the same message sent again is the same turn. */
    clientKey: text().notNull(),
    state: text().$type<TurnState>().notNull(),
    priority: text().$type<Priority>().notNull(),
    agentId: text().notNull(),
    model: text().notNull(),
    /** How often the model was called for this turn; raised before each call. */
    attempts: integer().notNull(),
    /** `seq` of the event that accepted it: its part of the log begins there. */
    acceptedSeq: integer().notNull(),
    requestId: text().notNull(),
    createdAt: integer().notNull(),
    endedAt: integer(),
    /** Whose quotas it draws on; null: its author's. */
    payerId: text(),
    /** How many attempts it had, and when it was, when somebody last had it go on after its end; null: nobody did. */
    resumedAttempt: integer(),
    resumedAt: integer(),
  },
  (table) => [uniqueIndex('turns_client_key').on(table.clientKey)],
)

/** Of a start: which attempt, and where its text begins. Of an end: what the rows may not say for ever. */
type EventData = { attempt: number; offset: number } | EndingData

/** The log. A row names what happened and to which row; what clients see is composed from both. */
export const events = sqliteTable('events', {
  seq: integer().primaryKey(),
  type: text().$type<EventType>().notNull(),
  /** Number of the message or turn that it is about; null for the conversation itself. */
  subject: integer(),
  /** What the rows do not say (attempt, offset, length). */
  data: text({ mode: 'json' }).$type<EventData>(),
  at: integer().notNull(),
})

/**
 * Text of the message that is being written, in pieces. Slots are reused by the next answer: a delete would cost a row
 * written for each. Rows of another message, or from beyond the last slot, are left-overs and mean nothing.
 */
export const chunks = sqliteTable('chunks', {
  slot: integer().primaryKey(),
  message: integer().notNull(),
  attempt: integer().notNull(),
  offset: integer().notNull(),
  delta: text().notNull(),
})
