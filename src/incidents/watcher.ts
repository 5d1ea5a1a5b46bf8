/**
 * Looks at every rule and every subject again, after each observation and whenever time alone may have changed something,
 * and opens, continues, escalates and ends incidents by what it sees. Decides by the pure parts (`rules`, `watch`,
 * `incident`, `signals`); writes within a transaction of the caller's.
 *
 * One watch for each rule and subject, and one incident for all rules that see an outage of the same subject: that is what
 * makes one cause one incident, however many calls fail.
 */
import { MAX_WINDOW_MINUTES, type IncidentRule, type IncidentRules } from '../protocol/incident-rules.ts'
import type { ErrorCounts } from './error-counts.ts'
import {
  cleared,
  escalated,
  joined,
  measured,
  nextEscalation,
  opened,
  renamed,
  reopened,
  resolved,
  type IncidentRecord,
} from './incident.ts'
import type { IncidentRows } from './incident-rows.ts'
import type { Observation } from './observation.ts'
import { isOfOutage, measure, quiet, type Measurement } from './rules.ts'
import { breakersNow, concerns, nextSignals, SILENCE, standing, type Signals } from './signals.ts'
import {
  isSame,
  isUnsettled,
  look,
  mutedAt,
  openedAs,
  overAt,
  returning,
  UNWATCHED,
  type Watch,
} from './watch.ts'
import { MINUTE_MS, minuteOf, Windows } from './windows.ts'

export interface WatcherDeps {
  readonly rules: IncidentRules
  readonly counts: ErrorCounts
  readonly incidents: IncidentRows
  /** Into the log of the installation. */
  note(event: string, incident: IncidentRecord): void
}

export class Watcher {
  readonly #deps: WatcherDeps
  readonly #reopenMs: number
  /** By rule, then by subject. */
  #watches = new Map<string, Map<string, Watch>>()
  #windows = new Windows()
  #signals: Signals = SILENCE
  /** What the last evaluation found, by rule, then by subject. */
  #measured = new Map<string, ReadonlyMap<string, Measurement>>()

  constructor(deps: WatcherDeps) {
    this.#deps = deps
    this.#reopenMs = deps.rules.reopenMinutes * MINUTE_MS
  }

