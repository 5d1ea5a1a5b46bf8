/**
 * The statements of a turn, written out: their text is shared by all objects of an isolate, and SQLite's own cache keeps
 * what it made of them. What runs seldom is built by drizzle where it is used.
 */
import type { EventRow, MessageRow, TurnRow } from './events.ts'
import { RowSql } from './row-sql.ts'
import { chunks, events, messages, turns } from './schema.ts'

const messageRows = new RowSql(messages)
const turnRows = new RowSql(turns)
const eventRows = new RowSql(events)
const chunkRows = new RowSql(chunks)

const INSERT_NEW_TURN = `${turnRows.insert} ON CONFLICT (client_key) DO NOTHING`
const REPLACE_MESSAGE = messageRows.insert.replace('INSERT', 'INSERT OR REPLACE')
const UPDATE_TURN = 'UPDATE turns SET state = ?, attempts = ?, ended_at = ? WHERE number = ?'
const UPDATE_MARKS = 'UPDATE marks SET delivered = ?, settled_turn = ?'
const PUT_CHUNK = `${chunkRows.insert} ON CONFLICT (slot) DO UPDATE
  SET message = excluded.message, attempt = excluded.attempt, "offset" = excluded."offset", delta = excluded.delta`
const MESSAGES_BEFORE = 'SELECT * FROM messages WHERE number < ? ORDER BY number DESC'
const EVENTS_FROM = 'SELECT * FROM events WHERE seq >= ? ORDER BY seq'
const CHUNKS = 'SELECT slot, attempt, "offset", delta FROM chunks WHERE message = ? ORDER BY slot'
const RESUME_TURN =
  'UPDATE turns SET state = ?, ended_at = NULL, resumed_attempt = ?, resumed_at = ? WHERE number = ?'

/** A stored piece of an answer. */
type ChunkPiece = { slot: number; attempt: number; offset: number; delta: string }

export class Statements {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
    this.#sql = storage.sql
  }

  /** All of what `write` writes, or, if it throws, nothing. */
  transaction<T>(write: () => T): T {
    return this.#storage.transactionSync(write)
  }

  insertMessage(row: MessageRow): void {
    this.#sql.exec(messageRows.insert, ...messageRows.values(row))
  }

  /** The same for an answer that may be there from when its turn ended before. */
  putMessage(row: MessageRow): void {
    this.#sql.exec(REPLACE_MESSAGE, ...messageRows.values(row))
  }

  /** @returns false, and writes nothing, when the client's id was used before */
  insertTurn(row: TurnRow): boolean {
    return this.#sql.exec(INSERT_NEW_TURN, ...turnRows.values(row)).rowsWritten > 0
  }

  insertEvent(row: EventRow): void {
    this.#sql.exec(eventRows.insert, ...eventRows.values(row))
  }

  updateTurn({ number, state, attempts, endedAt }: TurnRow): void {
    this.#sql.exec(UPDATE_TURN, state, attempts, endedAt, number)
  }

  updateMarks({ delivered, settledTurn }: { delivered: number; settledTurn: number }): void {
    this.#sql.exec(UPDATE_MARKS, delivered, settledTurn)
  }

  /** Takes a slot, whatever was in it. */
  putChunk(row: typeof chunks.$inferSelect): void {
    this.#sql.exec(PUT_CHUNK, ...chunkRows.values(row))
  }

  /** A turn that had ended is open again. */
  resumeTurn({ number, state, resumedAttempt, resumedAt }: TurnRow): void {
    this.#sql.exec(RESUME_TURN, state, resumedAttempt, resumedAt, number)
  }

  chunksOf(message: number): ChunkPiece[] {
    return this.#sql.exec<ChunkPiece>(CHUNKS, message).toArray()
  }

  turnByClientKey(clientKey: string): TurnRow | undefined {
    const [row] = this.#sql.exec('SELECT * FROM turns WHERE client_key = ?', clientKey).toArray()
    return row && turnRows.read(row)
  }

  turn(number: number): TurnRow | undefined {
    const [row] = this.#sql.exec('SELECT * FROM turns WHERE number = ?', number).toArray()
    return row && turnRows.read(row)
  }

  message(number: number): MessageRow | undefined {
    const [row] = this.#sql.exec('SELECT * FROM messages WHERE number = ?', number).toArray()
    return row && messageRows.read(row)
  }

  /**
   * Oldest first, read one by one. Nothing but the place is asked of SQLite: a reader looks one row ahead, and for one that
   * fits it would read the log to its end.
   */
  *eventsFrom(seq: number): Generator<EventRow, void> {
    for (const row of this.#sql.exec(EVENTS_FROM, seq)) yield eventRows.read(row)
  }

  /** Newest first, read one by one: the caller stops when it has enough, before anything else is written. */
  *messagesBefore(number: number): Generator<MessageRow, void> {
    for (const row of this.#sql.exec(MESSAGES_BEFORE, number)) yield messageRows.read(row)
  }
}
