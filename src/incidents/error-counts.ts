/**
 * Counts of calls and of errors in the object's SQLite, by minute: one row for each minute and key, added to once for each
 * observation, however many errors it holds. What is old goes; how many kinds a minute may have is bounded.
 */
import { ERROR_DAYS, MAX_ERROR_ROWS, type ErrorGroup, type ErrorRow } from '../protocol/incidents.ts'
import type { FailureClass } from '../models/failure.ts'
import type { FailureObservation, ModelObservation, Observation } from './observation.ts'
import type { Row, Rows } from './rows.ts'
import { MINUTE_MS, minuteOf, plusCalls, type CallSums, type Windows } from './windows.ts'

const DAY_MINUTES = 24 * 60
/** Kinds of errors that are told apart in one minute: an error that is new each time must not fill the database. */
export const MAX_FINGERPRINTS = 200
/** The same for kinds, providers and routes together. */
const MAX_ERROR_KEYS = 1_000
export const OTHER = 'other'
const OTHER_DETAIL = 'Further failures, of too many kinds to tell them apart.'

/** Longest texts that are kept, in UTF-16 code units. */
const MAX_KEY_CHARS = 200
const MAX_DETAIL_CHARS = 500

/** Failures that say something about the provider or about us: not what somebody stopped, or wrote. */
const IS_FAILURE: Record<FailureClass, boolean> = {
  auth: true,
  quota: true,
  rate_limit: true,
  timeout: true,
  overloaded: true,
  content_filter: false,
  context_length: false,
  bad_request: true,
  server: true,
  network: true,
  cancelled: false,
}

interface MinuteRow extends Row {
  readonly minute: number
  readonly provider: string
  readonly calls: number
  readonly failures: number
  readonly first_token: string
  readonly micros: number
}

const sumsOf = ({ calls, failures, first_token: json, micros }: MinuteRow): CallSums => ({
  calls,
  failures,
  firstToken: JSON.parse(json) as number[],
  micros,
})

export class ErrorCounts {
  readonly #rows: Rows
  /** Keys of errors of the newest minute, so that bounds hold without asking. */
  #minute = -1
  readonly #fingerprints = new Set<string>()
  readonly #keys = new Set<string>()

  constructor(rows: Rows) {
    this.#rows = rows
  }

