/**
 * The statements of a turn, prepared once per object: drizzle takes a tenth of a millisecond to build one, which for the
 * dozen of a turn was more than everything else that the object does. What runs seldom is built where it is used.
 */
import { and, asc, eq, getTableColumns, sql, type SQL } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Database } from './database.ts'
import type { EventRow, MessageRow, TurnRow } from './events.ts'
import { chunks, events, marks, messages, turns } from './schema.ts'

const $ = sql.placeholder

export class Statements {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  insertMessage(row: MessageRow): void {
    this.#insertMessage().run({ ...row, usage: json(row.usage), error: json(row.error) })
  }

  /** @returns false, and writes nothing, when the client's id was used before */
  insertTurn(row: TurnRow): boolean {
    return this.#insertTurn().get({ ...row }) !== undefined
  }

  insertEvent(row: EventRow): void {
    this.#insertEvent().run({ ...row, data: json(row.data) })
  }

  updateTurn({ number, state, attempts, endedAt }: TurnRow): void {
    this.#updateTurn().run({ number, state, attempts, endedAt })
  }

  updateMarks(row: { delivered: number; settledTurn: number }): void {
    this.#updateMarks().run(row)
  }

  /** Takes a slot, whatever was in it. */
  putChunk(row: typeof chunks.$inferSelect): void {
    this.#putChunk().run({ ...row })
  }

  chunksOf(message: number, attempt: number): { offset: number; delta: string }[] {
    return this.#chunksOf().all({ message, attempt })
  }

  turnByClientKey(clientKey: string): TurnRow | undefined {
    return this.#turnByClientKey().get({ clientKey })
  }

  turn(number: number): TurnRow | undefined {
    return this.#turn().get({ number })
  }

  message(number: number): MessageRow | undefined {
    return this.#message().get({ number })
  }

  readonly #insertMessage = lazy(() => this.#db.insert(messages).values(placeholders(messages)).prepare())
  readonly #insertTurn = lazy(() =>
    this.#db
      .insert(turns)
      .values(placeholders(turns))
      .onConflictDoNothing({ target: turns.clientKey })
      .returning({ number: turns.number })
      .prepare(),
  )
  readonly #insertEvent = lazy(() => this.#db.insert(events).values(placeholders(events)).prepare())
  readonly #updateTurn = lazy(() => {
    const set = pick(placeholders(turns), ['state', 'attempts', 'endedAt'])
    return this.#db
      .update(turns)
      .set(set)
      .where(eq(turns.number, $('number')))
      .prepare()
  })
  readonly #updateMarks = lazy(() =>
    this.#db
      .update(marks)
      .set(pick(placeholders(marks), ['delivered', 'settledTurn']))
      .prepare(),
  )
  readonly #putChunk = lazy(() => {
    const row = placeholders(chunks)
    const { slot: _, ...set } = row
    return this.#db.insert(chunks).values(row).onConflictDoUpdate({ target: chunks.slot, set }).prepare()
  })
  readonly #chunksOf = lazy(() =>
    this.#db
      .select({ offset: chunks.offset, delta: chunks.delta })
      .from(chunks)
      .where(and(eq(chunks.message, $('message')), eq(chunks.attempt, $('attempt'))))
      .orderBy(asc(chunks.slot))
      .prepare(),
  )
  readonly #turnByClientKey = lazy(() =>
    this.#db
      .select()
      .from(turns)
      .where(eq(turns.clientKey, $('clientKey')))
      .prepare(),
  )
  readonly #turn = lazy(() =>
    this.#db
      .select()
      .from(turns)
      .where(eq(turns.number, $('number')))
      .prepare(),
  )
  readonly #message = lazy(() =>
    this.#db
      .select()
      .from(messages)
      .where(eq(messages.number, $('number')))
      .prepare(),
  )
}

/** Builds at the first use: most objects wake for less than all of them. */
function lazy<T>(build: () => T): () => T {
  let built: T | undefined
  return () => (built ??= build())
}

/** A placeholder for each column, as SQL, so that values are bound as given: drizzle would write null JSON as text. */
function placeholders<T extends SQLiteTable>(table: T): { [K in keyof T['_']['columns']]: SQL<never> } {
  const names = Object.keys(getTableColumns(table))
  return Object.fromEntries(names.map((name) => [name, sql`${$(name)}`])) as never
}

function pick<T, K extends keyof T>(row: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, row[name]])) as never
}

function json(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}
