/**
 * How often somebody may try to sign in: after a few failures each next try has to wait, twice as long as the one before.
 * Pure; `attempts-object.ts` keeps the counts, one object for each account and each network.
 *
 * An account counts by network, so that strangers who guess do not lock its owner out; all networks together are limited
 * too, but one from which the owner has signed in before is free of what the others do.
 */
import type { ErrorShape } from '../errors.ts'

export interface Rule {
  /** Name and size that a refusal tells. */
  readonly name: string
  /** Failures that cost nothing. */
  readonly free: number
  readonly firstWaitMs: number
  readonly maxWaitMs: number
  /** One failure is forgotten in each such time without a try. */
  readonly forgetMs: number
}

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

/** One account from one network: 5 tries, then 1 s, 2 s, … 15 min; never more than about a hundred a day. */
export const ACCOUNT_FROM_NETWORK: Rule = {
  name: 'sign_in_attempts_account',
  free: 5,
  firstWaitMs: SECOND_MS,
  maxWaitMs: 15 * MINUTE_MS,
  forgetMs: HOUR_MS,
}
/** One account from all networks where nobody has signed in to it before: about one a minute in the end. */
export const ACCOUNT_FROM_ANYWHERE: Rule = {
  name: 'sign_in_attempts_account',
  free: 50,
  firstWaitMs: SECOND_MS,
  maxWaitMs: MINUTE_MS,
  forgetMs: MINUTE_MS,
}
/** One network, all accounts: an office has many people behind one address, who also mistype. */
export const NETWORK: Rule = {
  name: 'sign_in_attempts_address',
  free: 20,
  firstWaitMs: SECOND_MS,
  maxWaitMs: 15 * MINUTE_MS,
  forgetMs: MINUTE_MS,
}

/** People who are new here, of one network: so many at once, and each leaves room for the next in its part of an hour. */
export function newcomers(perHour: number): Rule {
  const each = Math.ceil(HOUR_MS / perHour)
  return { name: 'newcomers', free: perHour, firstWaitMs: each, maxWaitMs: each, forgetMs: each }
}

/** Failures at a time, and those that are forgotten by now taken off. */
export interface Count {
  readonly failures: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

export const NONE: Count = { failures: 0, at: 0 }

/** How long the next try has to wait from now; 0: not at all. */
export function waitMs(rule: Rule, { failures, at }: Count, now: number): number {
  if (failures < rule.free) return 0
  const wait = rule.firstWaitMs * 2 ** (failures - rule.free)
  return Math.max(0, at + Math.min(wait, rule.maxWaitMs) - now)
}

/** Counts a try, before its outcome is known: tries that come at once are all counted. */
export function counted(rule: Rule, count: Count, now: number): Count {
  return { failures: remaining(rule, count, now) + 1, at: now }
}

/** The try was none of those to count: it succeeded. */
export function givenBack({ failures, at }: Count): Count {
  return { failures: Math.max(0, failures - 1), at }
}

/** When nothing of it counts any more. */
export function forgottenAt(rule: Rule, { failures, at }: Count): number {
  return at + failures * rule.forgetMs
}

function remaining(rule: Rule, { failures, at }: Count, now: number): number {
  return Math.max(0, failures - Math.floor(Math.max(0, now - at) / rule.forgetMs))
}

export function refusal(rule: Rule, retryAfterMs: number, now: number): ErrorShape {
  return {
    code: 'rate_limited',
    detail: 'There were too many attempts to sign in. Wait before the next one.',
    retryable: true,
    retryAfterMs,
    limit: {
      name: rule.name,
      unit: 'attempts',
      limit: rule.free,
      remaining: 0,
      resetAt: new Date(now + retryAfterMs).toISOString(),
    },
  }
}

/** Who shares a count: an IPv4 address, or the /64 of an IPv6 one, which is what a single customer gets. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.toLowerCase().replace(/%.*$/, '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? [] : Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0')
  const groups = [...before, ...gap, ...after].slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''))
  return `${groups.join(':')}::/64`
}
