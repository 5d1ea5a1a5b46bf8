/**
 * Writes the conversation: every fact and the event that tells it, in one transaction each.
 *
 * Holds what can be rebuilt from rows: the conversation's row, the newest `seq`, the newest number and the open turns.
 * Decides nothing about who may write, what runs next, or who is told; reading pages and replays is `log-reader.ts`.
 */
import { and, asc, eq, gt, inArray, max } from 'drizzle-orm'
import { AppError } from '../errors.ts'
import type { Principal } from '../protocol/principal.ts'
import { titleFrom } from './conversation-title.ts'
import type { Database } from './database.ts'
import type { EventType } from '../protocol/server-frames.ts'
import type { ConversationRow, EventRow, MessageRow, TurnRow } from './events.ts'
import {
  answerRow,
  clientKeyOf,
  endingData,
  questionRow,
  turnRow,
  type Ending,
  type NewMessage,
} from './new-rows.ts'
import * as schema from './schema.ts'
import type { Statements } from './statements.ts'
import type { EndedState } from './turn-state.ts'

export interface AcceptedRows {
  readonly message: MessageRow
  readonly turn: TurnRow
  readonly events: readonly EventRow[]
}

const ENDED_EVENT: Record<EndedState, EventType> = {
  completed: 'stream_complete',
  stopped: 'stream_stopped',
  failed: 'stream_failed',
  interrupted: 'stream_interrupted',
}

/** Where the conversation's marks lie; a single row. */
const MARKS = 1

export class History {
  readonly #db: Database
  readonly #statements: Statements
  readonly #now: () => number
  #conversation: ConversationRow
  #marks: { delivered: number; settledTurn: number }
  #seq: number
  #number: number
  #lastActivityAt: number
  /** Turns that have not ended. */
  readonly #open = new Map<number, TurnRow>()

