/**
 * How long turns waited, how many were granted and how many timed out: in slots of ten seconds, over five minutes, in
 * classes whose counts can be added over several objects. Of one object, in memory: what a restart forgets is seen again
 * within minutes.
 */
import type { Priority } from '../protocol/ids.ts'
import { PRIORITIES } from '../protocol/priority.ts'

const SLOT_MS = 10_000
/** The last five minutes, and the slot that is not over. */
const SLOTS = 31
const MINUTE_SLOTS = 6

/** Upper bounds of the classes in which waits are counted, ms: 0, then from 10 ms to half an hour, each 15 % above. */
export const WAIT_BOUNDS_MS: readonly number[] = [
  0,
  ...Array.from({ length: 88 }, (_, i) => Math.round(10 * 1.15 ** i)),
]

interface Slot {
  readonly number: number
  readonly waits: Record<Priority, Uint32Array>
  timedOut: number
}

/** Counts by class of {@link WAIT_BOUNDS_MS}, and one for above. */
export type WaitCounts = readonly number[]

/** What was counted in some slots that are over. */
export interface ToldCounts {
  /** The last of these slots: those after it were not told. */
  readonly through: number
  readonly waits: WaitCounts
  readonly timedOut: number
}

export class WaitStatistics {
  readonly #slots: Slot[] = []
  readonly #startedAt: number
  /** The last slot that was ever told. */
  #told: number

  constructor(now: number) {
    this.#startedAt = now
    this.#told = slotOf(now) - 1
  }

  granted(priority: Priority, waitMs: number, now: number): void {
    const counts = this.#slot(now).waits[priority]
    const index = classOf(waitMs)
    counts[index] = (counts[index] ?? 0) + 1
  }

  timedOut(now: number): void {
    this.#slot(now).timedOut++
  }

  /** Of the turns that were granted in the last five minutes, or in the last `ms` in steps of ten seconds. */
  waits(priority: Priority, now: number, ms = Infinity): WaitCounts {
    const sum = Array<number>(WAIT_BOUNDS_MS.length + 1).fill(0)
    for (const { waits } of this.#recent(now, ms))
      for (const [i, count] of waits[priority].entries()) sum[i] = (sum[i] ?? 0) + count
    return sum
  }

  /**
   * What is over and was not told yet, as far as it is remembered. Asked again with the same slot it says the same again.
   *
   * @param after the last slot of which the asker was told; null: the asker has forgotten, and hears only where it was
   */
  untold(after: number | null, now: number): ToldCounts {
    const from = after ?? this.#told
    const through = after === null ? from : Math.max(from, slotOf(now) - 1)
    this.#told = Math.max(this.#told, through)
    const slots = this.#slots.filter(({ number }) => number > from && number <= through)
    return {
      through,
      waits: added(slots.flatMap(({ waits }) => PRIORITIES.map((priority) => waits[priority]))),
      timedOut: slots.reduce((sum, slot) => sum + slot.timedOut, 0),
    }
  }

  /** In the last minute, to the ten seconds. */
  grantedPerMinute(priority: Priority, now: number): number {
    return total(this.waits(priority, now, MINUTE_SLOTS * SLOT_MS))
  }

  /** In the last five minutes. */
  timedOutIn(now: number): number {
    return this.#recent(now).reduce((sum, slot) => sum + slot.timedOut, 0)
  }

  /** Grants per millisecond, lately; 0 when there were none. */
  pace(now: number): number {
    const granted = PRIORITIES.reduce((sum, priority) => sum + this.grantedPerMinute(priority, now), 0)
    const span = (MINUTE_SLOTS - 1) * SLOT_MS + (now % SLOT_MS)
    return granted / Math.max(1_000, Math.min(now - this.#startedAt, span))
  }

  #recent(now: number, ms = Infinity): Slot[] {
    const newest = slotOf(now)
    const oldest = newest - Math.min(SLOTS, Math.ceil(ms / SLOT_MS))
    return this.#slots.filter(({ number }) => number > oldest && number <= newest)
  }

  #slot(now: number): Slot {
    // A slot that was told is closed, also when the clock is set back into it.
    const number = Math.max(slotOf(now), this.#told + 1)
    const last = this.#slots.at(-1)
    // A clock that is set back goes on in the newest one.
    if (last && last.number >= number) return last
    const empty = (): Uint32Array => new Uint32Array(WAIT_BOUNDS_MS.length + 1)
    const slot: Slot = {
      number,
      waits: { urgent: empty(), high: empty(), normal: empty(), low: empty() },
      timedOut: 0,
    }
    this.#slots.push(slot)
    if (this.#slots.length > SLOTS) this.#slots.shift()
    return slot
  }
}

const slotOf = (time: number): number => Math.floor(time / SLOT_MS)

export const total = (counts: WaitCounts): number => counts.reduce((sum, count) => sum + count, 0)

/** @returns the sum of several, class by class */
export function added(all: readonly Readonly<ArrayLike<number>>[]): WaitCounts {
  return Array.from({ length: WAIT_BOUNDS_MS.length + 1 }, (_, i) =>
    all.reduce((sum, counts) => sum + (counts[i] ?? 0), 0),
  )
}

/**
 * The wait that this part of the turns did not exceed: the bound of its class, so up to 15 % too high.
 *
 * @param part between 0 and 1
 * @returns ms; null when there were none
 */
export function percentile(counts: WaitCounts, part: number): number | null {
  const all = total(counts)
  if (all === 0) return null
  let seen = 0
  for (const [i, count] of counts.entries()) {
    seen += count
    if (seen >= part * all && count > 0) return WAIT_BOUNDS_MS[i] ?? WAIT_BOUNDS_MS.at(-1) ?? null
  }
  return null
}

function classOf(waitMs: number): number {
  let low = 0
  let high = WAIT_BOUNDS_MS.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((WAIT_BOUNDS_MS[middle] ?? Infinity) < waitMs) low = middle + 1
    else high = middle
  }
  return low
}
