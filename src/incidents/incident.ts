/**
 * The life of an incident: open → (acknowledged) → resolved, by somebody or by itself, with levels that rise while nobody
 * acknowledges it. Pure: each step gives the incident as it is then, what its timeline says, and whether others are told.
 *
 * Who did something stands in it as a pseudonym; whose that is, and all storage, is left to `incident-rows.ts`.
 */
import type { IncidentState, TimelineEntry } from '../protocol/incidents.ts'
import type { EscalationStep, IncidentRule, RuleKind, Severity } from '../protocol/incident-rules.ts'
import type { WebhookEventType } from '../webhooks/event.ts'
import { ALL, type Measurement } from './rules.ts'
import { MINUTE_MS } from './windows.ts'

export interface Peak {
  readonly value: number
  /** Ms since the epoch. */
  readonly at: number
  readonly summary: string
}

/** Times are in ms since the epoch. */
export interface IncidentRecord {
  readonly id: number
  readonly rule: string
  readonly kind: RuleKind
  readonly subject: string
  readonly severity: Severity
  readonly state: IncidentState
  readonly level: number
  readonly openedAt: number
  /** From when the delays of escalation count: opened, or reopened. */
  readonly alertedAt: number
  readonly acknowledgedAt: number | null
  readonly acknowledgedBy: string | null
  readonly resolvedAt: number | null
  readonly resolvedBy: string | null
  readonly reopened: number
  readonly value: number
  readonly summary: string
  readonly peak: Peak
}

export interface Entry {
  readonly at: number
  readonly kind: TimelineEntry['kind']
  readonly text: string
  readonly by: string | null
}

/** What a step made of it. */
export interface Change {
  readonly incident: IncidentRecord
  readonly entries: readonly Entry[]
  /** What the operators' endpoints are told. */
  readonly notice: WebhookEventType | null
}

export function titleOf({ kind, subject }: Pick<IncidentRecord, 'kind' | 'subject'>): string {
  const whose = subject === ALL ? 'all providers' : subject
  switch (kind) {
    case 'error_rate':
      return `Many calls fail: ${whose}`
    case 'first_token_p95':
      return `Answers begin late: ${whose}`
    case 'breaker_open':
      return `Breaker open: ${whose}`
    case 'queue_wait':
      return `Turns wait long: ${whose}`
    case 'budget_burn':
      return `Money goes fast: ${whose}`
  }
}

const entry = (at: number, kind: Entry['kind'], text: string, by: string | null = null): Entry => ({
  at,
  kind,
  text,
  by,
})

/** The highest step that is due; null before the first. */
function dueLevel(steps: readonly EscalationStep[], sinceMs: number): number {
  return steps.findLast(({ afterMinutes }) => afterMinutes * MINUTE_MS <= sinceMs)?.level ?? 0
}

export function opened(
  id: number,
  name: string,
  rule: IncidentRule,
  { subject, value, text }: Measurement,
  steps: readonly EscalationStep[],
  now: number,
): Change {
  const { kind, severity } = rule
  const incident: IncidentRecord = {
    id,
    rule: name,
    kind,
    subject,
    severity,
    state: 'open',
    level: dueLevel(steps, 0),
    openedAt: now,
    alertedAt: now,
    acknowledgedAt: null,
    acknowledgedBy: null,
    resolvedAt: null,
    resolvedBy: null,
    reopened: 0,
    value,
    summary: text,
    peak: { value, at: now, summary: text },
  }
  return { incident, entries: [entry(now, 'opened', text)], notice: 'incident.opened' }
}

/** Another rule sees the same outage: it is told again only when it is worse than it was said to be. */
export function joined(
  before: IncidentRecord,
  name: string,
  { severity }: IncidentRule,
  { text }: Measurement,
  now: number,
): Change {
  const isWorse = severity === 'critical' && before.severity !== 'critical'
  return {
    incident: isWorse ? { ...before, severity } : before,
    entries: [entry(now, 'joined', `${name}: ${text}`)],
    notice: isWorse ? 'incident.escalated' : null,
  }
}

