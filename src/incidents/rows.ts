/**
 * The tables of the incidents object's own database, and the handle through which the files beside this one reach them.
 * A new table is a line more; one that is there never changes, for nothing migrates it.
 */

export type SqlValue = string | number | null | ArrayBuffer
export type Row = Record<string, SqlValue>

export interface Sql {
  exec<Found extends Row>(query: string, ...values: SqlValue[]): Iterable<Found> & { toArray(): Found[] }
}

/** What is needed of a Durable Object's storage. */
export interface Rows {
  readonly sql: Sql
  /** What `run` writes is written whole; when it throws, not at all. */
  transactionSync<T>(run: () => T): T
}

const TABLES = [
  // Calls, by minute (since the epoch). `first_token`: counts by class, as JSON.
  `minutes (minute INTEGER NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, calls INTEGER NOT NULL,
    failures INTEGER NOT NULL, first_token TEXT NOT NULL, micros INTEGER NOT NULL,
    PRIMARY KEY (minute, provider, model)) WITHOUT ROWID`,
  `queues (minute INTEGER NOT NULL, provider TEXT NOT NULL, p95_wait_ms INTEGER, timed_out INTEGER NOT NULL,
    PRIMARY KEY (minute, provider)) WITHOUT ROWID`,
  // '' for none: a key with NULL in it would never meet itself.
  `errors (minute INTEGER NOT NULL, fingerprint TEXT NOT NULL, provider TEXT NOT NULL, route TEXT NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (minute, fingerprint, provider, route)) WITHOUT ROWID`,
  // When it was seen last is in `errors`; the day is only for knowing when to forget it.
  `fingerprints (fingerprint TEXT PRIMARY KEY, kind TEXT NOT NULL, detail TEXT NOT NULL, first_seen INTEGER NOT NULL,
    last_day INTEGER NOT NULL) WITHOUT ROWID`,
  'incidents (id INTEGER PRIMARY KEY, state TEXT NOT NULL, facts TEXT NOT NULL)',
  `timeline (incident INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    actor TEXT, PRIMARY KEY (incident, n)) WITHOUT ROWID`,
  `watches (rule TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (rule, subject)) WITHOUT ROWID`,
  'outbox (n INTEGER PRIMARY KEY, event TEXT NOT NULL)',
  'signals (id INTEGER PRIMARY KEY, value TEXT NOT NULL)',
  // Whose pseudonym it is, until that person is forgotten.
  'people (user_id TEXT PRIMARY KEY, pseudonym TEXT NOT NULL) WITHOUT ROWID',
]

export function createTables({ sql }: Rows): void {
  for (const table of TABLES) sql.exec(`CREATE TABLE IF NOT EXISTS ${table}`)
}
