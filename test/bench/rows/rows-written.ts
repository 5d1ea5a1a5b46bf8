/**
 * Rows that an answer of some seconds costs, as they are billed: SQL rows and index entries in the conversation, alarms,
 * and D1. Counted in a build of its own (test/workers/bench/counting-worker.ts), after the conversation's first turn.
 */
import type { RowsWritten } from '../../support/rows-written.ts'
import { warmUp, type Bench, type Row } from '../bench.ts'
import { ParleyTarget } from '../parley-target.ts'

const SECONDS = 5
const DELAY_MS = 10
const MOST_PER_SECOND = 4
const MOST_BESIDE = 10
/** Writes to D1 follow the end of a turn. */
const SETTLE_MS = 500

export async function measureRowsWritten(bench: Bench): Promise<readonly Row[]> {
  const target = await ParleyTarget.start({ modelUrl: bench.model.baseUrl }, 'counting')
  try {
    const room = await target.open(1)
    await warmUp(room, 1)
    await written(target)
    const tokens = (SECONDS * 1000) / DELAY_MS
    await room.turn(`[[tokens=${tokens} delay=${DELAY_MS}]]`)
    const rows = await written(target)
    await room.close()
    const total = rows.conversation + rows.limits + rows.alarms + rows.d1
    const most = MOST_PER_SECOND * SECONDS + MOST_BESIDE
    return [
      {
        work: `rows written for an answer of ${SECONDS} s`,
        relay: '–',
        parley: `${total} (${rows.conversation} in the conversation, ${rows.limits} for limits, ${rows.alarms} alarms, ${rows.d1} in D1)`,
        goal: `≤ ${MOST_PER_SECOND} a second + ${MOST_BESIDE} = ${most}`,
        met: total <= most,
        figures: rows,
      },
    ]
  } finally {
    await target.stop()
  }
}

async function written(target: ParleyTarget): Promise<RowsWritten> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  return (await (await fetch(`${target.url}/bench/rows`)).json()) as RowsWritten
}
