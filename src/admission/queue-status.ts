/**
 * What a queue object says of itself: to operators, and to whoever watches over incidents; and how what several objects
 * of one provider say becomes one. Reads only.
 */
import type { Priority } from '../protocol/ids.ts'
import type { DeadReason, Place, Places } from './places.ts'
import {
  added,
  percentile,
  total,
  type ToldCounts,
  type WaitCounts,
  type WaitStatistics,
} from './wait-statistics.ts'

export interface DeadLetter {
  /** Of its object. */
  readonly id: number
  readonly conversationId: string
  readonly turn: number
  readonly userId: string
  readonly priority: Priority
  readonly why: DeadReason
  /** Ms since the epoch. */
  readonly at: number
  readonly attempts: number
}

type ByPriority<T> = Readonly<Record<Priority, T>>

/** Of one object; all that can be added can be added over objects. */
export interface QueueStatus {
  readonly waiting: ByPriority<number>
  readonly running: number
  readonly waits: ByPriority<WaitCounts>
  readonly grantedPerMinute: ByPriority<number>
  /** In the last five minutes. */
  readonly timedOut: number
  readonly dead: readonly DeadLetter[]
}

/** What was counted since it was asked before, and how many wait now. */
export interface QueueInterval extends ToldCounts {
  readonly waiting: number
}

export function statusOf(places: Places, statistics: WaitStatistics, now: number): QueueStatus {
  const waiting = { urgent: 0, high: 0, normal: 0, low: 0 }
  for (const { priority } of places.waiting.values()) waiting[priority]++
  return {
    waiting,
    running: places.granted.size,
    waits: byPriority((priority) => statistics.waits(priority, now)),
    grantedPerMinute: byPriority((priority) => statistics.grantedPerMinute(priority, now)),
    timedOut: statistics.timedOutIn(now),
    dead: [...places.dead.values()].flatMap(letterOf),
  }
}

/** Of all objects of a provider. */
export function sumOf(statuses: readonly Omit<QueueStatus, 'dead'>[]): Omit<QueueStatus, 'dead'> {
  const sum = (of: (status: Omit<QueueStatus, 'dead'>) => number): number =>
    statuses.reduce((all, status) => all + of(status), 0)
  return {
    waiting: byPriority((priority) => sum(({ waiting }) => waiting[priority])),
    running: sum(({ running }) => running),
    waits: byPriority((priority) => added(statuses.map(({ waits }) => waits[priority]))),
    grantedPerMinute: byPriority((priority) => sum((status) => status.grantedPerMinute[priority])),
    timedOut: sum(({ timedOut }) => timedOut),
  }
}

/** Percentiles of the waits of one priority; null where nothing was granted. */
export function waitsOf(counts: WaitCounts) {
  return {
    granted: total(counts),
    p50Ms: percentile(counts, 0.5),
    p95Ms: percentile(counts, 0.95),
    p99Ms: percentile(counts, 0.99),
  }
}

export function byPriority<T>(of: (priority: Priority) => T): Record<Priority, T> {
  return { urgent: of('urgent'), high: of('high'), normal: of('normal'), low: of('low') }
}

function letterOf({ id, conversationId, turn, userId, priority, dead }: Place): DeadLetter[] {
  return dead ? [{ id, conversationId, turn, userId, priority, ...dead }] : []
}
