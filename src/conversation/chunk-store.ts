/**
 * The text of the message that is being written, as far as it was stored: what survives the process.
 *
 * Append-only in meaning; in space, slots are reused by the next answer. A row counts only if it names this turn and
 * this attempt, so left-overs of other answers are never read.
 */
import type { TurnRow } from './events.ts'
import type { Statements } from './statements.ts'

export class ChunkStore {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  put(turn: TurnRow, slot: number, offset: number, delta: string): void {
    this.#statements.putChunk({ slot, message: turn.number, attempt: turn.attempts, offset, delta })
  }

  /**
   * What this attempt stored.
   *
   * @returns `whole: false` when a piece is missing, which must not happen: `text` is then what lies before the gap
   */
  read(turn: TurnRow): { text: string; whole: boolean } {
    const rows = this.#statements.chunksOf(turn.number, turn.attempts)
    let text = ''
    for (const row of rows) {
      if (row.offset !== text.length) return { text, whole: false }
      text += row.delta
    }
    return { text, whole: true }
  }
}
