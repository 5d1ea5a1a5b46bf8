/**
 * Who stands where in the queue, and who has to be told that this changed. Positions are a courtesy: they are told once,
 * at most once a second each, and nobody is asked whether they heard it.
 *
 * Ordering a long queue takes longer than a grant, so the order is worked out anew only after a while that grows with it.
 */
import type { Place } from './places.ts'
import { inOrder, type Round } from './queue-order.ts'

/** How often one conversation hears of its position. */
const TELL_EVERY_MS = 1_000
/** Told at a time: half from the front of the queue, half of those who heard nothing for longest. */
const MOST_AT_A_TIME = 100
/** An order of a thousand is used for 100 ms; then working it out takes some per cent of the time. */
const STALE_MS_PER_PLACE = 0.1

export interface Position {
  readonly place: Place
  /** 1 is next. */
  readonly position: number
}

export class PositionNews {
  readonly #told = new Map<number, { readonly position: number; readonly at: number }>()
  #order: readonly Place[] = []
  #positions = new Map<number, number>()
  #orderedAt = -Infinity
  #lastTick = -Infinity
  #changed = true

  /** The queue is not what it was. */
  changed(): void {
    this.#changed = true
  }

  /** Of one that is waiting. A newcomer to a long queue may be taken for its last, until the next look. */
  positionOf(id: number, waiting: ReadonlyMap<number, Place>, round: Round, now: number): number {
    if (now < this.#orderedAt || now - this.#orderedAt >= waiting.size * STALE_MS_PER_PLACE)
      this.#work(waiting, round, now)
    return this.#positions.get(id) ?? waiting.size
  }

  /** It heard its position in an answer. */
  heard(id: number, position: number, now: number): void {
    this.#told.set(id, { position, at: now })
  }

  /** It does not wait any more. */
  gone(id: number): void {
    this.#told.delete(id)
  }

  nextDue(isAnyoneWaiting: boolean, now: number): number | null {
    return this.#changed && isAnyoneWaiting ? Math.max(now, this.#lastTick + TELL_EVERY_MS) : null
  }

  /** @returns who has to be told what, now */
  tick(waiting: ReadonlyMap<number, Place>, round: Round, now: number): Position[] {
    if (!this.#changed || waiting.size === 0 || now - this.#lastTick < TELL_EVERY_MS) return []
    this.#lastTick = now
    this.#work(waiting, round, now)
    const news = this.#order
      .map((place, i) => ({ place, position: i + 1, told: this.#told.get(place.id) }))
      .filter(({ position, told }) => told?.position !== position)
    const due = news.filter(({ told }) => now - (told?.at ?? -Infinity) >= TELL_EVERY_MS)
    const front = due.slice(0, MOST_AT_A_TIME / 2)
    const rest = due
      .slice(MOST_AT_A_TIME / 2)
      .toSorted((a, b) => (a.told?.at ?? 0) - (b.told?.at ?? 0))
      .slice(0, MOST_AT_A_TIME / 2)
    const chosen = [...front, ...rest]
    this.#changed = chosen.length < news.length
    for (const { place, position } of chosen) this.heard(place.id, position, now)
    return chosen.map(({ place, position }) => ({ place, position }))
  }

  #work(waiting: ReadonlyMap<number, Place>, round: Round, now: number): void {
    this.#order = inOrder(waiting.values(), round, now)
    this.#positions = new Map(this.#order.map((place, i) => [place.id, i + 1]))
    this.#orderedAt = now
  }
}
