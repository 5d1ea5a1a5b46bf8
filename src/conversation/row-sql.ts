/**
 * SQL of whole rows, made from the tables that drizzle knows: the text once per isolate, the values per row. For the
 * statements of a turn, where drizzle's own prepared queries cost as much as SQLite does, and are kept per object.
 */
import { getTableColumns, getTableName } from 'drizzle-orm'
import { toSnakeCase } from 'drizzle-orm/casing'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'

type StoredRow = Record<string, SqlStorageValue>

export class RowSql<T extends SQLiteTable> {
  /** `INSERT` of one row, with a `?` for each of {@link values}. */
  readonly insert: string
  readonly #columns: readonly { key: string; stored: string; json: boolean }[]

  constructor(table: T) {
    this.#columns = Object.entries(getTableColumns(table)).map(([key, column]) => ({
      key,
      stored: toSnakeCase(column.name),
      json: column.dataType === 'json',
    }))
    const names = this.#columns.map(({ stored }) => `"${stored}"`)
    this.insert = `INSERT INTO ${getTableName(table)} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`
  }

  values(row: T['$inferSelect']): SqlStorageValue[] {
    return this.#columns.map(({ key, json }) => {
      const value: unknown = row[key]
      // Columns hold text and numbers; what is left is null.
      return (json && value !== null ? JSON.stringify(value) : value) as SqlStorageValue
    })
  }

  read(stored: StoredRow): T['$inferSelect'] {
    const row: Record<string, unknown> = {}
    for (const { key, stored: name, json } of this.#columns) {
      const value = stored[name]
      row[key] = json && typeof value === 'string' ? JSON.parse(value) : value
    }
    return row
  }
}
