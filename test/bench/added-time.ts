/**
 * What a part of Parley adds to the first token: the same turns with and without it, on two servers that take turns within
 * each round, so that a slow moment of the machine counts for both.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { scaled, warmUp, type Bench } from './bench.ts'
import type { ParleyTarget } from './parley-target.ts'
import { figure, median, type Figure } from './statistics.ts'

/** Between turns: whoever asks the next question has read the answer. */
const THINK_MS = 20
/** The first token comes alone, as with a real model. */
const ANSWER = '[[tokens=5 delay=4]]'

export interface AddedTime {
  /** Medians of the rounds, ms. */
  readonly whole: readonly number[]
  readonly without: readonly number[]
  /** Of their differences. */
  readonly added: Figure
}

export async function addedTime(
  bench: Bench,
  servers: { readonly whole: ParleyTarget; readonly without: ParleyTarget },
  { rounds, turns }: { readonly rounds: number; readonly turns: number },
): Promise<AddedTime> {
  const whole: number[] = []
  const without: number[] = []
  for (let round = 0; round < scaled(bench, rounds, 2); round++) {
    const order = [servers.whole, servers.without]
    for (const target of round % 2 === 0 ? order : order.toReversed()) {
      const first = await firstTokenOf(target, scaled(bench, turns, 8))
      if (target === servers.without) without.push(first)
      else whole.push(first)
    }
  }
  return { whole, without, added: figure(whole.map((first, i) => first - (without[i] ?? 0))) }
}

async function firstTokenOf(target: ParleyTarget, turns: number): Promise<number> {
  const room = await target.open(1)
  await warmUp(room)
  const first: number[] = []
  for (let i = 0; i < turns; i++) {
    const turn = await room.turn(`${ANSWER} ${i}`)
    first.push(turn.asker.firstAt - turn.sentAt)
    await delay(THINK_MS)
  }
  await room.close()
  return median(first)
}
