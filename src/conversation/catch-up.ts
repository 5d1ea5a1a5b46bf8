/**
 * What a client is sent before live frames: the newest page, or exactly what it missed (rules R2–R7).
 *
 * A client's text of an unfinished message is completed by one chunk with the rest, placed before the event that ends
 * the message. Runs in one synchronous block with the registration of the reader, so nothing falls between.
 */
import type { Have } from '../protocol/client-frames.ts'
import { MAX_REPLAY_EVENTS, PAGE_MESSAGES } from '../protocol/limits.ts'
import type { Message } from '../protocol/message.ts'
import { isTurnEnded, type FrameOf, type ServerFrame } from '../protocol/server-frames.ts'
import { composeFrame, messageIdOf, numberOf, toConversation, toLiveMessage, toMessage } from './events.ts'
import type { EventRow, MessageRow, Rows, TurnRow } from './events.ts'
import type { History } from './history.ts'
import type { LogReader } from './log-reader.ts'
import type { Membership } from './membership.ts'

/** The answer that is being written, with all text that was shown. */
export interface LiveAnswer {
  readonly turn: TurnRow
  readonly text: string
}

/** The rows that frames are composed from, read once each. */
export function rowsOf(
  history: History,
  membership: Membership,
  log: LogReader,
): Rows & { messageOrNull(number: number): MessageRow | null } {
  const messages = new Map<number, MessageRow | null>()
  const turns = new Map<number, TurnRow>()
  const messageOrNull = (number: number): MessageRow | null => {
    let row = messages.get(number)
    if (row === undefined) messages.set(number, (row = log.message(number) ?? null))
    return row
  }
  return {
    conversation: () => toConversation(history.conversation, history.activity),
    members: () => membership.list(),
    messageOrNull,
    message(number) {
      const row = messageOrNull(number)
      if (!row) throw new Error(`message ${number} has an event and no row`)
      return row
    },
    turn(number) {
      const row = turns.get(number) ?? history.openTurn(number) ?? log.turn(number)
      if (!row) throw new Error(`turn ${number} has an event and no row`)
      turns.set(number, row)
      return row
    },
  }
}

/**
 * The frames of `events` with the text that belongs between them.
 *
 * @param have what the client holds of one message; void when the replay restarts that message (rule R5)
 */
export function replay(
  events: readonly EventRow[],
  have: Have | undefined,
  live: LiveAnswer | null,
  rows: ReturnType<typeof rowsOf>,
): ServerFrame[] {
  const frames: ServerFrame[] = []
  const held = new Map<number, number>()
  if (have) held.set(numberOf(have.messageId), have.offset)
  const complete = (number: number, text: string): void => {
    const offset = Math.min(held.get(number) ?? 0, text.length)
    if (held.get(number) === text.length) return
    if (text === '' && !held.has(number)) return
    frames.push(chunk(number, offset, text.slice(offset)))
    held.set(number, text.length)
  }
  /** All text that there is of an answer, of which an earlier end or start saw the beginning. */
  const textOf = (number: number): string =>
    live?.turn.number === number ? live.text : (rows.messageOrNull(number)?.content ?? '')
  for (const event of events) {
    const frame = composeFrame(event, rows)
    if (frame.type === 'stream_start') {
      const number = numberOf(frame.messageId)
      // Goes on after text that this client has not seen all of.
      if ((held.get(number) ?? 0) < frame.offset) complete(number, textOf(number).slice(0, frame.offset))
      held.set(number, frame.offset)
    } else if (isTurnEnded(frame)) {
      const number = numberOf(frame.messageId)
      complete(number, textOf(number).slice(0, frame.length))
    }
    frames.push(frame)
  }
  if (live) complete(live.turn.number, live.text)
  return frames
}

function chunk(number: number, offset: number, delta: string): FrameOf<'stream_chunk'> {
  return { type: 'stream_chunk', messageId: messageIdOf(number), offset, delta }
}

/** The events that a client missed, or null when it needs a fresh page (rule R6). */
export function missedEvents(history: History, log: LogReader, after: number | undefined): EventRow[] | null {
  if (after === undefined || after > history.seq) return null
  if (after === history.seq) return []
  if (history.seq - after > MAX_REPLAY_EVENTS) return null
  return log.eventsAfter(after, MAX_REPLAY_EVENTS)
}

/** A page of messages as clients see it; the newest page ends with the answer that is being written. */
export function messagePage(
  log: LogReader,
  live: LiveAnswer | null,
  before: number | null,
  limit: number,
): { messages: Message[]; before: string | null } {
  const { messages: rows, more } = log.page(before, limit)
  const messages = rows.map(toMessage)
  const again = live ? rows.findIndex((row) => row.number === live.turn.number) : -1
  if (live && again !== -1) {
    // It had ended before, and goes on.
    messages[again] = toLiveMessage(live.turn, live.text)
  } else if (live && isOnPage(live.turn.number, rows, more, before)) {
    // Its number may lie before that of a question which waits behind it.
    const at = rows.findIndex((row) => row.number > live.turn.number)
    messages.splice(at === -1 ? messages.length : at, 0, toLiveMessage(live.turn, live.text))
  }
  return { messages, before: more ? (messages[0]?.id ?? null) : null }
}

/** A turn that others overtook may lie before this page: it then belongs to an earlier one. */
function isOnPage(
  number: number,
  rows: readonly MessageRow[],
  more: boolean,
  before: number | null,
): boolean {
  if (before !== null && number >= before) return false
  return !more || number > (rows[0]?.number ?? 0)
}

export const FIRST_PAGE = PAGE_MESSAGES
