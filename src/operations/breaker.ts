/**
 * The circuit breaker of one model of one provider: pure, with the time handed in. Closed, it counts calls in a sliding
 * window; open, it lets nobody through; half-open, a few probes decide. The numbers are those of `BREAKER`.
 *
 * It knows nothing of other breakers, of rows or of who asks: `breakers.ts` keeps all of them.
 */
import { FAILURES } from '../models/failure.ts'
import type { CallReport } from '../models/provider-gate.ts'
import type { BreakerSettings } from '../protocol/breaker-settings.ts'

export type BreakerState = 'closed' | 'open' | 'half_open'

export type CountedCall = Pick<
  CallReport,
  'at' | 'outcome' | 'firstTokenMs' | 'durationMs' | 'probe' | 'retryAfterMs'
>

/** What has to survive a restart. Times in ms since the epoch. */
export interface OpenFact {
  readonly since: number
  /** When it becomes half-open. */
  readonly until: number
  /** How often it has opened since it was last closed. */
  readonly times: number
  readonly why: string
}

export interface BreakerChange {
  readonly to: BreakerState
  readonly why: string
}

/** Parts of the window, which slides by one of them. */
export const SLOTS = 10

interface Slot {
  index: number
  calls: number
  failures: number
  slow: number
}

export class Breaker {
  readonly #settings: BreakerSettings
  readonly #changed: (change: BreakerChange) => void
  #state: BreakerState
  #open: OpenFact | null
  /** Of its last change; calls that began before it say nothing about now. */
  #since: number | null
  #why: string | null
  #opened = 0
  /** When a call of it was counted, or one let through; 0 when that is not known. */
  #calledAt = 0
  #slots: Slot[] = []
  #failuresInRow = 0
  #refusalsInRow = 0
  /** When each probe that was not heard of yet is given up, oldest first. */
  #leases: number[] = []
  #successes = 0
  #misses = 0

  /** @param changed called at every change of state, after it */
  constructor(
    settings: BreakerSettings,
    open: OpenFact | null,
    changed: (change: BreakerChange) => void = () => {},
  ) {
    this.#settings = settings
    this.#changed = changed
    this.#open = open
    this.#state = open ? 'open' : 'closed'
    this.#since = open?.since ?? null
    this.#why = open?.why ?? null
  }

  /** What is to be stored; null while it is closed. */
  get openFact(): OpenFact | null {
    return this.#open
  }

  get why(): string | null {
    return this.#why
  }

  get since(): number | null {
    return this.#state === 'half_open' ? (this.#open?.until ?? null) : this.#since
  }

  /** How often it opened since this object was made. */
  get opened(): number {
    return this.#opened
  }

