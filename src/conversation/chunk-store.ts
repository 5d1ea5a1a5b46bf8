/**
 * The text of the message that is being written, as far as it was stored: what survives the process.
 *
 * Append-only in meaning; in space, slots are reused by the next answer. A row counts only if it names this turn and lies
 * where the text before it ends, so left-overs of other answers are never read.
 */
import type { TurnRow } from './events.ts'
import type { Statements } from './statements.ts'
import type { Written } from './stream-log.ts'

export class ChunkStore {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  put(turn: TurnRow, slot: number, offset: number, delta: string): void {
    this.#statements.putChunk({ slot, message: turn.number, attempt: turn.attempts, offset, delta })
  }

  /**
   * The text of a turn as it is stored: what it had when it last ended, if it ever did, and what its attempts wrote since.
   * Attempts follow each other in the slots; a row of an earlier one behind a later one is a left-over.
   *
   * @param before the text with which it last ended
   * @returns `whole: false` when a piece is missing, which must not happen: `text` is then what lies before the gap
   */
  read(turn: TurnRow, before = ''): Written & { whole: boolean } {
    let text = before
    let slot = 0
    let attempt = 0
    for (const row of this.#statements.chunksOf(turn.number)) {
      if (row.attempt < attempt) break
      attempt = row.attempt
      slot = row.slot + 1
      if (row.offset < before.length) continue
      if (row.offset !== text.length) return { text, slot: row.slot, whole: false }
      text += row.delta
    }
    // Nothing of it counts when an answer goes on from where it ended: its slots are free.
    return { text, slot: text.length > before.length || before === '' ? slot : 0, whole: true }
  }
}
