/**
 * What is unusual in the whole installation, as one small value: what is paused, and whose breaker is not closed. The
 * operations object makes it, every isolate keeps the last one, and `Known` answers from it without asking anybody.
 */
import type { Verdict } from '../models/provider-gate.ts'
import type { SwitchTarget } from '../protocol/operations.ts'

/** Times in ms since the epoch, here and below. */
export interface Pause {
  readonly target: SwitchTarget
  readonly reason: string
  /** User id. */
  readonly by: string
  readonly at: number
  /** Calls that are running are ended as well. */
  readonly stopRunning: boolean
}

export interface UnhealthyModel {
  readonly provider: string
  readonly model: string
  readonly state: 'open' | 'half_open'
  /** When an open breaker becomes half-open. */
  readonly retryAt: number
}

export interface Snapshot {
  /** Rises with every change, as long as the object lives. */
  readonly version: number
  /** When it was made, by the object's clock. */
  readonly at: number
  readonly paused: readonly Pause[]
  readonly breakers: readonly UnhealthyModel[]
}

/** Names of providers hold no space, so this names one pair only. */
export const keyOf = (provider: string, model: string): string => `${provider} ${model}`

export const FINE: Verdict = { ok: true }

/** A snapshot, prepared for looking things up: it is asked before every call of a model. */
export class Known {
  readonly version: number
  /** When it was asked for, by the clock of this isolate: it is at least as new as this. */
  readonly since: number
  readonly #pauses: ReadonlyMap<string, Pause>
  readonly #breakers: ReadonlyMap<string, UnhealthyModel>
  readonly #isQuiet: boolean

  constructor({ version, paused, breakers }: Omit<Snapshot, 'at'>, since: number) {
    this.version = version
    this.since = since
    this.#pauses = new Map(paused.map((pause) => [pause.target, pause]))
    this.#breakers = new Map(breakers.map((each) => [keyOf(each.provider, each.model), each]))
    this.#isQuiet = paused.length === 0 && breakers.length === 0
  }

  get pausedForAll(): string | null {
    return this.#pauses.get('all')?.reason ?? null
  }

  verdict(provider: string, model: string, now: number): Verdict {
    if (this.#isQuiet) return FINE
    const pause = this.#pausesOf(provider, model).next().value
    if (pause) return { ok: false, why: 'paused', reason: pause.reason }
    const breaker = this.#breakers.get(keyOf(provider, model))
    if (!breaker) return FINE
    const retryAfterMs = breaker.retryAt - now
    // Also when nobody has told yet that it became half-open.
    if (breaker.state === 'half_open' || retryAfterMs <= 0) return { ok: false, why: 'half_open' }
    return { ok: false, why: 'breaker_open', retryAfterMs }
  }

  /** Why a call that runs is to be ended; null when it is not. */
  stopped(provider: string, model: string): string | null {
    if (this.#isQuiet) return null
    for (const pause of this.#pausesOf(provider, model)) if (pause.stopRunning) return pause.reason
    return null
  }

  *#pausesOf(provider: string, model: string): Generator<Pause, undefined> {
    for (const target of ['all', `provider:${provider}`, `model:${model}`]) {
      const pause = this.#pauses.get(target)
      if (pause) yield pause
    }
    return undefined
  }
}

/** Before anything is known all is well. */
export const NOTHING_KNOWN = new Known({ version: 0, paused: [], breakers: [] }, Number.NEGATIVE_INFINITY)