  private constructor(
    db: Database,
    statements: Statements,
    now: () => number,
    conversation: ConversationRow,
  ) {
    this.#db = db
    this.#statements = statements
    this.#now = now
    this.#conversation = conversation
    const marks = db.select().from(schema.marks).get()
    if (!marks) throw new Error('the marks row is missing')
    this.#marks = marks
    const last = db
      .select({ seq: max(schema.events.seq) })
      .from(schema.events)
      .get()
    this.#seq = last?.seq ?? 0
    const lastEvent = db
      .select({ at: schema.events.at })
      .from(schema.events)
      .where(eq(schema.events.seq, this.#seq))
      .get()
    this.#lastActivityAt = lastEvent?.at ?? conversation.createdAt
    const lastTurn = db
      .select({ number: max(schema.turns.number) })
      .from(schema.turns)
      .get()
    this.#number = lastTurn?.number ?? 0
    const open = db
      .select()
      .from(schema.turns)
      .where(
        and(
          gt(schema.turns.number, marks.settledTurn),
          inArray(schema.turns.state, ['queued', 'admitted', 'streaming', 'awaiting_approval']),
        ),
      )
      .orderBy(asc(schema.turns.number))
      .all()
    for (const turn of open) this.#open.set(turn.number, turn)
  }

  /** @returns null when there is no conversation here, or one that is being deleted */
  static load(db: Database, statements: Statements, now: () => number): History | null {
    const row = db.select().from(schema.conversation).get()
    return row ? new History(db, statements, now, row) : null
  }

  static create(
    db: Database,
    statements: Statements,
    now: () => number,
    { ownerName, ...input }: { id: string; ownerId: string; ownerName: string; title: string },
  ): History {
    const createdAt = now()
    const row: ConversationRow = { ...input, createdAt, deletedAt: null }
    statements.transaction(() => {
      db.insert(schema.conversation).values(row).run()
      const owner = { userId: input.ownerId, name: ownerName, role: 'owner' as const, joinedAt: createdAt }
      db.insert(schema.members).values(owner).run()
      db.insert(schema.marks).values({ id: MARKS, delivered: -1, settledTurn: 0 }).run()
    })
    return new History(db, statements, now, row)
  }

  get conversation(): ConversationRow {
    return this.#conversation
  }

  get seq(): number {
    return this.#seq
  }

  get activity(): { messageCount: number; lastActivityAt: number } {
    return { messageCount: this.#number, lastActivityAt: this.#lastActivityAt }
  }

  get delivered(): number {
    return this.#marks.delivered
  }

  openTurns(): TurnRow[] {
    return [...this.#open.values()]
  }

  openTurn(number: number): TurnRow | undefined {
    return this.#open.get(number)
  }

  /** The answer that the newest turn wrote or will write: what a message without a parent follows. */
  get tip(): number | null {
    return this.#number === 0 ? null : this.#number
  }

  /**
   * Writes a person's message with its turn, and, when `startNow`, the turn's start in the same transaction.
   *
   * @returns null, and writes nothing, when its author used this client id before
   */
  accept(input: NewMessage, startNow: boolean): AcceptedRows | null {
    const now = this.#now()
    const asked = this.#number + 1
    const number = asked + 1
    const message = questionRow(input, asked, now)
    const turn = turnRow(input, number, { startNow, acceptedSeq: this.#seq + 1, now })
    const title = this.#conversation.title === '' ? titleFrom(input.content) : null
    const events = [this.#event('message_created', asked, null, 1)]
    if (startNow) events.push(this.#event('stream_start', number, { attempt: 1, offset: 0 }, 2))
    if (title !== null) events.push(this.#event('conversation_updated', null, null, events.length + 1))
    const isNew = this.#statements.transaction(() => {
      if (!this.#statements.insertTurn(turn)) return false
      this.#statements.insertMessage(message)
      for (const event of events) this.#statements.insertEvent(event)
      if (title !== null) this.#db.update(schema.conversation).set({ title }).run()
      return true
    })
    if (!isNew) return null
    if (title !== null) this.#conversation = { ...this.#conversation, title }
    this.#number = number
    this.#open.set(number, turn)
    this.#told(events)
    return { message, turn, events }
  }

  /** Marks that the model is about to be called for this turn: before the call, so that a crash counts it. */
  start(turn: TurnRow, from: number): { turn: TurnRow; event: EventRow } {
    const started: TurnRow = { ...turn, state: 'streaming', attempts: turn.attempts + 1 }
    const event = this.#event('stream_start', turn.number, { attempt: started.attempts, offset: from })
    this.#statements.transaction(() => {
      this.#statements.updateTurn(started)
      this.#statements.insertEvent(event)
    })
    this.#open.set(turn.number, started)
    this.#told([event])
    return { turn: started, event }
  }

  /** Ends a turn and writes the message that it leaves, whatever its state. */
  finish(turn: TurnRow, ending: Ending): { message: MessageRow; turn: TurnRow; event: EventRow } {
    const message = answerRow(turn, ending)
    const event = this.#event(ENDED_EVENT[ending.state], turn.number, endingData(turn, ending))
    const ended: TurnRow = { ...turn, state: ending.state, endedAt: event.at }
    this.#statements.transaction(() => {
      this.#statements.putMessage(message)
      this.#statements.updateTurn(ended)
      this.#statements.insertEvent(event)
    })
    this.#open.delete(turn.number)
    this.#told([event])
    return { message, turn: ended, event }
  }

  /** A turn that lost its process waits again. */
  requeue(turn: TurnRow): TurnRow {
    const queued: TurnRow = { ...turn, state: 'queued' }
    this.#statements.updateTurn(queued)
    this.#open.set(turn.number, queued)
    return queued
  }

  /** Opens a turn again that has ended: it waits for its start, and its answer stays as it is until then. */
  resume(turn: TurnRow): TurnRow {
    const resumed: TurnRow = {
      ...turn,
      state: 'queued',
      endedAt: null,
      resumedAttempt: turn.attempts,
      resumedAt: this.#now(),
    }
    const settledTurn = Math.min(this.#marks.settledTurn, turn.number - 1)
    this.#statements.transaction(() => {
      this.#statements.resumeTurn(resumed)
      // A wake looks for open turns above this mark.
      this.#statements.updateMarks({ ...this.#marks, settledTurn })
    })
    this.#marks = { ...this.#marks, settledTurn }
    this.#open.set(turn.number, resumed)
    return resumed
  }

  rename(title: string): EventRow {
    const event = this.record('conversation_updated', () => {
      this.#db.update(schema.conversation).set({ title }).run()
    })
    this.#conversation = { ...this.#conversation, title }
    return event
  }

  /** Writes what is no part of a turn, with its event, in one transaction. @param write is given the event's `seq` */
  record(type: EventType, write: (seq: number) => void): EventRow {
    const event = this.#event(type, null, null)
    this.#statements.transaction(() => {
      write(event.seq)
      this.#statements.insertEvent(event)
    })
    this.#told([event])
    return event
  }

  /** From here on the conversation is unknown to everyone; its rows go when D1 has been told. */
  markDeleted(): void {
    const deletedAt = this.#now()
    this.#db.update(schema.conversation).set({ deletedAt }).run()
    this.#conversation = { ...this.#conversation, deletedAt }
  }

  /** Records that D1 knows everything up to `delivered`. */
  settle(delivered: number): void {
    // One that was opened again may be older than those before it.
    const settledTurn = this.#open.size === 0 ? this.#number : Math.min(...this.#open.keys()) - 1
    this.#marks = { delivered, settledTurn }
    this.#statements.updateMarks(this.#marks)
  }

  /**
   * The turn that this client id started, if any.
   *
   * @throws AppError `conflict` when the id was used for another content
   */
  findByClientId(author: Principal, clientId: string, content: string): TurnRow | null {
    const key = clientKeyOf(author.userId, clientId)
    const turn = this.#statements.turnByClientKey(key)
    if (!turn) return null
    const asked = this.#db
      .select()
      .from(schema.messages)
      .where(eq(schema.messages.number, turn.askedBy))
      .get()
    if (asked?.content !== content) {
      throw new AppError('conflict', 'This id was used for another message in this conversation.', {
        field: 'id',
      })
    }
    return turn
  }

  #event(type: EventType, subject: number | null, data: EventRow['data'], ahead = 1): EventRow {
    return { seq: this.#seq + ahead, type, subject, data, at: this.#now() }
  }

  #told(events: readonly EventRow[]): void {
    const last = events.at(-1)
    if (!last) return
    this.#seq = last.seq
    this.#lastActivityAt = last.at
  }
}
