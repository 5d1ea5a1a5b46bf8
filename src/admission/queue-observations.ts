/**
 * What the incidents are told of the queues: of each provider the sum over its objects, each of which is asked for what is
 * over since it was asked last. Who is told keeps up to where; so what was lost on the way is told again. Who has just begun
 * hears first where the one before was, and only an answer that is lost then is not told again: nothing is told twice.
 */
import type { QueuesTold, ToldSlots } from '../incidents/observation.ts'
import type { QueueInterval } from './queue-status.ts'
import { added, percentile } from './wait-statistics.ts'

/** @param after as in `WaitStatistics.untold`. @returns null: nothing has ever been in this object */
type Ask = (object: string, after: number | null) => Promise<QueueInterval | null>

export async function observedOf(
  providers: readonly { readonly provider: string; readonly objects: readonly string[] }[],
  told: ToldSlots,
  ask: Ask,
): Promise<QueuesTold> {
  const slots: Record<string, number> = { ...told }
  const heard = async (object: string): Promise<QueueInterval[]> => {
    const after = told[object] ?? (await ask(object, null))?.through
    const interval = after === undefined ? null : await ask(object, after)
    if (!interval) return []
    slots[object] = interval.through
    return [interval]
  }
  const queues = await Promise.all(
    providers.map(async ({ provider, objects }) => {
      const intervals = (await Promise.all(objects.map(heard))).flat()
      return {
        provider,
        waiting: intervals.reduce((sum, { waiting }) => sum + waiting, 0),
        p95WaitMs: percentile(added(intervals.map(({ waits }) => waits)), 0.95),
        timedOut: intervals.reduce((sum, { timedOut }) => sum + timedOut, 0),
      }
    }),
  )
  return { queues, told: slots }
}
