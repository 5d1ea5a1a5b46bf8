/**
 * The rows of a queue object, in its SQLite: one per place, one for the windows, one for its name. All are read when the
 * object wakes; afterwards only what changes is written. No index: a place is found in memory.
 *
 * What one call changes is gathered and written at its end: a place that changed twice is one row, and one that came and
 * went is none. Nothing is written before there is something to keep: an object that is only looked at stays empty.
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
const REMOVE_PLACE = 'DELETE FROM places WHERE id = ?'
const PUT_FACT =
  'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value'

export class PlaceRows implements PlaceStore {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage
  #exists: boolean
  /** What has to be written, by place; null: its row goes. */
  readonly #changed = new Map<number, Place | null>()
  readonly #facts = new Map<string, string>()
  /** Places that have a row: only those need to be removed. */
  readonly #stored = new Set<number>()

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
    this.#sql = storage.sql
    this.#exists = this.#sql.exec(EXISTS).toArray().length > 0
  }

  load(): ReturnType<PlaceStore['load']> {
    this.#stored.clear()
    if (!this.#exists) return { places: [], window: null }
    const rows = this.#sql.exec<{ value: string }>('SELECT value FROM places').toArray()
    // Our own rows: what we wrote is what we read.
    const places = rows.map(({ value }) => JSON.parse(value) as Place)
    for (const { id } of places) this.#stored.add(id)
    return { places, window: JSON.parse(this.#fact('window') ?? 'null') as WindowFact | null }
  }

  put(place: Place): void {
    this.#changed.set(place.id, place)
  }

  remove(id: number): void {
    if (this.#stored.has(id)) this.#changed.set(id, null)
    else this.#changed.delete(id)
  }

  keepWindow(fact: WindowFact): void {
    this.#facts.set('window', JSON.stringify(fact))
  }

  /** Which object this is; null when it was never told. */
  name(): string | null {
    return this.#fact('name')
  }

  keepName(name: string): void {
    if (this.name() === null) this.#facts.set('name', name)
  }

  /** Writes what was put, kept and removed since the last time: all of it, or nothing. */
  flush(): void {
    const count = this.#changed.size + this.#facts.size
    if (count === 0) return
    // One statement is a transaction of its own, and most calls change one place.
    if (count === 1 && this.#exists) this.#write()
    else this.#storage.transactionSync(() => this.#write())
    this.#exists = true
    for (const [id, place] of this.#changed) {
      if (place) this.#stored.add(id)
      else this.#stored.delete(id)
    }
    this.forget()
  }

  /** Lets go of what was not written. */
  forget(): void {
    this.#changed.clear()
    this.#facts.clear()
  }

  #write(): void {
    if (!this.#exists) for (const statement of CREATE) this.#sql.exec(statement)
    for (const [id, place] of this.#changed) {
      if (place) this.#sql.exec(PUT_PLACE, id, JSON.stringify(place))
      else this.#sql.exec(REMOVE_PLACE, id)
    }
    for (const [name, value] of this.#facts) this.#sql.exec(PUT_FACT, name, value)
  }

  #fact(name: string): string | null {
    if (!this.#exists) return null
    const [row] = this.#sql.exec<{ value: string }>('SELECT value FROM facts WHERE name = ?', name).toArray()
    return row?.value ?? null
  }
}
