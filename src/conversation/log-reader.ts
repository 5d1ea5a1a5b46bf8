/**
 * Reads the conversation: a page of messages, what a client missed, and what the model is to see.
 *
 * Only finished messages have rows; the caller adds the one that is being written. Pages go by key, never by offset,
 * and every read is bounded, so a conversation with thousands of messages costs what a short one costs.
 */
import { asc, desc, eq, gt, lte } from 'drizzle-orm'
import { PAGE_CHARS } from '../protocol/limits.ts'
import type { ModelMessage } from '../models/model.ts'
import { stableStart } from './context-window.ts'
import type { Database } from './database.ts'
import { isEnding, type EventRow, type MessageRow, type TurnRow } from './events.ts'
import * as schema from './schema.ts'
import type { Statements } from './statements.ts'
import { hasEnded } from './turn-state.ts'

/** Messages read at a time on the way from a question back to the root. */
const CONTEXT_BATCH = 64
/** What a provider adds around each message, in tokens (OpenAI's published count for chat messages is 3 to 4). */
const TOKENS_PER_MESSAGE = 4

type ContextRow = Pick<MessageRow, 'number' | 'parent' | 'role' | 'content' | 'tokens'>

export class LogReader {
  readonly #db: Database
  readonly #statements: Statements
  /** The messages of the last context, and what was written since: a conversation that goes on reads none of them again. */
  #recent = new Map<number, ContextRow>()

  constructor(db: Database, statements: Statements) {
    this.#db = db
    this.#statements = statements
  }

  /** Told of each message that is written; messages never change, but for an erasure. */
  remember({ number, parent, role, content, tokens }: MessageRow): void {
    this.#recent.set(number, { number, parent, role, content, tokens })
  }

  /** Rows were changed past this: nothing that is remembered counts any more. */
  forget(): void {
    this.#recent.clear()
  }

  /**
   * The newest `limit` messages before `before`, oldest first, cut to {@link PAGE_CHARS} of text.
   *
   * @returns `more`: whether older ones are there
   */
  page(before: number | null, limit: number): { messages: MessageRow[]; more: boolean } {
    const messages: MessageRow[] = []
    let chars = 0
    for (const row of this.#statements.messagesBefore(before ?? Number.MAX_SAFE_INTEGER)) {
      chars += row.content.length
      if (messages.length === limit || (messages.length > 0 && chars > PAGE_CHARS))
        return { messages: messages.toReversed(), more: true }
      messages.push(row)
    }
    return { messages: messages.toReversed(), more: false }
  }

  /** Events after `after`, in order; at most `limit`. */
  eventsAfter(after: number, limit: number): EventRow[] {
    return this.#db
      .select()
      .from(schema.events)
      .where(gt(schema.events.seq, after))
      .orderBy(asc(schema.events.seq))
      .limit(limit)
      .all()
  }

  /**
   * The events of one turn: its question's and its own, from `after` on. Reading ends with that of its end: asking for an
   * old turn would otherwise read the log from there to its end.
   */
  eventsOfTurn(turn: TurnRow, after: number): EventRow[] {
    const { acceptedSeq, askedBy, number, state, endedAt } = turn
    const events: EventRow[] = []
    for (const event of this.#statements.eventsFrom(acceptedSeq)) {
      if (event.subject !== askedBy && event.subject !== number) continue
      events.push(event)
      // It may have ended before, and gone on.
      if (hasEnded(state) && isEnding(event) && event.at >= (endedAt ?? 0)) break
    }
    return events.filter((event) => event.seq > after)
  }

  /** Number of the newest answer that is finished; null before there is one. */
  newestAnswer(): number | null {
    const { number, role } = schema.messages
    const row = this.#db
      .select({ number })
      .from(schema.messages)
      .where(eq(role, 'assistant'))
      .orderBy(desc(number))
      .limit(1)
      .get()
    return row?.number ?? null
  }

  /** The way from the root to a message, oldest first: the newest of it, as far as both bounds reach. */
  branch(tip: number, most: number, mostChars: number): { messages: MessageRow[]; isWhole: boolean } {
    const path: MessageRow[] = []
    let next: number | null = tip
    let chars = 0
    for (const row of this.#statements.messagesBefore(tip + 1)) {
      if (row.number !== next) continue
      chars += row.content.length
      if (path.length === most || chars > mostChars) break
      path.push(row)
      next = row.parent
      if (next === null) break
    }
    return { messages: path.toReversed(), isWhole: next === null }
  }

  message(number: number): MessageRow | undefined {
    return this.#statements.message(number)
  }

  turn(number: number): TurnRow | undefined {
    return this.#statements.turn(number)
  }

  /**
   * What the model is to see: the way from the question back to the root, newest first, as far as `budget` tokens
   * reach, returned oldest first, and begun where it can begin for some turns. The question itself is always there.
   * Answers without text are left out, and so is what follows nothing: the result never begins with an answer.
   */
  context(question: number, budget: number): ModelMessage[] {
    const path: ContextRow[] = []
    let spent = 0
    let row = this.#contextRow(question)
    for (; row; row = this.#before(row)) {
      spent += row.tokens + TOKENS_PER_MESSAGE
      if (spent > budget && path.length > 0) break
      path.push(row)
    }
    // The one that did not fit, too: with the next turn it is the same, or a newer one.
    this.#recent = new Map([...path, ...(row ? [row] : [])].map((each) => [each.number, each]))
    const rows = path.toReversed()
    const counted = (each: ContextRow) => ({ ...each, tokens: each.tokens + TOKENS_PER_MESSAGE })
    const messages = rows
      .slice(row ? stableStart(rows.map(counted), budget) : 0)
      .filter(({ content }) => content !== '')
      .map(({ role, content }): ModelMessage => ({ role, content }))
    while (messages.length > 1 && messages[0]?.role === 'assistant') messages.shift()
    return messages
  }

  /** Estimated tokens of a message and what leads to it, as {@link context} counts them; at most `budget`. */
  tokensOfPath(number: number, budget: number): number {
    let spent = 0
    for (let row = this.#contextRow(number); row; row = this.#before(row)) {
      spent += row.tokens + TOKENS_PER_MESSAGE
      if (spent > budget) return budget
    }
    return spent
  }

  /** What a message follows; of an answer that is not written yet (a more urgent turn overtook it), what that is to answer. */
  #before({ parent }: ContextRow): ContextRow | null {
    if (parent === null) return null
    const isAnswer = parent % 2 === 0
    return this.#contextRow(parent) ?? (isAnswer ? this.#contextRow(parent - 1) : null)
  }

  /** One message; when it must be read, those before it, which the way back usually needs, come along. */
  #contextRow(number: number): ContextRow | null {
    const known = this.#recent.get(number)
    if (known) return known
    const { parent, role, content, tokens } = schema.messages
    const rows = this.#db
      .select({ number: schema.messages.number, parent, role, content, tokens })
      .from(schema.messages)
      .where(lte(schema.messages.number, number))
      .orderBy(desc(schema.messages.number))
      .limit(CONTEXT_BATCH)
      .all()
    for (const row of rows) this.#recent.set(row.number, row)
    return this.#recent.get(number) ?? null
  }
}
