/**
 * What every row of the benchmark works with: the model server, the servers under measure, and how much to do.
 */
import type { ModelServerClient } from '../support/model-server-client.ts'
import type { ParleyTarget } from './parley-target.ts'
import type { RelayTarget } from './relay-target.ts'
import type { Room } from './room.ts'

export interface Bench {
  readonly model: ModelServerClient
  /** Serve for the whole run; only one of them works at a time. */
  readonly relay: RelayTarget
  readonly parley: ParleyTarget
  /** Repetitions are cut to this part in a quick run: 1 or less. */
  readonly scale: number
}

/** One line of the table. */
export interface Row {
  readonly work: string
  readonly relay: string
  readonly parley: string
  readonly goal: string
  readonly met: boolean
  /** What a reader of the table must know, printed below it. */
  readonly note?: string
  /** Everything that was measured, for `--json`. */
  readonly figures: unknown
}

export type Measure = (bench: Bench) => Promise<readonly Row[]>

/** @returns `count` cut down for a quick run, but no less than `least` */
export function scaled({ scale }: Bench, count: number, least = 1): number {
  return Math.max(least, Math.round(count * scale))
}

/** Both servers in turn, the first alternating, so that a drift of the machine hits both alike. */
export function inTurn<T>(round: number, relay: T, parley: T): readonly [T, T] {
  return round % 2 === 0 ? [relay, parley] : [parley, relay]
}

export async function warmUp(room: Room, turns = 3): Promise<void> {
  for (let i = 0; i < turns; i++) await room.turn(`[[tokens=8 delay=2]] warm ${i}`)
}
