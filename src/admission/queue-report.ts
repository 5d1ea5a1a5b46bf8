/**
 * What operators are told of a provider's queue: the sum over its objects, in the shapes of the protocol; and the ids of
 * dead letters, which say in which object they are.
 */
import { deadLetterId, type ProviderQueue } from '../protocol/queue.ts'
import { PRIORITIES } from '../protocol/priority.ts'
import type { ProviderStatus } from './admission-calls.ts'
import { sumOf, waitsOf } from './queue-status.ts'

export function reportOf({ provider, limits, shards }: ProviderStatus): ProviderQueue {
  const { waiting, running, waits, grantedPerMinute, timedOut } = sumOf(
    shards.filter((shard) => shard !== null),
  )
  const letters = shards.flatMap((shard, i) => (shard?.dead ?? []).map((letter) => ({ ...letter, shard: i })))
  return {
    provider,
    limits,
    running,
    waiting: PRIORITIES.reduce((sum, priority) => sum + waiting[priority], 0),
    timedOut,
    priorities: PRIORITIES.map((priority) => ({
      priority,
      waiting: waiting[priority],
      grantedPerMinute: grantedPerMinute[priority],
      ...waitsOf(waits[priority]),
    })),
    deadLetters: letters
      .toSorted((a, b) => b.at - a.at)
      .map(({ id, shard, turn, at, ...letter }) => ({
        ...letter,
        id: `${provider}.${shard}.${id}`,
        turnId: `t${turn}`,
        at: new Date(at).toISOString(),
      })),
  }
}

/** @returns where a dead letter is; null when this cannot be the id of one */
export function readDeadLetterId(
  text: string,
): { readonly provider: string; readonly shard: number; readonly id: number } | null {
  const [provider, shard, id] = deadLetterId.safeParse(text).data?.split('.') ?? []
  return provider === undefined ? null : { provider, shard: Number(shard), id: Number(id) }
}
