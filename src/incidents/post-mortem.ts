/**
 * The draft of a post-mortem, in Markdown: what is known is written down, what only people know is left blank. Pure.
 *
 * Names, notes and texts of providers are foreign: they are escaped, so that none of them becomes a heading, a link, an
 * image or HTML where the draft is shown.
 */
import type { ErrorRow, IncidentDetail, TimelineEntry } from '../protocol/incidents.ts'
import { quantile, type CallSums } from './windows.ts'

export interface PostMortemFacts {
  readonly incident: IncidentDetail
  /** Ms since the epoch. */
  readonly now: number
  /** Of the subject, oldest first, with some from before it opened. */
  readonly minutes: readonly { readonly at: number; readonly sums: CallSums }[]
  /** Of everyone, since it opened. */
  readonly providers: readonly { readonly name: string; readonly sums: CallSums }[]
  /** It lasted longer than what is counted here. */
  readonly isCut: boolean
  readonly errors: readonly ErrorRow[]
  readonly routes: readonly ErrorRow[]
}

/** Rows of the table of minutes; what is longer is shown in coarser steps. */
const MAX_ROWS = 120
/** Longest foreign text, in UTF-16 code units. */
const MAX_TEXT_CHARS = 4_000

export function postMortem(facts: PostMortemFacts): string {
  const { incident } = facts
  const sections = [
    `# Post-mortem: ${foreign(incident.title)} (${incident.id})`,
    'A draft, written from what was recorded. What only people know is left blank.',
    section('Summary', summary(facts)),
    section('Timeline', ['Times are UTC.', '', ...incident.timeline.map(timelineLine)]),
    section('Numbers', numbers(facts)),
    section('Most frequent errors', errors(facts)),
    section('What helped', helped(facts)),
    section('Causes', ['_To be written._']),
    section('Actions', ['- [ ] _To be written: what, who, by when._']),
  ]
  return `${sections.join('\n\n')}\n`
}

const section = (title: string, lines: readonly string[]): string => `## ${title}\n\n${lines.join('\n')}`

function summary({ incident, now, minutes, providers, isCut }: PostMortemFacts): string[] {
  const { openedAt, resolvedAt, severity, rule, subject, level, reopened } = incident
  const lasted = (resolvedAt === null ? now : Date.parse(resolvedAt)) - Date.parse(openedAt)
  const since = minutes.filter(({ at }) => at >= Math.floor(Date.parse(openedAt) / 60_000) * 60_000)
  const calls = total(since, ({ sums }) => sums.calls)
  const failures = total(since, ({ sums }) => sums.failures)
  const ended =
    resolvedAt === null
      ? 'it is not over yet'
      : `${time(resolvedAt)}, ${incident.resolvedBy === null ? 'by itself' : `by ${foreign(incident.resolvedBy)}`}`
  const acknowledged =
    incident.acknowledgedAt === null
      ? 'nobody'
      : `${foreign(incident.acknowledgedBy ?? 'somebody')} at ${time(incident.acknowledgedAt)}`
  return [
    `- **Severity:** ${severity}, escalated to level ${level}`,
    `- **Rule:** ${foreign(rule)}, about ${foreign(subject)}`,
    `- **Opened:** ${time(openedAt)}`,
    `- **Over:** ${ended}`,
    `- **Duration:** ${duration(lasted)}${reopened > 0 ? `, in which it seemed over ${reopened} ${reopened === 1 ? 'time' : 'times'}` : ''}`,
    `- **Acknowledged by:** ${acknowledged}`,
    `- **At its worst:** ${foreign(incident.peak.summary)} (${time(incident.peak.at)})`,
    since.length === 0
      ? '- **Impact:** no calls were counted, or the counts are older than is kept'
      : `- **Impact:** ${failures} of ${calls} calls failed (${percent(failures, calls)})${isCut ? ', in its first day' : ''}`,
    `- **Providers called meanwhile:** ${providers.map(({ name }) => foreign(name)).join(', ') || 'none'}`,
    `- **Cost of calls meanwhile:** ${usd(total(providers, ({ sums }) => sums.micros))}`,
  ]
}

