/**
 * The text of the message that is being written, as far as it was stored: what survives the process.
 *
 * Append-only in meaning; in space, slots are reused by the next answer. A row counts only if it names this turn and
 * this attempt, so left-overs of other answers are never read.
 */
import { and, asc, eq } from 'drizzle-orm'
import type { Database } from './database.ts'
import type { TurnRow } from './events.ts'
import { chunks } from './schema.ts'

export class ChunkStore {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  put(turn: TurnRow, slot: number, offset: number, delta: string): void {
    const row = { message: turn.number, attempt: turn.attempts, offset, delta }
    this.#db
      .insert(chunks)
      .values({ slot, ...row })
      .onConflictDoUpdate({ target: chunks.slot, set: row })
      .run()
  }

  /**
   * What this attempt stored.
   *
   * @returns `whole: false` when a piece is missing, which must not happen: `text` is then what lies before the gap
   */
  read(turn: TurnRow): { text: string; whole: boolean } {
    const rows = this.#db
      .select({ offset: chunks.offset, delta: chunks.delta })
      .from(chunks)
      .where(and(eq(chunks.message, turn.number), eq(chunks.attempt, turn.attempts)))
      .orderBy(asc(chunks.slot))
      .all()
    let text = ''
    for (const row of rows) {
      if (row.offset !== text.length) return { text, whole: false }
      text += row.delta
    }
    return { text, whole: true }
  }
}