  /** Takes everything from rows: after a restart, and when a transaction was undone. */
  load(now: number): void {
    const { incidents, counts } = this.#deps
    this.#windows = new Windows()
    counts.restore(this.#windows, minuteOf(now) - MAX_WINDOW_MINUTES)
    this.#signals = incidents.signals()
    this.#watches = new Map()
    for (const { rule, subject, watch } of incidents.watches()) this.#of(rule).set(subject, watch)
  }

  /** Whether this one was told before: its sender could not know whether it had arrived. */
  hasSeen({ at, ms }: Observation): boolean {
    return this.#signals.at === at && this.#signals.ms === ms
  }

  observe(observation: Observation, now: number): void {
    const { incidents, counts } = this.#deps
    // Their clock may be ahead of ours; what lies ahead would never be quiet.
    const at = Math.min(observation.at, now)
    counts.add(observation, at, this.#windows)
    const { signals, changes } = nextSignals(this.#signals, observation, at)
    this.#signals = signals
    incidents.putSignals(signals)
    if (changes.length > 0) {
      for (const incident of this.#open())
        for (const change of changes) if (concerns(change, incident)) incidents.addSignal(incident.id, change)
    }
    this.evaluate(now)
  }

  evaluate(now: number): void {
    this.#windows.forget(now)
    const view = { windows: this.#windows, breakers: breakersNow(this.#signals, now) }
    this.#measured = new Map(
      Object.entries(this.#deps.rules.rules).map(([name, rule]) => [
        name,
        new Map(measure(rule, view, now).map((each) => [each.subject, each])),
      ]),
    )
    this.#endWithoutRule(now)
    for (const [name, rule] of Object.entries(this.#deps.rules.rules)) {
      const found = this.#measured.get(name) ?? new Map<string, Measurement>()
      for (const subject of new Set([...found.keys(), ...this.#of(name).keys()]))
        this.#look(name, rule, found.get(subject) ?? quiet(rule, subject), now)
    }
    for (const incident of this.#open()) {
      const change = escalated(incident, this.#deps.rules.escalation, now)
      if (!change) continue
      this.#deps.incidents.apply(change, now)
      this.#deps.note('incident_escalated', change.incident)
    }
  }

  /** Somebody resolved it: what saw it, or would see the same outage in a moment, keeps quiet for a while. */
  mute({ id, rule, kind, subject }: IncidentRecord, now: number): void {
    const seeing = this.#seenBy(id, subject)
    const same = Object.entries(this.#deps.rules.rules).flatMap(([name, each]) =>
      isOfOutage(kind) && isOfOutage(each.kind) ? [name] : [],
    )
    // Somebody may have been faster: then there is nothing to keep quiet.
    if (seeing.length === 0) return
    for (const name of new Set([rule, ...seeing, ...same])) this.#keep(name, subject, mutedAt(now))
  }

  /** Whether time alone may change something. */
  isUnsettled(now: number): boolean {
    const watches = [...this.#watches.values()].flatMap((subjects) => [...subjects.values()])
    return watches.some(isUnsettled) || breakersNow(this.#signals, now).length > 0
  }

  /** When the next step of an escalation is due, ms since the epoch; null when none is. */
  escalationAt(): number | null {
    const times = this.#open().flatMap((each) => nextEscalation(each, this.#deps.rules.escalation) ?? [])
    return times.length === 0 ? null : Math.min(...times)
  }

  #look(name: string, rule: IncidentRule, measurement: Measurement, now: number): void {
    const { subject, level } = measurement
    const before = this.#of(name).get(subject) ?? UNWATCHED
    const { watch, verdict } = look(before, level, rule, now)
    if (verdict === 'open') {
      const id =
        this.#join(name, rule, measurement, now) ??
        this.#begin(name, rule, measurement, this.#returning(rule, subject, watch), now)
      return this.#keep(name, subject, openedAs(id))
    }
    // Kept quiet alone it may be; what others have opened again is not over before this is.
    const joined =
      level === 'breached' && watch.mutedUntil !== null ? this.#join(name, rule, measurement, now) : null
    if (joined !== null) return this.#keep(name, subject, openedAs(joined))
    if (before.openId === null) return this.#keep(name, subject, this.#withoutPast(watch, now))
    if (verdict === 'over') return this.#end(name, subject, before.openId, measurement.text, now)
    const incident = this.#deps.incidents.find(before.openId)
    const after = incident?.rule === name ? measured(incident, measurement, now) : null
    if (after && after !== incident) this.#deps.incidents.put(after)
    this.#keep(name, subject, watch)
  }

  /** @returns the number of the incident that is open about the same; null when there is none */
  #join(name: string, rule: IncidentRule, measurement: Measurement, now: number): number | null {
    const same = this.#open().find(
      ({ subject, kind }) => subject === measurement.subject && isOfOutage(kind) && isOfOutage(rule.kind),
    )
    if (!same) return null
    const change = joined(same, name, rule, measurement, now)
    this.#deps.incidents.apply(change, now)
    if (change.notice) this.#deps.note('incident_escalated', change.incident)
    return same.id
  }

  /** @returns the incident's number */
  #begin(
    name: string,
    rule: IncidentRule,
    measurement: Measurement,
    returningId: number | null,
    now: number,
  ): number {
    const { incidents, rules } = this.#deps
    const before = returningId === null ? null : incidents.find(returningId)
    const change = before
      ? reopened(before, name, rule, measurement, rules.escalation, now)
      : opened(incidents.nextId(), name, rule, measurement, rules.escalation, now)
    const { incident } = change
    // What led to it began before it was seen.
    for (const each of standing(this.#signals))
      if (concerns(each, incident) && each.at > (before?.resolvedAt ?? 0))
        incidents.addSignal(incident.id, each)
    incidents.apply(change, now)
    this.#deps.note(before ? 'incident_reopened' : 'incident_opened', incident)
    return incident.id
  }

  #end(name: string, subject: string, id: number, text: string, now: number): void {
    this.#keep(name, subject, overAt(id, now))
    const { incidents } = this.#deps
    const incident = incidents.find(id)
    if (!incident) return
    const [next] = this.#seenBy(id, subject)
    if (next !== undefined) {
      incidents.apply(cleared(incident, name, text, now), now)
      const rule = this.#deps.rules.rules[next]
      const found = this.#measured.get(next)?.get(subject)
      if (incident.rule === name && rule && found) incidents.put(renamed(incident, next, rule, found, now))
      return
    }
    const change = resolved(incident, null, `by itself: ${text}`, now)
    if (!change) return
    incidents.apply(change, now)
    this.#deps.note('incident_resolved', change.incident)
  }

  /** The incident that goes on instead of a new one: of an outage, whichever rule saw the end of it. */
  #returning(rule: IncidentRule, subject: string, watch: Watch): number | null {
    const others = isOfOutage(rule.kind)
      ? Object.entries(this.#deps.rules.rules).flatMap(([name, { kind }]) =>
          isOfOutage(kind) ? (this.#of(name).get(subject)?.last ?? []) : [],
        )
      : []
    const last = [...others, ...(watch.last ? [watch.last] : [])].toSorted((a, b) => b.at - a.at)[0] ?? null
    return returning({ ...watch, last }, this.#reopenMs)
  }

  /** A rule may go while its incident is open; nobody would ever end that. */
  #endWithoutRule(now: number): void {
    for (const [name, subjects] of this.#watches) {
      if (this.#deps.rules.rules[name] !== undefined) continue
      for (const [subject, { openId }] of subjects) {
        if (openId !== null) this.#end(name, subject, openId, 'its rule is not there any more', now)
        this.#keep(name, subject, UNWATCHED)
      }
    }
  }

  #withoutPast(watch: Watch, now: number): Watch {
    const isPast = watch.last !== null && now - watch.last.at > this.#reopenMs
    // While it is bad, it may still turn out to be the same.
    return isPast && watch.breachedSince === null ? { ...watch, last: null } : watch
  }

  #keep(name: string, subject: string, watch: Watch): void {
    const subjects = this.#of(name)
    const known = subjects.get(subject)
    if (known ? isSame(known, watch) : isSame(UNWATCHED, watch)) return
    const after = isSame(UNWATCHED, watch) ? null : watch
    if (after) subjects.set(subject, after)
    else subjects.delete(subject)
    this.#deps.incidents.putWatch(name, subject, after)
  }

  #of(name: string): Map<string, Watch> {
    const known = this.#watches.get(name)
    if (known) return known
    const made = new Map<string, Watch>()
    this.#watches.set(name, made)
    return made
  }

  /** The rules that see this incident now. */
  #seenBy(id: number, subject: string): string[] {
    return [...this.#watches]
      .filter(([, subjects]) => subjects.get(subject)?.openId === id)
      .map(([name]) => name)
  }

  #open(): IncidentRecord[] {
    const watches = [...this.#watches.values()].flatMap((subjects) => [...subjects.values()])
    const ids = new Set(watches.flatMap(({ openId }) => openId ?? []))
    return [...ids].flatMap((id) => this.#deps.incidents.find(id) ?? [])
  }
}
