/**
 * What one queue object may still let through: calls at a time, requests and tokens per minute. Pure; what is running is
 * told, and time is handed in.
 *
 * The minute must survive a restart, and a row for each grant would cost more than all else here. So a window is kept
 * with a little on top, and written again when that is used up: after a restart at most that little is missing.
 */
import { MinuteWindow, type Slot } from './minute-window.ts'
import type { ShardLimits } from './shards.ts'

/** What is kept of the windows. */
export interface WindowFact {
  readonly requests: readonly Slot[]
  readonly tokens: readonly Slot[]
}

/** What was taken for a grant, to be corrected when it is known. */
export interface Taken {
  readonly second: number
  readonly tokens: number
}

/** The part of a limit that is written down in advance. */
const AHEAD = 0.01

export class Capacity {
  readonly #concurrent: number
  readonly #requestLimit: number
  readonly #tokenLimit: number
  readonly #requests: MinuteWindow | null
  readonly #tokens: MinuteWindow | null
  /** What the kept windows say of the newest second that they hold. */
  #kept = { second: 0, requests: 0, tokens: 0 }
  #running: number

  /** @param running calls of before */
  constructor(limits: ShardLimits, fact: WindowFact | null, running = 0) {
    this.#running = running
    this.#concurrent = limits.concurrent ?? Infinity
    this.#requestLimit = limits.requestsPerMinute ?? Infinity
    this.#tokenLimit = limits.tokensPerMinute ?? Infinity
    const window = (limit: number, slots: readonly Slot[] | undefined): MinuteWindow | null =>
      limit === Infinity ? null : new MinuteWindow(limit, slots)
    this.#requests = window(this.#requestLimit, fact?.requests)
    this.#tokens = window(this.#tokenLimit, fact?.tokens)
  }

  /** Calls at a time; Infinity when that is not limited. */
  get concurrent(): number {
    return this.#concurrent
  }

  get hasPlace(): boolean {
    return this.#running < this.#concurrent
  }

  fits(tokens: number, now: number): boolean {
    return (
      this.hasPlace && (this.#requests?.fits(1, now) ?? true) && (this.#tokens?.fits(tokens, now) ?? true)
    )
  }

  /** When the minute has room for it: ms since the epoch. Whether a place is free is another question. */
  opensAt(tokens: number, now: number): number {
    return Math.max(this.#requests?.opensAt(1, now) ?? now, this.#tokens?.opensAt(tokens, now) ?? now)
  }

  /** Counts a grant. A call that is larger than the limit counts as the limit: otherwise it would never run. */
  take(tokens: number, now: number): Taken {
    this.#running++
    const counted = Math.min(tokens, this.#tokenLimit)
    const second = this.#requests?.take(1, now) ?? 0
    return { second: this.#tokens?.take(counted, now) ?? second, tokens: counted }
  }

  /** The call is over. What it used counts where it was expected. */
  giveBack(taken: Taken, usedTokens: number): void {
    this.#running--
    this.#tokens?.correct(taken.second, usedTokens - taken.tokens)
    // More than is written: whichever second that was, it is written now.
    if (this.#tokens && usedTokens > taken.tokens) this.#kept = { second: 0, requests: 0, tokens: 0 }
  }

  /** What has to be written now; null when what is written suffices. */
  unkept(now: number): WindowFact | null {
    if (!this.#requests && !this.#tokens) return null
    const requests = this.#requests?.slots() ?? []
    const tokens = this.#tokens?.slots() ?? []
    const second = Math.max(requests.at(-1)?.second ?? 0, tokens.at(-1)?.second ?? 0)
    const count = amountIn(requests, second)
    const amount = amountIn(tokens, second)
    if (second === this.#kept.second && count <= this.#kept.requests && amount <= this.#kept.tokens)
      return null
    if (second < Math.floor(now / 1000) - 61) return null
    this.#kept = {
      second,
      requests: count + ahead(this.#requestLimit),
      tokens: amount + ahead(this.#tokenLimit),
    }
    return {
      requests: this.#requests ? raised(requests, second, this.#kept.requests) : [],
      tokens: this.#tokens ? raised(tokens, second, this.#kept.tokens) : [],
    }
  }
}

const ahead = (limit: number): number => (limit === Infinity ? 0 : Math.floor(limit * AHEAD))

const amountIn = (slots: readonly Slot[], second: number): number => {
  const last = slots.at(-1)
  return last?.second === second ? last.amount : 0
}

const raised = (slots: readonly Slot[], second: number, amount: number): Slot[] => [
  ...slots.filter((slot) => slot.second !== second),
  { second, amount },
]
