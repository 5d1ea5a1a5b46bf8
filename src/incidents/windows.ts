/**
 * What happened in the last hour, by minute and provider: what rules look at. Pure sums in memory; they are filled again
 * from the rows of the object after a restart, so what is not in a row is not in here either.
 *
 * A minute counts in a window for as long as any of it lies within, so a window is up to a minute longer than it says.
 */
import { MAX_WINDOW_MINUTES } from '../protocol/incident-rules.ts'
import { FIRST_TOKEN_BOUNDS_MS } from './observation.ts'

export const MINUTE_MS = 60_000
/** Minute of a time, as rows name it: minutes since the epoch. */
export const minuteOf = (at: number): number => Math.floor(at / MINUTE_MS)

export interface CallSums {
  readonly calls: number
  /** Those that say something about the provider or us. */
  readonly failures: number
  /** As {@link FIRST_TOKEN_BOUNDS_MS}, and one class for above. */
  readonly firstToken: readonly number[]
  readonly micros: number
}

export interface QueueSums {
  /** The worst of all intervals; null when nobody left the queue. */
  readonly p95WaitMs: number | null
  readonly timedOut: number
}

const NO_CALLS: CallSums = {
  calls: 0,
  failures: 0,
  firstToken: Array<number>(FIRST_TOKEN_BOUNDS_MS.length + 1).fill(0),
  micros: 0,
}
const NO_QUEUE: QueueSums = { p95WaitMs: null, timedOut: 0 }

interface Minute {
  readonly calls: Map<string, CallSums>
  readonly queues: Map<string, QueueSums>
}

export class Windows {
  readonly #minutes = new Map<number, Minute>()

  addCalls(minute: number, provider: string, sums: CallSums): void {
    const { calls } = this.#at(minute)
    calls.set(provider, plusCalls(calls.get(provider) ?? NO_CALLS, sums))
  }

  addQueue(minute: number, provider: string, sums: QueueSums): void {
    const { queues } = this.#at(minute)
    queues.set(provider, plusQueue(queues.get(provider) ?? NO_QUEUE, sums))
  }

  /** Drops what no window reaches any more. */
  forget(now: number): void {
    for (const minute of this.#minutes.keys())
      if (!overlaps(minute, MAX_WINDOW_MINUTES, now)) this.#minutes.delete(minute)
  }

  /** @param provider null: of all together */
  calls(provider: string | null, minutes: number, now: number): CallSums {
    return this.#sum('calls', provider, minutes, now).reduce(plusCalls, NO_CALLS)
  }

  queue(provider: string | null, minutes: number, now: number): QueueSums {
    return this.#sum('queues', provider, minutes, now).reduce(plusQueue, NO_QUEUE)
  }

  /** Whoever was called, or had a queue, within the window. */
  providers(what: 'calls' | 'queues', minutes: number, now: number): string[] {
    const names = this.#within(minutes, now).flatMap((minute) => [...minute[what].keys()])
    return [...new Set(names)].toSorted()
  }

  #at(minute: number): Minute {
    const known = this.#minutes.get(minute)
    if (known) return known
    const made: Minute = { calls: new Map(), queues: new Map() }
    this.#minutes.set(minute, made)
    return made
  }

  #within(minutes: number, now: number): Minute[] {
    return [...this.#minutes].filter(([minute]) => overlaps(minute, minutes, now)).map(([, each]) => each)
  }

  #sum<What extends 'calls' | 'queues'>(what: What, provider: string | null, minutes: number, now: number) {
    type Sums = Minute[What] extends Map<string, infer Each> ? Each : never
    return this.#within(minutes, now).flatMap((minute): Sums[] => {
      const sums = minute[what] as Map<string, Sums>
      if (provider === null) return [...sums.values()]
      const one = sums.get(provider)
      return one === undefined ? [] : [one]
    })
  }
}

/** Whether any of this minute lies within the last `minutes`. What lies ahead (a clock that was set back) does. */
function overlaps(minute: number, minutes: number, now: number): boolean {
  return (minute + 1) * MINUTE_MS > now - minutes * MINUTE_MS
}

/** How long a window really is at this time: from the beginning of its first minute. */
export function spanMs(minutes: number, now: number): number {
  return now - minuteOf(now - minutes * MINUTE_MS) * MINUTE_MS
}

export function plusCalls(a: CallSums, b: CallSums): CallSums {
  return {
    calls: a.calls + b.calls,
    failures: a.failures + b.failures,
    firstToken: a.firstToken.map((n, i) => n + (b.firstToken[i] ?? 0)),
    micros: a.micros + b.micros,
  }
}

function plusQueue(a: QueueSums, b: QueueSums): QueueSums {
  const p95 = Math.max(a.p95WaitMs ?? -1, b.p95WaitMs ?? -1)
  return { p95WaitMs: p95 < 0 ? null : p95, timedOut: a.timedOut + b.timedOut }
}

/**
 * The time that `share` of the answers keep, ms: within a class it is taken to rise evenly. Above the last bound nothing is
 * known, and the bound is told.
 *
 * @returns null when there were none
 */
export function quantile(firstToken: readonly number[], share: number): number | null {
  const total = firstToken.reduce((all, n) => all + n, 0)
  if (total === 0) return null
  const wanted = total * share
  let below = 0
  for (const [i, upper] of FIRST_TOKEN_BOUNDS_MS.entries()) {
    const count = firstToken[i] ?? 0
    if (count > 0 && below + count >= wanted) {
      const lower = FIRST_TOKEN_BOUNDS_MS[i - 1] ?? 0
      return lower + (upper - lower) * Math.max(0, (wanted - below) / count)
    }
    below += count
  }
  return FIRST_TOKEN_BOUNDS_MS.at(-1) ?? null
}
