/**
 * Collects what a post-mortem is written from: the incident with its timeline, and the counts of its time. Counts are kept
 * for two weeks; of an older incident only the story is left, and the draft says so.
 */
import type { IncidentDetail } from '../protocol/incidents.ts'
import type { ErrorCounts } from './error-counts.ts'
import type { PostMortemFacts } from './post-mortem.ts'
import { ALL } from './rules.ts'
import { MINUTE_MS, minuteOf, plusCalls, type CallSums } from './windows.ts'

/** Minutes shown before it opened: how it began, and what is usual. */
const LEAD_MINUTES = 10
/** Longest stretch that is read, in minutes: a day. */
const MAX_MINUTES = 1_440
const TOP_ERRORS = 10

export function postMortemFacts(incident: IncidentDetail, counts: ErrorCounts, now: number): PostMortemFacts {
  const openedAt = Date.parse(incident.openedAt)
  const endedAt = incident.resolvedAt === null ? now : Date.parse(incident.resolvedAt)
  const first = minuteOf(openedAt) - LEAD_MINUTES
  const last = Math.min(minuteOf(endedAt), first + MAX_MINUTES - 1)
  const minutes = new Map<number, CallSums>()
  const providers = new Map<string, CallSums>()
  for (const { minute, provider, sums } of counts.callsBetween(first, last)) {
    const isOurs = incident.subject === ALL || incident.subject === provider
    if (isOurs) add(minutes, minute, sums)
    // Before it opened others' calls say nothing about how it was survived.
    if (minute >= minuteOf(openedAt)) add(providers, provider, sums)
  }
  const until = (last + 1) * MINUTE_MS
  const provider = incident.subject === ALL ? null : incident.subject
  return {
    incident,
    now,
    minutes: [...minutes].map(([minute, sums]) => ({ at: minute * MINUTE_MS, sums })),
    providers: [...providers].map(([name, sums]) => ({ name, sums })),
    isCut: last < minuteOf(endedAt),
    errors: counts.by('fingerprint', first * MINUTE_MS, until, TOP_ERRORS, provider).rows,
    routes: counts.by('route', first * MINUTE_MS, until, TOP_ERRORS, provider).rows,
  }
}

function add<Key>(all: Map<Key, CallSums>, key: Key, sums: CallSums): void {
  const known = all.get(key)
  all.set(key, known ? plusCalls(known, sums) : sums)
}