/** One of the rules that see it sees it no more, and others still do. */
export function cleared(before: IncidentRecord, name: string, text: string, now: number): Change {
  return { incident: before, entries: [entry(now, 'cleared', `${name}: ${text}`)], notice: null }
}

/** The rule that named it sees it no more: it goes by the name of one that does, and by its figures. */
export function renamed(
  before: IncidentRecord,
  name: string,
  { kind }: IncidentRule,
  { value, text: summary }: Measurement,
  now: number,
): IncidentRecord {
  return { ...before, rule: name, kind, value, summary, peak: { value, at: now, summary } }
}

/** The same came back soon after it was over, be it seen by another rule: nobody has seen to it yet. */
export function reopened(
  before: IncidentRecord,
  name: string,
  { kind, severity }: IncidentRule,
  { value, text }: Measurement,
  steps: readonly EscalationStep[],
  now: number,
): Change {
  const incident: IncidentRecord = {
    ...before,
    rule: name,
    kind,
    severity,
    state: 'open',
    level: dueLevel(steps, 0),
    alertedAt: now,
    acknowledgedAt: null,
    acknowledgedBy: null,
    resolvedAt: null,
    resolvedBy: null,
    reopened: before.reopened + 1,
    value,
    summary: text,
    // Other kinds count in other units.
    peak: before.kind === kind ? higher(before.peak, value, text, now) : { value, at: now, summary: text },
  }
  return { incident, entries: [entry(now, 'reopened', text)], notice: 'incident.opened' }
}

/** The newest figures. @returns the same object when nothing worth a row has changed */
export function measured(before: IncidentRecord, { value, text }: Measurement, now: number): IncidentRecord {
  const peak = higher(before.peak, value, text, now)
  return peak === before.peak && text === before.summary ? before : { ...before, value, summary: text, peak }
}

function higher(peak: Peak, value: number, summary: string, at: number): Peak {
  return value > peak.value ? { value, summary, at } : peak
}

/** @returns null when no step is due. Several that are due at once (nobody was awake) are told as the highest. */
export function escalated(
  before: IncidentRecord,
  steps: readonly EscalationStep[],
  now: number,
): Change | null {
  if (before.state !== 'open') return null
  const level = dueLevel(steps, now - before.alertedAt)
  if (level <= before.level) return null
  const minutes = Math.round((now - before.alertedAt) / MINUTE_MS)
  const text = `level ${level}: not acknowledged for ${minutes} min`
  return {
    incident: { ...before, level },
    entries: [entry(now, 'escalated', text)],
    notice: 'incident.escalated',
  }
}

/** When the next step is due; null when none is left, or somebody looks after it. */
export function nextEscalation(incident: IncidentRecord, steps: readonly EscalationStep[]): number | null {
  if (incident.state !== 'open') return null
  const next = steps.find(({ level }) => level > incident.level)
  return next ? incident.alertedAt + next.afterMinutes * MINUTE_MS : null
}

/** @returns null when it is acknowledged already; `over` when there is nothing left to acknowledge */
export function acknowledged(before: IncidentRecord, by: string, now: number): Change | null | 'over' {
  if (before.state === 'resolved') return 'over'
  if (before.state === 'acknowledged') return null
  return {
    incident: { ...before, state: 'acknowledged', acknowledgedAt: now, acknowledgedBy: by },
    entries: [entry(now, 'acknowledged', 'somebody looks after it', by)],
    notice: 'incident.acknowledged',
  }
}

/**
 * @param by null: it was good again for long enough
 * @returns null when it is resolved already
 */
export function resolved(
  before: IncidentRecord,
  by: string | null,
  text: string,
  now: number,
): Change | null {
  if (before.state === 'resolved') return null
  const { peak } = before
  return {
    incident: { ...before, state: 'resolved', resolvedAt: now, resolvedBy: by },
    entries: [entry(peak.at, 'peaked', peak.summary), entry(now, 'resolved', text, by)],
    notice: 'incident.resolved',
  }
}
