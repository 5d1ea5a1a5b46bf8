/**
 * From rows to what clients see. An event row names what happened and to whom; the frame is composed from it and the
 * rows that it points to, in one place, so that a live frame and a replayed one are the same.
 */
import type { Conversation, Message, TurnError, Usage } from '../protocol/message.ts'
import type { Member } from '../protocol/members.ts'
import type { DurableFrame, OpenTurn } from '../protocol/server-frames.ts'
import type * as schema from './schema.ts'

export type ConversationRow = typeof schema.conversation.$inferSelect
export type MessageRow = typeof schema.messages.$inferSelect
export type TurnRow = typeof schema.turns.$inferSelect
export type EventRow = typeof schema.events.$inferSelect

/** What the event that ends a turn remembers, where the turn may go on after it (`turns.resumedAttempt`). */
export interface EndingData {
  /** Of the text at that end, and where this run of the turn began in it; absent for the first run. */
  readonly length: number
  readonly from?: number
  readonly error?: TurnError
  /** What the provider said this run used, and what attempts of it used that died. */
  readonly usage?: Usage
  readonly lost?: Usage
  /** No call was under way at that end: only attempts that died used anything. */
  readonly waited?: boolean
  /** Attempts that it had before it was had go on; absent for the first run. */
  readonly run?: number
}

/** What a {@link composeFrame} may need to read; each is called at most once. */
export interface Rows {
  conversation(): Conversation
  members(): Member[]
  message(number: number): MessageRow
  turn(number: number): TurnRow
}

export const messageIdOf = (number: number): string => `m${number}`
export const turnIdOf = (number: number): string => `t${number}`
/** @param id a checked message or turn id */
export const numberOf = (id: string): number => Number(id.slice(1))

const iso = (ms: number): string => new Date(ms).toISOString()

export function toConversation(
  row: ConversationRow,
  activity: { messageCount: number; lastActivityAt: number },
): Conversation {
  return {
    id: row.id,
    title: row.title,
    ownerId: row.ownerId,
    createdAt: iso(row.createdAt),
    lastActivityAt: iso(activity.lastActivityAt),
    messageCount: activity.messageCount,
  }
}

export function toMessage(row: MessageRow): Message {
  return {
    id: messageIdOf(row.number),
    parentId: row.parent === null ? null : messageIdOf(row.parent),
    turnId: turnIdOf(row.turn),
    role: row.role,
    authorId: row.authorId,
    authorName: row.authorName,
    status: row.status,
    parts: [{ type: 'text', text: row.content }],
    createdAt: iso(row.createdAt),
    ...(row.clientId !== null && { clientId: row.clientId }),
    ...(row.agentId !== null && { agentId: row.agentId }),
    ...(row.model !== null && { model: row.model }),
    ...(row.finishReason !== null && { finishReason: row.finishReason }),
    ...(row.usage !== null && { usage: row.usage }),
    ...(row.error !== null && { error: row.error }),
    ...row.origin,
  }
}

/** The message of a turn that has not ended, with its text so far. */
export function toLiveMessage(turn: TurnRow, text: string): Message {
  return {
    id: messageIdOf(turn.number),
    parentId: messageIdOf(turn.askedBy),
    turnId: turnIdOf(turn.number),
    role: 'assistant',
    authorId: null,
    authorName: null,
    status: 'streaming',
    parts: [{ type: 'text', text }],
    createdAt: iso(turn.createdAt),
    agentId: turn.agentId,
    model: turn.model,
  }
}

export function composeFrame(event: EventRow, rows: Rows): DurableFrame {
  const { seq, type, subject } = event
  if (type === 'conversation_updated') return { type, seq, conversation: rows.conversation() }
  if (type === 'members_updated') return { type, seq, members: rows.members() }
  if (subject === null) throw new Error(`event ${seq} (${type}) has no subject`)
  if (type === 'message_created') return { type, seq, message: toMessage(rows.message(subject)) }

  const turn = rows.turn(subject)
  const about = {
    turnId: turnIdOf(turn.number),
    messageId: messageIdOf(turn.number),
    parentId: messageIdOf(turn.askedBy),
    at: iso(event.at),
  }
  if (type === 'stream_start') {
    const { attempt, offset } = event.data && 'attempt' in event.data ? event.data : { attempt: 1, offset: 0 }
    return { type, seq, ...about, attempt, offset, agentId: turn.agentId, model: turn.model }
  }
  const message = rows.message(subject)
  const then = endingOf(event)
  const ended = { seq, ...about, length: then?.length ?? message.content.length }
  if (type === 'stream_stopped') return { type, ...ended }
  if (type === 'stream_complete') {
    return {
      type,
      ...ended,
      finishReason: message.finishReason ?? 'unknown',
      model: message.model ?? turn.model,
      ...(message.usage !== null && { usage: message.usage }),
      ...message.origin,
    }
  }
  const error = then?.error ??
    message.error ?? { code: 'internal', detail: 'The reason was not recorded.', retryable: true }
  return { type, ...ended, error }
}

const ENDINGS: ReadonlySet<string> = new Set<EventRow['type']>([
  'stream_complete',
  'stream_stopped',
  'stream_failed',
  'stream_interrupted',
])

/** Whether it ends its turn, for the time being at least. */
export function isEnding({ type }: Pick<EventRow, 'type'>): boolean {
  return ENDINGS.has(type)
}

/** What the event of an end remembers of it; null where the rows say all. */
export function endingOf({ data }: EventRow): EndingData | null {
  return data && 'length' in data ? data : null
}

/** A turn that has not ended, as clients see it. @param position 0 for the one that runs, 1 for the next */
export function toOpenTurn(turn: TurnRow, state: OpenTurn['state'], position: number): OpenTurn {
  return {
    turnId: turnIdOf(turn.number),
    askedBy: messageIdOf(turn.askedBy),
    messageId: messageIdOf(turn.number),
    state,
    position,
    priority: turn.priority,
  }
}
