/**
 * Incidents, their timelines, what is watched, and what is still to be told, in the object's SQLite. Writes happen within a
 * transaction of the caller's.
 *
 * People stand in it under a pseudonym of their own, as in the audit trail: forgetting one removes the row that says whose
 * it is, and changes nothing else.
 */
import type { Incident, IncidentState, TimelineEntry } from '../protocol/incidents.ts'
import type { WebhookEvent } from '../webhooks/event.ts'
import { titleOf, type Change, type Entry, type IncidentRecord } from './incident.ts'
import { noticeOf, type NoticeRows } from './notices.ts'
import type { Rows, Sql } from './rows.ts'
import { SILENCE, type Signals } from './signals.ts'
import type { Watch } from './watch.ts'

/** Entries that one incident takes of what comes by itself: a breaker that flutters for a week must not fill a page. */
const MAX_SIGNAL_ENTRIES = 400
/** Incidents are kept for as long as people look back, in ms. */
const KEEP_MS = 400 * 24 * 3600 * 1000

const iso = (ms: number): string => new Date(ms).toISOString()
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms))
// Our own rows, here and below: what we wrote is what we read.
const recordOf = ({ facts }: { facts: string }): IncidentRecord => JSON.parse(facts) as IncidentRecord

export class IncidentRows implements NoticeRows {
  readonly #sql: Sql

  constructor({ sql }: Rows) {
    this.#sql = sql
  }

  nextId(): number {
    const [row] = this.#sql.exec<{ id: number | null }>('SELECT max(id) AS id FROM incidents').toArray()
    return (row?.id ?? 0) + 1
  }

  find(id: number): IncidentRecord | null {
    const [row] = this.#sql.exec<{ facts: string }>('SELECT facts FROM incidents WHERE id = ?', id).toArray()
    return row ? recordOf(row) : null
  }

  /** Newest first. @param below only those with a smaller number */
  list(state: IncidentState | null, below: number, limit: number): IncidentRecord[] {
    return this.#sql
      .exec<{ facts: string }>(
        'SELECT facts FROM incidents WHERE id < ? AND (? IS NULL OR state = ?) ORDER BY id DESC LIMIT ?',
        below,
        state,
        state,
        limit,
      )
      .toArray()
      .map(recordOf)
  }

