/**
 * What the way to a provider costs where all is well and nothing is limited: the time that chain, breaker and admission add
 * to the first token, against the same Worker whose conversations call the provider's adapter themselves.
 */
import { addedTime } from '../added-time.ts'
import type { Bench, Row } from '../bench.ts'
import { ParleyTarget } from '../parley-target.ts'
import { median } from '../statistics.ts'
import { MS, withSpread, withUnit } from '../table.ts'

const ROUNDS = 12
const TURNS = 40
const MOST_ADDED_MS = 0.5

export async function measureChain(bench: Bench): Promise<readonly Row[]> {
  const without = await ParleyTarget.start({ modelUrl: bench.model.baseUrl }, 'bare-model')
  try {
    const found = await addedTime(bench, { whole: bench.parley, without }, { rounds: ROUNDS, turns: TURNS })
    return [
      {
        work: `time that chain, breaker and admission add to the first token, no limit set, p50 (without: ${withUnit(median(found.without), MS)})`,
        relay: '–',
        parley: withSpread(found.added, MS),
        goal: `≤ ${MOST_ADDED_MS} ms`,
        met: found.added.median <= MOST_ADDED_MS,
        figures: found,
      },
    ]
  } finally {
    await without.stop()
  }
}
