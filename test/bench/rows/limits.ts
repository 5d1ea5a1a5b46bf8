/**
 * What limits cost: the time that they add to the acknowledgement of a message, against Parley with a plan that counts no
 * turns; and how many decisions a second one limiter object makes, all calls from one Worker in the same process.
 */
import { ROOMY_PLAN } from '../../support/roomy-limits.ts'
import { addedTime } from '../added-time.ts'
import { scaled, type Bench, type Row } from '../bench.ts'
import { ParleyTarget } from '../parley-target.ts'
import { serve } from '../serve.ts'
import { figure, median } from '../statistics.ts'
import { MS, withSpread, withUnit } from '../table.ts'

const ROUNDS = 8
const TURNS = 25
const MOST_ADDED_MS = 3

const DECISIONS = 8_000
const LEAST_PER_SECOND = 2_000

export async function measureLimits(bench: Bench): Promise<readonly Row[]> {
  return [...(await measureAdded(bench)), ...(await measureDecisions(bench))]
}

/** Everything of a guest's plan that counts turns, taken away. */
const UNCOUNTED = {
  ...ROOMY_PLAN,
  messagesPerDay: null,
  tokensPerDay: null,
  tokensPerMonth: null,
  usdPerMonth: null,
  concurrentTurns: null,
}

async function measureAdded(bench: Bench): Promise<readonly Row[]> {
  const modelUrl = bench.model.baseUrl
  const vars = { PLANS: JSON.stringify({ guest: UNCOUNTED }) }
  const unlimited = await ParleyTarget.start({ modelUrl, vars })
  try {
    const servers = { whole: bench.parley, without: unlimited }
    const found = await addedTime(bench, servers, { rounds: ROUNDS, turns: TURNS })
    const { without, added } = found
    return [
      {
        work: `time that limits and quotas add to a turn, p50 (without: ${withUnit(median(without), MS)})`,
        relay: '–',
        parley: withSpread(added, MS),
        goal: `≤ ${MOST_ADDED_MS} ms`,
        met: added.median <= MOST_ADDED_MS,
        figures: found,
      },
    ]
  } finally {
    await unlimited.stop()
  }
}

async function measureDecisions(bench: Bench): Promise<readonly Row[]> {
  const { line, stop } = await serve('limiter', { modelUrl: bench.model.baseUrl })
  const perSecond = async (what: 'admit' | 'turn', objects: number): Promise<number> => {
    const count = scaled(bench, DECISIONS, 500)
    const url = `${line.directUrl}/bench/decisions?what=${what}&count=${count}&objects=${objects}`
    const since = performance.now()
    const response = await fetch(url)
    if (!response.ok) throw new Error(`decisions: ${response.status} ${await response.text()}`)
    await response.text()
    return (count * (what === 'turn' ? 2 : 1)) / ((performance.now() - since) / 1000)
  }
  try {
    await perSecond('admit', 1)
    await perSecond('turn', 1)
    const admit = figure([
      await perSecond('admit', 1),
      await perSecond('admit', 1),
      await perSecond('admit', 1),
    ])
    const turn = figure([await perSecond('turn', 1), await perSecond('turn', 1), await perSecond('turn', 1)])
    const spread = await perSecond('turn', 50)
    const text = (n: number): string => Math.round(n).toLocaleString('en')
    return [
      {
        work: 'decisions per second of one limiter object (requests; reserving and settling turns)',
        relay: '–',
        parley: `${text(admit.median)}; ${text(turn.median)} (over 50 objects: ${text(spread)})`,
        goal: `≥ ${text(LEAST_PER_SECOND)}`,
        met: Math.min(admit.median, turn.median) >= LEAST_PER_SECOND,
        figures: { admit, turn, spread },
      },
    ]
  } finally {
    await stop()
  }
}
