/**
 * How much of something happened in the last minute: so that there is never more of it than allowed in ANY 60 seconds,
 * not just in those of the clock. Pure; time is handed in.
 *
 * It counts in slots of one second. A slot counts until 60 s after its end, for it is not known when in that second
 * something happened; so 61 slots count at a time, and what was taken is free again after 60 to 61 s.
 */

/** Milliseconds of a slot. */
const SLOT_MS = 1_000
const SLOTS = 61

export interface Slot {
  /** Seconds since the epoch. */
  readonly second: number
  readonly amount: number
}

export class MinuteWindow {
  readonly #limit: number
  /** By second; at most {@link SLOTS}, in the order of time. */
  readonly #slots = new Map<number, number>()
  #sum = 0
  /** A clock that is set back must not give room twice. */
  #newest = 0

  /** @param slots what {@link slots} said before */
  constructor(limit: number, slots: readonly Slot[] = []) {
    this.#limit = limit
    for (const { second, amount } of slots.toSorted((a, b) => a.second - b.second)) {
      this.#slots.set(second, amount)
      this.#sum += amount
      this.#newest = second
    }
  }

  /** Whether this much more fits. What is more than the limit fits when there is nothing else. */
  fits(amount: number, now: number): boolean {
    this.#forget(now)
    return this.#sum + Math.min(amount, this.#limit) <= this.#limit
  }

  /** @returns the second that it is counted in, for {@link correct} */
  take(amount: number, now: number): number {
    this.#forget(now)
    const second = this.#newest
    this.#slots.set(second, (this.#slots.get(second) ?? 0) + amount)
    this.#sum += amount
    return second
  }

  /** It was more, or less, than what was taken then. What has left the window changes nothing. */
  correct(second: number, by: number): void {
    const amount = this.#slots.get(second)
    if (amount === undefined) return
    const corrected = Math.max(0, amount + by)
    this.#slots.set(second, corrected)
    this.#sum += corrected - amount
  }

  /** When this much fits, if nothing more is taken: ms since the epoch, at the earliest `now`. */
  opensAt(amount: number, now: number): number {
    this.#forget(now)
    let over = this.#sum + Math.min(amount, this.#limit) - this.#limit
    if (over <= 0) return now
    for (const [second, taken] of this.#slots) {
      over -= taken
      if (over <= 0) return Math.max(now, (second + SLOTS) * SLOT_MS)
    }
    return now
  }

  /** How much counts now. */
  sum(now: number): number {
    this.#forget(now)
    return this.#sum
  }

  /** What must be known after a restart. */
  slots(): Slot[] {
    return [...this.#slots].map(([second, amount]) => ({ second, amount }))
  }

  #forget(now: number): void {
    this.#newest = Math.max(this.#newest, Math.floor(now / SLOT_MS))
    for (const [second, amount] of this.#slots) {
      if (second > this.#newest - SLOTS) break
      this.#slots.delete(second)
      this.#sum -= amount
    }
  }
}
