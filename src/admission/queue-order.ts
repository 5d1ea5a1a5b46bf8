/**
 * Who is next in a provider's queue (rules Q2, Q3). Pure: who waits, and whose turn it is, is handed in.
 *
 * By effective rank first. Within one rank, users take turns: each has a place in one round, a newcomer behind all who are
 * in it, and whoever was granted something goes behind everyone again. So a user's five hundred delay another's one by
 * one, and however many newcomers come, each of them goes before somebody at most once. Of one user, the oldest is first.
 */
import type { Priority } from '../protocol/ids.ts'
import { effectiveRank } from '../protocol/priority.ts'

export interface Waiting {
  /** Rises with arrival. */
  readonly id: number
  readonly userId: string
  readonly priority: Priority
  /** When it was accepted, ms since the epoch. */
  readonly since: number
}

/** A user's place in the round: the lowest is served first. No two are the same. */
export type Round = (userId: string) => number

/** The oldest first. */
export const byAge = (a: Waiting, b: Waiting): number => a.since - b.since || a.id - b.id

/** All, in the order in which they are next if none comes and no time passes. Who is, is found faster by `waiting-line`. */
export function inOrder<T extends Waiting>(waiting: Iterable<T>, round: Round, now: number): T[] {
  const ranks = new Map<number, T[]>()
  for (const each of waiting) push(ranks, effectiveRank(each.priority, each.since, now), each)
  const ordered: T[] = []
  /** Who was served on the way here stands behind all who were not. */
  const served = new Map<string, number>()
  for (const rank of [...ranks.keys()].toSorted((a, b) => a - b)) {
    const users = new Map<string, T[]>()
    for (const each of ranks.get(rank) ?? []) push(users, each.userId, each)
    const order = [...users.keys()].toSorted((a, b) => behind(served, a, b) || round(a) - round(b))
    let queues = order.map((userId) => (users.get(userId) ?? []).toSorted(byAge))
    for (let i = 0; queues.length > 0; i++) {
      for (const queue of queues) {
        const each = queue[i]
        if (!each) continue
        ordered.push(each)
        served.set(each.userId, ordered.length)
      }
      queues = queues.filter((queue) => queue.length > i + 1)
    }
  }
  return ordered
}

function behind(served: ReadonlyMap<string, number>, a: string, b: string): number {
  return (served.get(a) ?? 0) - (served.get(b) ?? 0)
}

function push<K, T>(groups: Map<K, T[]>, key: K, each: T): void {
  const group = groups.get(key)
  if (group) group.push(each)
  else groups.set(key, [each])
}
