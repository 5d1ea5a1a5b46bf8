/**
 * A model as fast as it can be, and 1, 10 or 100 clients that watch: tokens delivered a second, and what the server's
 * process spends on them. A token counts once for each viewer, in however few frames it travels.
 */
import { cpuSeconds } from '../../support/process-table.ts'
import { inTurn, scaled, warmUp, type Bench, type Row } from '../bench.ts'
import type { Target } from '../room.ts'
import { figure, type Figure } from '../statistics.ts'
import { PLAIN, short, THOUSANDS, TIMES, withSpread, withUnit, type Unit } from '../table.ts'

const ROUNDS = 5
/** How long the answer is; the more viewers, the shorter, so that a turn of the relay takes a second or two. */
const CASES = [
  { viewers: 1, tokens: 8_000 },
  { viewers: 10, tokens: 4_000 },
  { viewers: 100, tokens: 2_000 },
] as const
/** Turns follow each other until this much time was measured: CPU time comes in steps of 10 ms. */
const LEAST_MS = 1_500

interface Round {
  /** Tokens × viewers a second. */
  readonly rate: number
  /** CPU seconds of the server's process per 10,000 of them. */
  readonly cpu: number
  /** How busy this process was, which must not be the limit. */
  readonly load: number
}

export async function measureFanOut(bench: Bench): Promise<readonly Row[]> {
  const rates: [Figure, Figure][] = []
  const cpus: [Figure, Figure][] = []
  const all: unknown[] = []
  let load = 0
  for (const { viewers, tokens } of CASES) {
    const rounds: Record<Target['name'], Round[]> = { relay: [], Parley: [] }
    for (let round = 0; round < scaled(bench, ROUNDS, 2); round++) {
      for (const target of inTurn<Target>(round, bench.relay, bench.parley)) {
        rounds[target.name].push(await oneRound(bench, target, viewers, tokens))
      }
    }
    rates.push([figure(rounds.relay.map(({ rate }) => rate)), figure(rounds.Parley.map(({ rate }) => rate))])
    cpus.push([figure(rounds.relay.map(({ cpu }) => cpu)), figure(rounds.Parley.map(({ cpu }) => cpu))])
    load = Math.max(load, ...[...rounds.relay, ...rounds.Parley].map((round) => round.load))
    all.push({ viewers, tokens, ...rounds })
  }
  const viewers = CASES.map((each) => each.viewers).join(' / ')
  const each = (figures: [Figure, Figure][], side: 0 | 1, unit: Unit) =>
    figures.map((pair) => withSpread(pair[side], unit)).join(' / ')
  const ratios = (figures: [Figure, Figure][]) =>
    figures.map(([relay, parley]) => withUnit(parley.median / relay.median, TIMES)).join(' / ')
  return [
    {
      work: `deltas delivered/s to ${viewers} viewers, model as fast as it can`,
      relay: each(rates, 0, THOUSANDS),
      parley: `${each(rates, 1, THOUSANDS)}; ${ratios(rates)} the relay's`,
      goal: "above the relay's",
      met: rates.every(([relay, parley]) => parley.median > relay.median),
      note: `The model writes one token at a time. The load's process was busy for at most ${short(load * 100)} % of a core.`,
      figures: all,
    },
    {
      work: `CPU seconds per 10,000 delivered tokens, ${viewers} viewers`,
      relay: each(cpus, 0, PLAIN),
      parley: `${each(cpus, 1, PLAIN)}; ${ratios(cpus)} the relay's`,
      goal: "≤ the relay's",
      met: cpus.every(([relay, parley]) => parley.median <= relay.median),
      figures: { cpus },
    },
  ]
}

async function oneRound(bench: Bench, target: Target, viewers: number, tokens: number): Promise<Round> {
  const room = await target.open(viewers)
  await warmUp(room, 1)
  let turns = 0
  let time = 0
  const cpuBefore = await cpuSeconds(target.served.pid)
  const ownBefore = process.cpuUsage()
  const begin = performance.now()
  while (time < LEAST_MS * bench.scale) {
    const turn = await room.turn(`[[tokens=${tokens} batch=1]] ${turns++}`)
    time += turn.allEndedAt - turn.sentAt
  }
  const own = process.cpuUsage(ownBefore)
  const load = (own.user + own.system) / 1000 / (performance.now() - begin)
  const cpu = (await cpuSeconds(target.served.pid)) - cpuBefore
  await room.close()
  const delivered = turns * tokens * viewers
  return { rate: (delivered / time) * 1000, cpu: (cpu / delivered) * 10_000, load }
}
