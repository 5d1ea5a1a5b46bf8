/**
 * One client, one turn after another: what a server adds to the time to the first token, and how long after the model's
 * end its client knows that the turn is complete (and, with Parley, stored).
 */
import { setTimeout as delay } from 'node:timers/promises'
import { inTurn, scaled, warmUp, type Bench, type Row } from '../bench.ts'
import { DirectClient } from '../direct-client.ts'
import type { Target } from '../room.ts'
import { figure, median } from '../statistics.ts'
import { MS, TIMES, withSpread, withUnit } from '../table.ts'

const ROUNDS = 12
const TURNS = 25
/** Between turns: whoever asks the next question has read the answer. */
const THINK_MS = 20
/** The first token comes alone, as with a real model. */
const ANSWER = '[[tokens=5 delay=4]]'

const MOST_ADDED = 1.5
const MOST_END_MS = 3

/** Medians of one round, in ms. */
interface Round {
  readonly first: number
  readonly end: number
}

export async function measureFirstToken(bench: Bench): Promise<readonly Row[]> {
  const rounds: Record<'direct' | Target['name'], Round[]> = { direct: [], relay: [], Parley: [] }
  for (let round = 0; round < scaled(bench, ROUNDS, 2); round++) {
    rounds.direct.push(await directRound(bench))
    for (const target of inTurn<Target>(round, bench.relay, bench.parley)) {
      rounds[target.name].push(await targetRound(bench, target))
    }
  }
  // Within a round, so that a slow moment of the machine counts for both sides of the difference.
  const added = (name: Target['name']) =>
    figure(rounds[name].map(({ first }, i) => first - (rounds.direct[i]?.first ?? 0)))
  const relay = added('relay')
  const parley = added('Parley')
  const direct = median(rounds.direct.map(({ first }) => first))
  const relayEnd = figure(rounds.relay.map(({ end }) => end))
  const parleyEnd = figure(rounds.Parley.map(({ end }) => end))
  return [
    {
      work: `added time to first token, one client, p50 (direct: ${withUnit(direct, MS)})`,
      relay: withSpread(relay, MS),
      parley: `${withSpread(parley, MS)}, ${withUnit(parley.median / relay.median, TIMES)} the relay's`,
      goal: `≤ ${MOST_ADDED} × the relay's`,
      met: parley.median <= MOST_ADDED * relay.median,
      figures: { rounds, relay, parley },
    },
    {
      work: "model's end → client knows the turn is complete and stored, p50",
      relay: withSpread(relayEnd, MS),
      parley: withSpread(parleyEnd, MS),
      goal: `≤ ${MOST_END_MS} ms`,
      met: parleyEnd.median <= MOST_END_MS,
      figures: { relay: relayEnd, parley: parleyEnd },
    },
  ]
}

async function directRound(bench: Bench): Promise<Round> {
  const client = await DirectClient.open(bench.model.baseUrl)
  const first: number[] = []
  for (let i = 0; i < scaled(bench, TURNS, 5); i++) {
    const turn = await client.turn(`${ANSWER} ${i}`)
    first.push(turn.firstAt - turn.sentAt)
    await delay(THINK_MS)
  }
  client.close()
  return { first: median(first), end: 0 }
}

async function targetRound(bench: Bench, target: Target): Promise<Round> {
  const room = await target.open(1)
  await warmUp(room)
  await bench.model.reset()
  const first: number[] = []
  const endedAt: number[] = []
  for (let i = 0; i < scaled(bench, TURNS, 5); i++) {
    const turn = await room.turn(`${ANSWER} ${i}`)
    first.push(turn.asker.firstAt - turn.sentAt)
    endedAt.push(turn.asker.endAt)
    await delay(THINK_MS)
  }
  const calls = await bench.model.calls()
  if (calls.length !== endedAt.length) throw new Error('the model was called by somebody else')
  await room.close()
  const end = calls.map((call, i) => (endedAt[i] ?? 0) - (call.endedAt ?? 0))
  return { first: median(first), end: median(end) }
}
