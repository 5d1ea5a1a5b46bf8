/**
 * How many calls may be made besides the first ones: a fifth more, over a sliding minute, so that an outage is not
 * multiplied by everybody who tries again. Pure, with the clock handed in; one for all conversations of an isolate.
 */

/**
 * Extra calls for each first call: a fifth, less what is left for fallbacks. Those are made in any case, one of them after
 * each repeat that fails; without that room the fifth would be passed again and again, if only by a little.
 */
const SHARE = 0.18

/** An installation where little happens may still try again: that multiplies nothing. */
const LEAST = 3

const WINDOW_MS = 60_000

/** Calls are counted in slots of a second, so that the window costs 60 numbers however many they are. */
const SLOT_MS = 1_000
const SLOTS = WINDOW_MS / SLOT_MS

interface Slot {
  /** Which second it counts; an older one is over. */
  number: number
  first: number
  extra: number
}

export class RetryBudget {
  readonly #now: () => number
  readonly #slots: Slot[] = Array.from({ length: SLOTS }, () => ({ number: -1, first: 0, extra: 0 }))

  /** @param now ms, on any clock that does not go back */
  constructor(now: () => number) {
    this.#now = now
  }

  /** A call that had to be made. */
  first(): void {
    this.#slot().first += 1
  }

  /** A call that is made in any case (a fallback), and counts. */
  extra(): void {
    this.#slot().extra += 1
  }

  /** @returns whether one more may be made; if so, it is counted */
  take(): boolean {
    const oldest = this.#number() - SLOTS
    let first = 0
    let extra = 0
    for (const slot of this.#slots) {
      if (slot.number <= oldest) continue
      first += slot.first
      extra += slot.extra
    }
    if (extra + 1 > Math.max(LEAST, first * SHARE)) return false
    this.#slot().extra += 1
    return true
  }

  #number(): number {
    return Math.floor(this.#now() / SLOT_MS)
  }

  #slot(): Slot {
    const number = this.#number()
    const slot = this.#slots[number % SLOTS] ?? { number, first: 0, extra: 0 }
    if (slot.number !== number) Object.assign(slot, { number, first: 0, extra: 0 })
    return slot
  }
}
