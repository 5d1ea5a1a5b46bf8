/**
 * What a rule says of the moment: for each subject whether it is bad, good, or between the two, with the figures. Pure;
 * how long it must be so, and what follows, is `watch.ts`.
 */
import type { IncidentRule } from '../protocol/incident-rules.ts'
import { quantile, spanMs, type Windows } from './windows.ts'

const HOUR_MS = 3_600_000

/** The subject of a rule that looks at all providers together. */
export const ALL = 'all'

/** `between`: not bad enough to open anything, and not good enough to end it. */
export type Level = 'breached' | 'between' | 'clear'

/** Whether rules of this kind look at the same outage when they speak of the same provider; what it costs is another matter. */
export const isOfOutage = (kind: IncidentRule['kind']): boolean => kind !== 'budget_burn'

export interface Measurement {
  readonly subject: string
  readonly level: Level
  /** In the unit of the rule's kind. */
  readonly value: number
  /** The figures in words. */
  readonly text: string
}

export interface View {
  readonly windows: Windows
  /** Breakers that are not closed now and are heard of, and since when, ms since the epoch. */
  readonly breakers: readonly { readonly provider: string; readonly model: string; readonly since: number }[]
}

/** One for each subject that there is something to say of; of all others it is quiet. */
export function measure(rule: IncidentRule, view: View, now: number): Measurement[] {
  switch (rule.kind) {
    case 'error_rate':
      return subjectsOf(rule, 'calls', view, now).map((subject) => errorRate(rule, subject, view, now))
    case 'first_token_p95':
      return subjectsOf(rule, 'calls', view, now).map((subject) => firstToken(rule, subject, view, now))
    case 'breaker_open':
      return breakers(rule, view, now)
    case 'queue_wait':
      return subjectsOf(rule, 'queues', view, now).map((subject) => queueWait(rule, subject, view, now))
    case 'budget_burn':
      return subjectsOf(rule, 'calls', view, now).map((subject) => budgetBurn(rule, subject, view, now))
  }
}

/** What counts when there is no measurement. */
export function quiet(rule: IncidentRule, subject: string): Measurement {
  const text =
    rule.kind === 'breaker_open' ? 'its breakers are closed, or nobody calls it' : 'nothing was heard'
  return { subject, level: 'clear', value: 0, text }
}

function subjectsOf(rule: IncidentRule, what: 'calls' | 'queues', { windows }: View, now: number): string[] {
  const providers = windows.providers(what, rule.windowMinutes, now)
  if (rule.per === 'provider') return providers
  return providers.length === 0 ? [] : [ALL]
}

const providerOf = (subject: string): string | null => (subject === ALL ? null : subject)

function levelOf(value: number, { open, close }: IncidentRule): Level {
  if (value >= open) return 'breached'
  return value < close ? 'clear' : 'between'
}

/** Few calls open nothing; while they are bad, they end nothing either. */
const withFew = (level: Level, isFew: boolean): Level => (level === 'breached' && isFew ? 'between' : level)

function errorRate(rule: IncidentRule, subject: string, { windows }: View, now: number): Measurement {
  const { calls, failures } = windows.calls(providerOf(subject), rule.windowMinutes, now)
  const value = calls === 0 ? 0 : (100 * failures) / calls
  return {
    subject,
    level: withFew(levelOf(value, rule), calls < rule.minCalls),
    value,
    text: `${number(value)} % of ${calls} calls failed within ${rule.windowMinutes} min`,
  }
}

function firstToken(rule: IncidentRule, subject: string, { windows }: View, now: number): Measurement {
  const { firstToken: histogram } = windows.calls(providerOf(subject), rule.windowMinutes, now)
  const answers = histogram.reduce((all, n) => all + n, 0)
  const value = quantile(histogram, 0.95) ?? 0
  return {
    subject,
    level: withFew(levelOf(value, rule), answers < rule.minCalls),
    value,
    text: `p95 to the first token of ${answers} answers is ${number(value / 1000)} s within ${rule.windowMinutes} min`,
  }
}

/** A provider's longest. */
function breakers(rule: IncidentRule, view: View, now: number): Measurement[] {
  const providers = [...new Set(view.breakers.map(({ provider }) => provider))].toSorted()
  return providers.map((subject) => {
    const own = view.breakers.filter(({ provider }) => provider === subject)
    const longest = own.reduce((a, b) => (b.since < a.since ? b : a))
    const value = Math.max(0, (now - longest.since) / 1000)
    // One that has just left is not closed, so nothing is over.
    const level = value >= rule.open ? 'breached' : 'between'
    const others = own.length > 1 ? ` and ${own.length - 1} more` : ''
    return {
      subject,
      level,
      value,
      text: `the breaker of ${longest.model}${others} has not been closed for ${number(value)} s`,
    }
  })
}

function queueWait(rule: IncidentRule, subject: string, { windows }: View, now: number): Measurement {
  const { p95WaitMs, timedOut } = windows.queue(providerOf(subject), rule.windowMinutes, now)
  const value = p95WaitMs ?? 0
  const byTime = levelOf(value, rule)
  const isTimedOut = rule.timeouts !== null && timedOut >= rule.timeouts
  const stillTimesOut = rule.timeouts !== null && timedOut > 0
  return {
    subject,
    level: isTimedOut ? 'breached' : byTime === 'clear' && stillTimesOut ? 'between' : byTime,
    value,
    text: `p95 of waiting is ${number(value / 1000)} s and ${timedOut} turns waited in vain within ${rule.windowMinutes} min`,
  }
}

function budgetBurn(rule: IncidentRule, subject: string, { windows }: View, now: number): Measurement {
  const { micros } = windows.calls(providerOf(subject), rule.windowMinutes, now)
  const value = (micros / 1_000_000) * (HOUR_MS / spanMs(rule.windowMinutes, now))
  return {
    subject,
    level: levelOf(value, rule),
    value,
    text: `${number(value)} USD an hour, by the cost of the last ${rule.windowMinutes} min`,
  }
}

/** At most three digits that count. */
function number(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)))
}