  /** When it was last heard of: now while it is open, for then nobody may call; afterwards calls say so, and probes. */
  heardAt(now: number): number {
    if (this.state(now) === 'open') return now
    return Math.min(now, Math.max(this.#calledAt, this.#open?.until ?? 0))
  }

  state(now: number): BreakerState {
    if (this.#state === 'open' && this.#open && now >= this.#open.until) {
      this.#state = 'half_open'
      this.#forgetCalls()
      this.#changed({ to: 'half_open', why: this.#open.why })
    }
    return this.#state
  }

  /** Whether a call may be made now that is reported with `probe: true`. Closed, every call may. */
  probe(now: number): boolean {
    const state = this.state(now)
    if (state !== 'half_open') return state === 'closed'
    this.#leases = this.#leases.filter((until) => until > now)
    if (this.#leases.length >= this.#settings.probes) return false
    this.#leases.push(now + this.#settings.probeLeaseMs)
    this.#calledAt = now
    return true
  }

  count(call: CountedCall, now: number): void {
    const state = this.state(now)
    const began = call.at - call.durationMs
    // Of before it opened (or closed): the provider may be another by now.
    if (this.#since !== null && began < this.#since) return
    this.#calledAt = now
    const { outcome } = call
    const neutral = outcome !== 'ok' && !FAILURES[outcome].counts
    if (state === 'open') {
      if (outcome !== 'ok' && !neutral) this.#putOff(call, now)
    } else if (state === 'half_open') {
      if (call.probe) this.#endProbe(call, neutral, now)
    } else if (!neutral) this.#countClosed(call, now)
  }

  /** By hand. @returns whether it was not closed */
  reset(now: number): boolean {
    const wasOpen = this.state(now) !== 'closed'
    this.#close('reset by hand', now)
    return wasOpen
  }

  #isSlow({ firstTokenMs, durationMs }: CountedCall): boolean {
    return (firstTokenMs ?? durationMs) > this.#settings.slowMs
  }

  #endProbe(call: CountedCall, neutral: boolean, now: number): void {
    this.#leases.shift()
    if (neutral) return
    const { probes, closeAfter } = this.#settings
    const failed = call.outcome !== 'ok'
    if (!failed && !this.#isSlow(call)) {
      if (++this.#successes >= closeAfter) this.#close(`${this.#successes} probes succeeded`, now)
      return
    }
    this.#misses++
    // One failure among successes is no reason, as it is none to a closed breaker; a provider's wish to be left alone is.
    if (this.#misses > probes - closeAfter || (call.retryAfterMs ?? 0) > 0) {
      const last = failed ? `failed: ${call.outcome}` : 'was slow'
      const which = this.#misses === 1 ? 'a probe' : `${this.#misses} probes failed, the last`
      this.#openNow(`${which} ${last}`, call, now)
    }
  }

  #countClosed(call: CountedCall, now: number): void {
    const { windowMs, failuresInRow, refusalsInRow } = this.#settings
    // Told late: it says nothing about this window.
    if (call.at <= now - windowMs) return
    const { outcome } = call
    const failed = outcome !== 'ok'
    const slot = this.#slotAt(Math.min(call.at, now))
    slot.calls++
    if (failed) slot.failures++
    if (this.#isSlow(call)) slot.slow++
    this.#failuresInRow = failed ? this.#failuresInRow + 1 : 0
    const refused = outcome === 'auth' || outcome === 'quota'
    this.#refusalsInRow = refused ? this.#refusalsInRow + 1 : 0
    const why =
      this.#refusalsInRow >= refusalsInRow
        ? `${this.#refusalsInRow} refusals in a row, the last: ${outcome}`
        : this.#failuresInRow >= failuresInRow
          ? `${this.#failuresInRow} failures in a row, the last: ${outcome}`
          : this.#whyByShare(now)
    if (why !== null) this.#openNow(why, call, now)
  }

  #whyByShare(now: number): string | null {
    const { windowMs, minCalls, failureShare, slowShare } = this.#settings
    const oldest = this.#indexOf(now) - SLOTS + 1
    const total = { calls: 0, failures: 0, slow: 0 }
    for (const slot of this.#slots) {
      if (slot.index < oldest) continue
      total.calls += slot.calls
      total.failures += slot.failures
      total.slow += slot.slow
    }
    if (total.calls < minCalls) return null
    const of = `of ${total.calls} calls in ${windowMs / 1000} s`
    if (total.failures >= failureShare * total.calls) return `${total.failures} ${of} failed`
    return total.slow >= slowShare * total.calls ? `${total.slow} ${of} were slow` : null
  }

  #indexOf(time: number): number {
    return Math.floor(time / (this.#settings.windowMs / SLOTS))
  }

  #slotAt(time: number): Slot {
    const index = this.#indexOf(time)
    const known = this.#slots.find((slot) => slot.index === index)
    if (known) return known
    const slot = { index, calls: 0, failures: 0, slow: 0 }
    const newest = Math.max(index, ...this.#slots.map((each) => each.index))
    this.#slots = this.#slots.filter((each) => each.index > newest - SLOTS)
    this.#slots.push(slot)
    return slot
  }

  #openNow(why: string, call: CountedCall, now: number): void {
    const { openMs, maxOpenMs } = this.#settings
    const times = (this.#open?.times ?? 0) + 1
    const forMs = Math.min(openMs * 2 ** (times - 1), Math.max(openMs, maxOpenMs))
    this.#open = { since: now, until: Math.max(now + forMs, this.#wanted(call, now, now)), times, why }
    this.#opened++
    this.#enter('open', why, now)
  }

  /** It is open, and a call that got through before everybody knew says for how long the provider wants to be left alone. */
  #putOff(call: CountedCall, now: number): void {
    if (!this.#open) return
    const until = this.#wanted(call, now, this.#open.since)
    if (until > this.#open.until) this.#open = { ...this.#open, until }
  }

  /** When the provider wants to be asked again; never later than is followed. */
  #wanted({ retryAfterMs }: CountedCall, now: number, since: number): number {
    return Math.min(now + (retryAfterMs ?? 0), since + this.#settings.maxRetryAfterMs)
  }

  #close(why: string, now: number): void {
    const wasOpen = this.#state !== 'closed'
    this.#open = null
    if (wasOpen) this.#enter('closed', why, now)
    else this.#forgetCalls()
  }

  #enter(state: BreakerState, why: string, now: number): void {
    this.#state = state
    this.#since = now
    this.#why = why
    this.#forgetCalls()
    this.#changed({ to: state, why })
  }

  #forgetCalls(): void {
    this.#slots = []
    this.#failuresInRow = 0
    this.#refusalsInRow = 0
    this.#leases = []
    this.#successes = 0
    this.#misses = 0
  }
}
