/**
 * The SQLite of a Durable Object as Node has it: real SQL in memory, behind the few calls that objects' code makes. A
 * transaction that throws is undone, as there.
 */
import { DatabaseSync } from 'node:sqlite'
import type { Row, Rows, SqlValue } from '../../src/incidents/rows.ts'

export class MemoryRows implements Rows {
  readonly #db = new DatabaseSync(':memory:')
  /** What writes from now on fail with. */
  failure: Error | null = null

  readonly sql = {
    exec: <Found extends Row>(query: string, ...values: SqlValue[]) => {
      if (this.failure && !/^\s*(?:SELECT|CREATE)/i.test(query)) throw this.failure
      const bound = values.map((value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value))
      const rows = this.#db.prepare(query).all(...bound) as Found[]
      return { toArray: () => rows, [Symbol.iterator]: () => rows[Symbol.iterator]() }
    },
  }

  transactionSync<T>(run: () => T): T {
    this.#db.exec('BEGIN')
    try {
      const result = run()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }

  count(table: string): number {
    return Number(this.#db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'])
  }
}
