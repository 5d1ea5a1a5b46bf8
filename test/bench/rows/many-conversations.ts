/**
 * 200 conversations at once, each with one client and an answer of 100 tokens at 10 ms: how long until all are done, when
 * each had its first token, and how much memory the server's process has afterwards. Each round starts a new process, so
 * that its memory is that of this work alone.
 */
import { residentBytes } from '../../support/process-table.ts'
import { inTurn, scaled, warmUp, type Bench, type Row } from '../bench.ts'
import { ParleyTarget } from '../parley-target.ts'
import { RelayTarget } from '../relay-target.ts'
import type { Target } from '../room.ts'
import { figure, percentile } from '../statistics.ts'
import { MIB, MS, TIMES, withSpread, withUnit } from '../table.ts'

const ROUNDS = 5
const CONVERSATIONS = 200
const TOKENS = 100
const DELAY_MS = 10
/** Opened at the same time: enough to be quick, few enough not to be what is measured. */
const OPENING = 10

const MOST_TIME = 1.2
const MOST_MEMORY = 1.1

interface Round {
  readonly total: number
  readonly first: number
  /** Bytes before the conversations were opened, and when they were done. */
  readonly idle: number
  readonly resident: number
}

export async function measureManyConversations(bench: Bench): Promise<readonly Row[]> {
  const rounds: Record<Target['name'], Round[]> = { relay: [], Parley: [] }
  const options = { modelUrl: bench.model.baseUrl }
  const startRelay = () => RelayTarget.start(options)
  const startParley = () => ParleyTarget.start(options)
  for (let round = 0; round < scaled(bench, ROUNDS); round++) {
    for (const start of inTurn<() => Promise<Target>>(round, startRelay, startParley)) {
      const target = await start()
      try {
        rounds[target.name].push(await oneRound(target))
      } finally {
        await target.stop()
      }
    }
  }
  const of = (name: Target['name'], key: keyof Round) => figure(rounds[name].map((each) => each[key]))
  const ratio = (key: keyof Round) => of('Parley', key).median / of('relay', key).median
  const both = (name: Target['name']) =>
    `${withSpread(of(name, 'total'), MS)}, ${withSpread(of(name, 'first'), MS)}`
  const ideal = (TOKENS - 1) * DELAY_MS
  return [
    {
      work: `${CONVERSATIONS} conversations at once, ${TOKENS} tokens each at ${DELAY_MS} ms: total (ideal ${ideal} ms), p95 first token`,
      relay: both('relay'),
      parley: `${both('Parley')}; ${withUnit(ratio('total'), TIMES)}, ${withUnit(ratio('first'), TIMES)} the relay's`,
      goal: `≤ ${MOST_TIME} × the relay's`,
      met: ratio('total') <= MOST_TIME && ratio('first') <= MOST_TIME,
      figures: rounds,
    },
    {
      work: 'RSS after that',
      relay: withSpread(of('relay', 'resident'), MIB),
      parley: `${withSpread(of('Parley', 'resident'), MIB)}; ${withUnit(ratio('resident'), TIMES)} the relay's`,
      goal: `≤ ${MOST_MEMORY} × the relay's`,
      met: ratio('resident') <= MOST_MEMORY,
      figures: rounds,
    },
  ]
}

async function oneRound(target: Target): Promise<Round> {
  const first = await target.open(1)
  await warmUp(first)
  await first.close()
  const idle = await residentBytes(target.served.pid)
  const rooms = await openMany(target, CONVERSATIONS)
  const results = await Promise.all(
    rooms.map((room, i) => room.turn(`[[tokens=${TOKENS} delay=${DELAY_MS}]] ${i}`)),
  )
  const resident = await residentBytes(target.served.pid)
  await Promise.all(rooms.map((room) => room.close()))
  const begin = Math.min(...results.map((turn) => turn.sentAt))
  return {
    total: Math.max(...results.map((turn) => turn.allEndedAt)) - begin,
    first: percentile(
      results.map((turn) => turn.asker.firstAt - turn.sentAt),
      0.95,
    ),
    idle,
    resident,
  }
}

async function openMany(target: Target, count: number) {
  const rooms = []
  for (let i = 0; i < count; i += OPENING) {
    const some = Array.from({ length: Math.min(OPENING, count - i) }, () => target.open(1))
    rooms.push(...(await Promise.all(some)))
  }
  return rooms
}
