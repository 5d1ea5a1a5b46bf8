/**
 * The rows of a queue object, in its SQLite: one per place, one for the windows, one for its name. All are read when the
 * object wakes; afterwards only what changes is written. No index: a place is found in memory.
 *
 * Nothing is written before there is something to keep: an object that is only looked at stays empty.
 */
import type { WindowFact } from './capacity.ts'
import type { Place, PlaceStore } from './places.ts'

const EXISTS = "SELECT 1 FROM sqlite_master WHERE name = 'places'"
const CREATE = [
  'CREATE TABLE places (id INTEGER PRIMARY KEY, value TEXT NOT NULL)',
  'CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID',
]
const PUT_PLACE =
  'INSERT INTO places (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value'
const PUT_FACT =
  'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value'

export class PlaceRows implements PlaceStore {
  readonly #sql: SqlStorage
  #exists: boolean

  constructor(sql: SqlStorage) {
    this.#sql = sql
    this.#exists = sql.exec(EXISTS).toArray().length > 0
  }

  load(): ReturnType<PlaceStore['load']> {
    if (!this.#exists) return { places: [], window: null }
    const rows = this.#sql.exec<{ value: string }>('SELECT value FROM places').toArray()
    // Our own rows: what we wrote is what we read.
    const places = rows.map(({ value }) => JSON.parse(value) as Place)
    return { places, window: JSON.parse(this.#fact('window') ?? 'null') as WindowFact | null }
  }

  put(place: Place): void {
    this.#create()
    this.#sql.exec(PUT_PLACE, place.id, JSON.stringify(place))
  }

  remove(id: number): void {
    if (this.#exists) this.#sql.exec('DELETE FROM places WHERE id = ?', id)
  }

  keepWindow(fact: WindowFact): void {
    this.#create()
    this.#sql.exec(PUT_FACT, 'window', JSON.stringify(fact))
  }

  /** Which object this is; null when it was never told. */
  name(): string | null {
    return this.#fact('name')
  }

  keepName(name: string): void {
    this.#create()
    this.#sql.exec(PUT_FACT, 'name', name)
  }

  #fact(name: string): string | null {
    if (!this.#exists) return null
    const [row] = this.#sql.exec<{ value: string }>('SELECT value FROM facts WHERE name = ?', name).toArray()
    return row?.value ?? null
  }

  #create(): void {
    if (this.#exists) return
    for (const statement of CREATE) this.#sql.exec(statement)
    this.#exists = true
  }
}
