/**
 * What the incidents object does, as plain code over its storage, a clock and the webhooks: it takes observations, is woken
 * when something is due, and lets people read and handle what there is. What opens and ends incidents is `watcher.ts`.
 *
 * Everything that must outlive the process is a row before it is answered; memory holds what rows can fill again.
 */
import { AppError, type Result } from '../errors.ts'
import {
  MAX_NOTES,
  type ErrorGroup,
  type ErrorRow,
  type Incident,
  type IncidentDetail,
  type IncidentState,
} from '../protocol/incidents.ts'
import type { IncidentRules } from '../protocol/incident-rules.ts'
import type { Webhooks } from '../webhooks/event.ts'
import { ErrorCounts } from './error-counts.ts'
import { acknowledged, resolved, titleOf, type IncidentRecord } from './incident.ts'
import { IncidentRows } from './incident-rows.ts'
import { Notices } from './notices.ts'
import type { Observation } from './observation.ts'
import { postMortem } from './post-mortem.ts'
import { postMortemFacts } from './post-mortem-facts.ts'
import { createTables, type Rows } from './rows.ts'
import { Watcher } from './watcher.ts'

/** How often it looks by itself while something may change with time alone. */
export const TICK_MS = 10_000
/** After a failure, so that an alarm never calls itself without a pause. */
const RETRY_MS = 1_000

export interface DeskDeps {
  readonly rows: Rows
  readonly rules: IncidentRules
  readonly webhooks: Webhooks
  /** When the object's alarm is due, if one is set from before this process. */
  readonly alarm: number | null
  now(): number
  newPseudonym(): string
  /** Replaces the object's alarm. */
  wakeAt(time: number): void
  note(event: string, details: Readonly<Record<string, unknown>>): void
  report(event: string, error: unknown): void
}

export class IncidentDesk {
  readonly #deps: DeskDeps
  readonly #counts: ErrorCounts
  readonly #incidents: IncidentRows
  readonly #notices: Notices
  readonly #watcher: Watcher
  #alarm: number | null