const LABELS: Record<TimelineEntry['kind'], string> = {
  opened: 'Opened',
  reopened: 'Came back',
  joined: 'Seen by another rule',
  cleared: 'Good again',
  breaker_opened: 'Breaker opened',
  breaker_half_open: 'Breaker half-open',
  breaker_closed: 'Breaker closed',
  paused: 'Paused',
  resumed: 'Resumed',
  escalated: 'Escalated',
  acknowledged: 'Acknowledged',
  note: 'Note',
  peaked: 'At its worst',
  resolved: 'Resolved',
}

function timelineLine({ at, kind, text, by }: TimelineEntry): string {
  return `- ${time(at)} **${LABELS[kind]}:** ${foreign(text)}${by === null ? '' : ` (${foreign(by)})`}`
}

function numbers({ minutes }: PostMortemFacts): string[] {
  if (minutes.length === 0) return ['Nothing was counted.']
  const step = Math.ceil(minutes.length / MAX_ROWS)
  const rows = Array.from({ length: Math.ceil(minutes.length / step) }, (_, i) =>
    minutes.slice(i * step, (i + 1) * step),
  ).map((group) => {
    const calls = total(group, ({ sums }) => sums.calls)
    const failures = total(group, ({ sums }) => sums.failures)
    const classes = group[0]?.sums.firstToken.map((_, i) =>
      total(group, ({ sums }) => sums.firstToken[i] ?? 0),
    )
    const p95 = quantile(classes ?? [], 0.95)
    const first = time(new Date(group[0]?.at ?? 0).toISOString())
    const wait = p95 === null ? '–' : `${Math.round(p95)} ms`
    const cost = usd(total(group, ({ sums }) => sums.micros))
    return `| ${first} | ${calls} | ${failures} | ${percent(failures, calls)} | ${wait} | ${cost} |`
  })
  const span = step === 1 ? 'minute (UTC)' : `${step} counted minutes from (UTC)`
  return [
    `| ${span} | calls | failed | share | p95 first token | cost |`,
    '|---|--:|--:|--:|--:|--:|',
    ...rows,
  ]
}

function errors({ errors: found, routes }: PostMortemFacts): string[] {
  if (found.length === 0) return ['None were recorded.']
  return [
    '| errors | fingerprint | class | last seen (UTC) | what it says |',
    '|--:|---|---|---|---|',
    ...found.map(({ key, count, kind, lastSeen, detail }) => {
      const cells = [count, foreign(key ?? '–'), foreign(kind ?? '–'), time(lastSeen), foreign(detail ?? '–')]
      return `| ${cells.join(' | ')} |`
    }),
    '',
    `By route: ${routes.map(({ key, count }) => `${foreign(key ?? 'none')} (${count})`).join(', ')}.`,
  ]
}

/** What is known of it: who answered instead, and what was switched off. */
function helped({ incident, providers }: PostMortemFacts): string[] {
  const others = providers.filter(({ name, sums }) => name !== incident.subject && sums.calls > 0)
  const answered = others.map(({ name, sums }) => {
    const good = sums.calls - sums.failures
    return `- ${foreign(name)} answered ${good} of ${sums.calls} calls meanwhile.`
  })
  const steps = incident.timeline
    .filter(({ kind }) => kind === 'breaker_opened' || kind === 'paused')
    .map(({ at, kind, text }) => {
      const what = kind === 'paused' ? 'was paused' : 'was kept from calls by its breaker'
      return `- ${foreign(text)} ${what} at ${time(at)}.`
    })
  const known = [...(incident.subject === 'all' ? [] : answered), ...steps]
  return [...known, '- _To be written._']
}

const total = <T>(list: readonly T[], of: (each: T) => number): number =>
  list.reduce((all, each) => all + of(each), 0)

const percent = (part: number, whole: number): string =>
  whole === 0 ? '–' : `${Math.round((1000 * part) / whole) / 10} %`

const usd = (micros: number): string => `${(micros / 1_000_000).toFixed(2)} USD`

/** `2026-11-20 10:05:09` */
const time = (iso: string): string => iso.slice(0, 19).replace('T', ' ')

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return `${Math.round(ms / 1000)} s`
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** One line of plain text, whatever was in it. A backslash before punctuation is that character, in any Markdown. */
export function foreign(text: string): string {
  return text
    .slice(0, MAX_TEXT_CHARS)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .replace(/[\\`*_{}[\]()#!|~$:@]/g, (mark) => `\\${mark}`)
    .replace(/www\./gi, (word) => `${word.slice(0, -1)}\\.`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}