  /** Adds what an observation says to its minute, in rows and in the windows. Within a transaction of the caller's. */
  add({ models, queues, failures }: Observation, at: number, windows: Windows): void {
    const minute = minuteOf(at)
    for (const model of models) this.#addCalls(minute, model, windows)
    for (const { provider, p95WaitMs, timedOut } of queues) {
      if (p95WaitMs === null && timedOut === 0) continue
      windows.addQueue(minute, provider, { p95WaitMs, timedOut })
      this.#rows.sql.exec(
        `INSERT INTO queues VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET timed_out = timed_out + excluded.timed_out,
         p95_wait_ms = max(coalesce(p95_wait_ms, excluded.p95_wait_ms), coalesce(excluded.p95_wait_ms, p95_wait_ms))`,
        minute,
        provider,
        p95WaitMs,
        timedOut,
      )
    }
    this.#addErrors(minute, failures, at)
  }

  /** Fills the windows from rows: after a restart, and when a transaction was undone. */
  restore(windows: Windows, sinceMinute: number): void {
    // What was met in one that was undone has no row.
    this.#minute = -1
    for (const row of this.#minuteRows(sinceMinute, Number.MAX_SAFE_INTEGER))
      windows.addCalls(row.minute, row.provider, sumsOf(row))
    const queues = this.#rows.sql.exec<{
      minute: number
      provider: string
      p95_wait_ms: number | null
      timed_out: number
    }>('SELECT * FROM queues WHERE minute >= ?', sinceMinute)
    for (const { minute, provider, p95_wait_ms: p95WaitMs, timed_out: timedOut } of queues)
      windows.addQueue(minute, provider, { p95WaitMs, timedOut })
  }

  /** By minute and provider, oldest first; the last minute included. */
  callsBetween(first: number, last: number): { minute: number; provider: string; sums: CallSums }[] {
    const all = new Map<string, { minute: number; provider: string; sums: CallSums }>()
    for (const row of this.#minuteRows(first, last)) {
      const key = `${row.minute} ${row.provider}`
      const known = all.get(key)
      const sums = known ? plusCalls(known.sums, sumsOf(row)) : sumsOf(row)
      all.set(key, { minute: row.minute, provider: row.provider, sums })
    }
    return [...all.values()]
  }

  /**
   * Times in ms since the epoch; the minute of the first counts, that of the last counts unless it just begins.
   *
   * @param provider only errors of this one
   */
  by(
    group: ErrorGroup,
    from: number,
    to: number,
    limit = MAX_ERROR_ROWS,
    provider: string | null = null,
  ): { rows: ErrorRow[]; truncated: boolean } {
    const order = group === 'minute' ? 'errors.minute DESC' : 'total DESC, key'
    const found = this.#rows.sql
      .exec<{
        key: string | number
        total: number
        first: number
        last: number
        kind: string | null
        detail: string | null
        first_seen: number | null
      }>(
        `SELECT errors.${group} AS key, sum(count) AS total, min(minute) AS first, max(minute) AS last,
           min(f.kind) AS kind, min(f.detail) AS detail, min(f.first_seen) AS first_seen
         FROM errors LEFT JOIN fingerprints f ON f.fingerprint = errors.fingerprint
         WHERE minute >= ? AND minute < ? AND (? IS NULL OR provider = ?)
         GROUP BY errors.${group} ORDER BY ${order} LIMIT ?`,
        minuteOf(from),
        Math.ceil(to / MINUTE_MS),
        provider,
        provider,
        limit + 1,
      )
      .toArray()
    const iso = (minute: number): string => new Date(minute * MINUTE_MS).toISOString()
    const isKind = group === 'fingerprint'
    const rows = found.slice(0, limit).map((row): ErrorRow => ({
      key: typeof row.key === 'number' ? iso(row.key) : row.key || null,
      count: row.total,
      firstSeen: isKind && row.first_seen !== null ? new Date(row.first_seen).toISOString() : iso(row.first),
      lastSeen: iso(row.last),
      kind: isKind ? row.kind : null,
      detail: isKind ? row.detail : null,
    }))
    return { rows, truncated: found.length > limit }
  }

  /** Removes what is older than 14 days. */
  prune(now: number): void {
    const before = minuteOf(now) - ERROR_DAYS * DAY_MINUTES
    for (const table of ['minutes', 'queues', 'errors'])
      this.#rows.sql.exec(`DELETE FROM ${table} WHERE minute < ?`, before)
    this.#rows.sql.exec('DELETE FROM fingerprints WHERE last_day < ?', Math.floor(before / DAY_MINUTES))
  }

  /** When something will be old, ms since the epoch; null when there is nothing. */
  oldAt(): number | null {
    const oldest = ['minutes', 'queues', 'errors'].flatMap((table) =>
      this.#rows.sql
        .exec<{ minute: number }>(`SELECT minute FROM ${table} ORDER BY minute LIMIT 1`)
        .toArray(),
    )
    if (oldest.length === 0) return null
    const minute = Math.min(...oldest.map((row) => row.minute))
    return (minute + ERROR_DAYS * DAY_MINUTES + 1) * MINUTE_MS
  }

  #minuteRows(first: number, last: number): Iterable<MinuteRow> {
    return this.#rows.sql.exec<MinuteRow>(
      `SELECT minute, provider, calls, failures, first_token, micros FROM minutes
       WHERE minute >= ? AND minute <= ? ORDER BY minute, provider, model`,
      first,
      last,
    )
  }

  #addCalls(minute: number, observed: ModelObservation, windows: Windows): void {
    const { provider, model, calls, firstToken, micros } = observed
    const failures = Object.entries(observed.failures).reduce(
      (all, [kind, n]) => all + (IS_FAILURE[kind as FailureClass] ? n : 0),
      0,
    )
    const sums = { calls, failures, firstToken, micros }
    windows.addCalls(minute, provider, sums)
    const { sql } = this.#rows
    const [known] = sql
      .exec<MinuteRow>(
        'SELECT * FROM minutes WHERE minute = ? AND provider = ? AND model = ?',
        minute,
        provider,
        model,
      )
      .toArray()
    const total = known ? plusCalls(sumsOf(known), sums) : sums
    sql.exec(
      'INSERT OR REPLACE INTO minutes VALUES (?, ?, ?, ?, ?, ?, ?)',
      minute,
      provider,
      model,
      total.calls,
      total.failures,
      JSON.stringify(total.firstToken),
      total.micros,
    )
  }

  #addErrors(minute: number, failures: readonly FailureObservation[], at: number): void {
    if (failures.length === 0) return
    this.#turnTo(minute)
    const counts = new Map<string, { row: [string, string, string]; count: number }>()
    for (const failure of failures) {
      const row = this.#keyOf(failure)
      const key = JSON.stringify(row)
      this.#keys.add(key)
      if (!this.#fingerprints.has(row[0])) this.#meet(row[0], failure, at)
      counts.set(key, { row, count: (counts.get(key)?.count ?? 0) + failure.count })
    }
    for (const { row, count } of counts.values())
      this.#rows.sql.exec(
        'INSERT INTO errors VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count',
        minute,
        ...row,
        count,
      )
  }

  /** What a minute has no room for is counted with the rest, without its route. */
  #keyOf(failure: FailureObservation): [string, string, string] {
    const cut = (text: string | null): string => (text ?? '').slice(0, MAX_KEY_CHARS).toWellFormed()
    const [fingerprint, provider, route] = [failure.fingerprint, failure.provider, failure.route].map(cut)
    const whole: [string, string, string] = [fingerprint || OTHER, provider ?? '', route ?? '']
    if (this.#keys.has(JSON.stringify(whole))) return whole
    const hasRoom = this.#fingerprints.has(whole[0]) || this.#fingerprints.size < MAX_FINGERPRINTS
    return hasRoom && this.#keys.size < MAX_ERROR_KEYS ? whole : [OTHER, whole[1], '']
  }

  #meet(fingerprint: string, { kind, detail }: FailureObservation, at: number): void {
    this.#fingerprints.add(fingerprint)
    const isOther = fingerprint === OTHER
    this.#rows.sql.exec(
      `INSERT INTO fingerprints VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET last_day = excluded.last_day WHERE last_day <> excluded.last_day`,
      fingerprint,
      isOther ? OTHER : kind.slice(0, MAX_KEY_CHARS),
      isOther ? OTHER_DETAIL : detail.slice(0, MAX_DETAIL_CHARS).toWellFormed(),
      at,
      Math.floor(minuteOf(at) / DAY_MINUTES),
    )
  }

  #turnTo(minute: number): void {
    if (minute === this.#minute) return
    this.#minute = minute
    this.#fingerprints.clear()
    this.#keys.clear()
    const known = this.#rows.sql.exec<{ fingerprint: string; provider: string; route: string }>(
      'SELECT fingerprint, provider, route FROM errors WHERE minute = ?',
      minute,
    )
    for (const { fingerprint, provider, route } of known) {
      this.#fingerprints.add(fingerprint)
      this.#keys.add(JSON.stringify([fingerprint, provider, route]))
    }
  }
}