  constructor(deps: DeskDeps) {
    createTables(deps.rows)
    this.#deps = deps
    this.#alarm = deps.alarm
    this.#counts = new ErrorCounts(deps.rows)
    this.#incidents = new IncidentRows(deps.rows)
    this.#notices = new Notices({
      rows: this.#incidents,
      webhooks: deps.webhooks,
      now: () => deps.now(),
      report: (error) => deps.report('incident_notice_delayed', error),
    })
    this.#watcher = new Watcher({
      rules: deps.rules,
      counts: this.#counts,
      incidents: this.#incidents,
      note: (event, incident) => deps.note(event, logged(incident)),
    })
    this.#watcher.load(deps.now())
  }

  /** One that was told before changes nothing. */
  observe(observation: Observation): void {
    if (this.#watcher.hasSeen(observation)) return
    const now = this.#deps.now()
    this.#write(() => this.#watcher.observe(observation, now))
  }

  /** The object's alarm: looks again, tells what is to be told, removes what is old. Never throws. */
  async alarm(): Promise<void> {
    this.#alarm = null
    const now = this.#deps.now()
    let isFailed = false
    try {
      this.#write(() => {
        this.#watcher.evaluate(now)
        const oldAt = this.#counts.oldAt()
        if (oldAt === null || oldAt > now) return
        this.#counts.prune(now)
        this.#incidents.prune(now)
      })
    } catch (error) {
      isFailed = true
      this.#deps.report('incidents_not_evaluated', error)
    }
    await this.#notices.drain()
    this.#wind(isFailed ? RETRY_MS : 0)
  }

  /** Newest first. @param below only those with a smaller number; null: from the newest on */
  list(
    state: IncidentState | null,
    limit: number,
    below: number | null,
  ): { incidents: Incident[]; end: { at: number; id: number } | null } {
    const found = this.#incidents.list(state, below ?? Number.MAX_SAFE_INTEGER, limit + 1)
    const page = found.slice(0, limit)
    const last = page.at(-1)
    return {
      incidents: page.map((each) => this.#incidents.shown(each)),
      end: found.length > limit && last ? { at: last.openedAt, id: last.id } : null,
    }
  }

  get(id: number): Result<IncidentDetail> {
    const incident = this.#incidents.find(id)
    return incident ? { ok: true, value: this.#detail(incident) } : NO_SUCH
  }

  /** Once more changes nothing. Fails with `conflict` when it is over. */
  acknowledge(id: number, userId: string): Result<IncidentDetail> {
    const incident = this.#incidents.find(id)
    if (!incident) return NO_SUCH
    if (incident.state === 'resolved') return failure('conflict', 'This incident is over.')
    const now = this.#deps.now()
    this.#write(() => {
      const change = acknowledged(incident, this.#pseudonymOf(userId), now)
      if (change && change !== 'over') this.#incidents.apply(change, now)
    })
    return this.get(id)
  }

  /** Once more changes nothing, and adds the note. */
  resolve(id: number, userId: string, note: string | null): Result<IncidentDetail> {
    const incident = this.#incidents.find(id)
    if (!incident) return NO_SUCH
    if (note !== null && this.#isFullOfNotes(id)) return TOO_MANY_NOTES
    const now = this.#deps.now()
    this.#write(() => {
      const by = this.#pseudonymOf(userId)
      if (note !== null) this.#incidents.addEntry(id, { at: now, kind: 'note', text: note, by })
      const change = resolved(incident, by, 'by hand', now)
      if (!change) return
      this.#incidents.apply(change, now)
      this.#watcher.mute(incident, now)
    })
    return this.get(id)
  }

  /** Also when it is over. */
  addNote(id: number, userId: string, text: string): Result<IncidentDetail> {
    if (!this.#incidents.find(id)) return NO_SUCH
    if (this.#isFullOfNotes(id)) return TOO_MANY_NOTES
    const at = this.#deps.now()
    this.#write(() => {
      this.#incidents.addEntry(id, { at, kind: 'note', text, by: this.#pseudonymOf(userId) })
    })
    return this.get(id)
  }

  /** A draft in Markdown. */
  postMortem(id: number): Result<string> {
    const incident = this.#incidents.find(id)
    if (!incident) return NO_SUCH
    const facts = postMortemFacts(this.#detail(incident), this.#counts, this.#deps.now())
    return { ok: true, value: postMortem(facts) }
  }

  /** Times in ms since the epoch; the second is not included. */
  errors(group: ErrorGroup, from: number, to: number): { rows: ErrorRow[]; truncated: boolean } {
    return this.#counts.by(group, from, to)
  }

  /** What they did stays, under a pseudonym that leads nowhere. */
  forgetPerson(userId: string): void {
    this.#incidents.forgetPerson(userId)
  }

  #detail(incident: IncidentRecord): IncidentDetail {
    return { ...this.#incidents.shown(incident), timeline: this.#incidents.timeline(incident.id) }
  }

  #pseudonymOf(userId: string): string {
    return this.#incidents.pseudonymOf(userId, this.#deps.newPseudonym())
  }

  #isFullOfNotes(id: number): boolean {
    return this.#incidents.countEntries(id, 'note') >= MAX_NOTES
  }

  #write(run: () => void): void {
    try {
      this.#deps.rows.transactionSync(run)
    } catch (error) {
      // The rows are as they were; so must be what is remembered.
      this.#watcher.load(this.#deps.now())
      throw error
    }
    this.#wind()
  }

  /** Sets the alarm for what is due next, unless one comes sooner anyway: an alarm is paid for like a row. */
  #wind(leastMs = 0): void {
    const now = this.#deps.now()
    const times = [
      this.#notices.dueAt(),
      this.#watcher.escalationAt(),
      this.#watcher.isUnsettled(now) ? now + TICK_MS : null,
      this.#counts.oldAt(),
    ].filter((time) => time !== null)
    if (times.length === 0) return
    const due = Math.max(Math.min(...times), now + leastMs)
    if (this.#alarm !== null && this.#alarm <= due) return
    this.#alarm = due
    this.#deps.wakeAt(due)
  }
}

function failure(code: 'not_found' | 'conflict', detail: string): Result<never> {
  return { ok: false, error: new AppError(code, detail).toShape() }
}

const NO_SUCH = failure('not_found', 'There is no such incident.')
const TOO_MANY_NOTES = failure('conflict', `An incident takes ${MAX_NOTES} notes.`)

function logged(incident: IncidentRecord): Record<string, unknown> {
  const { id, rule, subject, severity, level, summary } = incident
  // Not as `level`: a line of the log has one of its own.
  return { incident: `i${id}`, title: titleOf(incident), rule, subject, severity, escalation: level, summary }
}