  put(incident: IncidentRecord): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO incidents VALUES (?, ?, ?)',
      incident.id,
      incident.state,
      JSON.stringify(incident),
    )
  }

  /** The incident as it is now, what its timeline says of it, and the notice, if others are told. */
  apply({ incident, entries, notice }: Change, at: number): void {
    this.put(incident)
    if (notice === null) return entries.forEach((each) => this.addSignal(incident.id, each))
    const last = entries.reduce((_, each) => this.addEntry(incident.id, each), 0)
    const event = noticeOf(incident, notice, last, at)
    this.#sql.exec('INSERT INTO outbox (event) VALUES (?)', JSON.stringify(event))
  }

  /** @returns its number */
  addEntry(id: number, { at, kind, text, by }: Entry): number {
    const n = this.countEntries(id) + 1
    this.#sql.exec('INSERT INTO timeline VALUES (?, ?, ?, ?, ?, ?)', id, n, at, kind, text, by)
    return n
  }

  /** What comes by itself: no more than there is room for. */
  addSignal(id: number, entry: Entry): void {
    if (this.countEntries(id) < MAX_SIGNAL_ENTRIES) this.addEntry(id, entry)
  }

  /** @param kind only of this kind */
  countEntries(id: number, kind: TimelineEntry['kind'] | null = null): number {
    const [row] = this.#sql
      .exec<{ n: number }>(
        'SELECT count(*) AS n FROM timeline WHERE incident = ? AND (? IS NULL OR kind = ?)',
        id,
        kind,
        kind,
      )
      .toArray()
    return row?.n ?? 0
  }

  /** In the order in which it happened. */
  timeline(id: number): TimelineEntry[] {
    return this.#sql
      .exec<{ at: number; kind: string; text: string; actor: string | null; user_id: string | null }>(
        `SELECT timeline.*, people.user_id FROM timeline LEFT JOIN people ON people.pseudonym = timeline.actor
         WHERE incident = ? ORDER BY at, n`,
        id,
      )
      .toArray()
      .map(({ at, kind, text, actor, user_id: userId }) => ({
        at: iso(at),
        kind: kind as TimelineEntry['kind'],
        text,
        by: actor === null ? null : (userId ?? `erased:${actor}`),
      }))
  }

  /** As the administration sees it. */
  shown(record: IncidentRecord): Incident {
    const { id, peak, openedAt, acknowledgedAt, resolvedAt, alertedAt: _, ...rest } = record
    return {
      ...rest,
      id: `i${id}`,
      title: titleOf(record),
      openedAt: iso(openedAt),
      acknowledgedAt: isoOrNull(acknowledgedAt),
      acknowledgedBy: this.#nameOf(record.acknowledgedBy),
      resolvedAt: isoOrNull(resolvedAt),
      resolvedBy: this.#nameOf(record.resolvedBy),
      peak: { ...peak, at: iso(peak.at) },
    }
  }

  /** Whoever has none gets one. */
  pseudonymOf(userId: string, drawn: string): string {
    this.#sql.exec('INSERT INTO people VALUES (?, ?) ON CONFLICT DO NOTHING', userId, drawn)
    const [row] = this.#sql
      .exec<{ pseudonym: string }>('SELECT pseudonym FROM people WHERE user_id = ?', userId)
      .toArray()
    return row?.pseudonym ?? drawn
  }

  forgetPerson(userId: string): void {
    this.#sql.exec('DELETE FROM people WHERE user_id = ?', userId)
  }

  /** By rule and subject. */
  watches(): { rule: string; subject: string; watch: Watch }[] {
    return this.#sql
      .exec<{ rule: string; subject: string; state: string }>('SELECT * FROM watches')
      .toArray()
      .map(({ rule, subject, state }) => ({ rule, subject, watch: JSON.parse(state) as Watch }))
  }

  /** @param watch null: it is watched no more */
  putWatch(rule: string, subject: string, watch: Watch | null): void {
    if (watch === null) this.#sql.exec('DELETE FROM watches WHERE rule = ? AND subject = ?', rule, subject)
    else
      this.#sql.exec('INSERT OR REPLACE INTO watches VALUES (?, ?, ?)', rule, subject, JSON.stringify(watch))
  }

  signals(): Signals {
    const [row] = this.#sql.exec<{ value: string }>('SELECT value FROM signals WHERE id = 1').toArray()
    return row ? (JSON.parse(row.value) as Signals) : SILENCE
  }

  putSignals(signals: Signals): void {
    this.#sql.exec('INSERT OR REPLACE INTO signals VALUES (1, ?)', JSON.stringify(signals))
  }

  first(limit: number): { n: number; event: WebhookEvent }[] {
    return this.#sql
      .exec<{ n: number; event: string }>('SELECT n, event FROM outbox ORDER BY n LIMIT ?', limit)
      .toArray()
      .map(({ n, event }) => ({ n, event: JSON.parse(event) as WebhookEvent }))
  }

  remove(upTo: number): void {
    this.#sql.exec('DELETE FROM outbox WHERE n <= ?', upTo)
  }

  /** Removes what was over more than a year ago; the newest stays, for its number. */
  prune(now: number): void {
    const old = this.#sql
      .exec<{ facts: string }>(
        `SELECT facts FROM incidents WHERE state = 'resolved' AND id < (SELECT max(id) FROM incidents)
         ORDER BY id LIMIT 100`,
      )
      .toArray()
      .map(recordOf)
      .filter(({ resolvedAt }) => resolvedAt !== null && now - resolvedAt > KEEP_MS)
    for (const { id } of old) {
      this.#sql.exec('DELETE FROM incidents WHERE id = ?', id)
      this.#sql.exec('DELETE FROM timeline WHERE incident = ?', id)
    }
  }

  #nameOf(pseudonym: string | null): string | null {
    if (pseudonym === null) return null
    const [row] = this.#sql
      .exec<{ user_id: string }>('SELECT user_id FROM people WHERE pseudonym = ?', pseudonym)
      .toArray()
    return row?.user_id ?? `erased:${pseudonym}`
  }
}
