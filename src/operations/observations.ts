/**
 * Tells what was observed, interval by interval: every 10 seconds while there is anything to tell, at once when something
 * changed. What could not be told is kept, bounded, and told with the next; then an observation may come twice.
 *
 * An interval in which nothing happened is not told, also not while something is paused or half-open that nobody asks for.
 */
import type {
  FailureObservation,
  Observation,
  QueueObservation,
  QueuesTold,
  ToldSlots,
} from '../incidents/observation.ts'
import type { CallReport } from '../models/provider-gate.ts'
import { FailureSums, ModelSums } from './call-sums.ts'
import type { Pause } from './snapshot.ts'

export const INTERVAL_MS = 10_000
/** Ten minutes of intervals. */
export const MAX_KEPT = 60
/** Who does not answer in this time has not heard: the next must not wait for ever. */
export const PATIENCE_MS = 10_000

export interface ObservationDeps {
  now(): number
  /** @returns cancels it */
  after(ms: number, run: () => void): () => void
  /** @throws when it was not taken */
  observe(observation: Observation): Promise<void>
  /** @param told as the answer before this one says */
  queues(told: ToldSlots): Promise<QueuesTold>
  warn(event: string, details: Readonly<Record<string, unknown>>): void
  /** How things are at this time. */
  condition(): { readonly paused: readonly Pause[]; readonly breakers: Observation['breakers'] }
}

interface Kept {
  observation: Omit<Observation, 'queues'>
  queues: readonly QueueObservation[] | null
}

export class Observations {
  readonly #deps: ObservationDeps
  #models = new ModelSums()
  readonly #failures = new FailureSums()
  /** There is something to tell besides sums. */
  #hasNews = false
  #from = 0
  /** Of the last one that there was something to tell of. */
  #lastAt = 0
  #cancel: (() => void) | null = null
  #kept: Kept[] = []
  #toldSlots: ToldSlots = {}
  #isTelling = false

  constructor(deps: ObservationDeps) {
    this.#deps = deps
  }

  add(report: CallReport, micros: number): void {
    this.#models.add(report, micros)
    this.#begin()
  }

  addFailure(failure: FailureObservation): void {
    this.#failures.add(failure)
    this.#begin()
  }

  /** Somebody asked for what is paused or half-open. That is worth telling: of a call that is not made nobody reports. */
  asked(): void {
    this.#hasNews = true
    this.#begin()
  }

  /** Something changed that must be known at once. */
  changed(): void {
    this.#hasNews = true
    this.#begin()
    this.#end()
  }

  #begin(): void {
    if (this.#cancel) return
    this.#from = this.#deps.now()
    this.#cancel = this.#deps.after(INTERVAL_MS, () => this.#end())
  }

  #end(): void {
    this.#cancel?.()
    this.#cancel = null
    const now = this.#deps.now()
    const { paused, breakers } = this.#deps.condition()
    const isOpen = breakers.some(({ state }) => state === 'open')
    if (this.#hasNews || isOpen || !this.#models.isEmpty || !this.#failures.isEmpty) {
      // It is known by its time: two of one millisecond, or of a clock that was set back, are two.
      this.#lastAt = Math.max(now, this.#lastAt + 1)
      this.#keep({
        at: this.#lastAt,
        ms: now - this.#from,
        models: this.#models.observations(),
        failures: this.#failures.take(),
        breakers,
        paused: paused.map(({ target }) => target),
      })
      this.#models = new ModelSums()
      this.#hasNews = false
    }
    // An open breaker ends by itself, and then there is something to tell.
    if (isOpen) this.#begin()
    void this.#tell()
  }

  #keep(observation: Kept['observation']): void {
    this.#kept.push({ observation, queues: null })
    if (this.#kept.length <= MAX_KEPT) return
    this.#kept.shift()
    this.#deps.warn('observation_dropped', { kept: MAX_KEPT })
  }

  async #tell(): Promise<void> {
    if (this.#isTelling) return
    this.#isTelling = true
    try {
      for (let next = this.#kept[0]; next; next = this.#kept[0]) {
        // Asked once: what they tell is in this one.
        next.queues ??= await this.#queues()
        await this.#inTime(this.#deps.observe({ ...next.observation, queues: next.queues }))
        this.#kept = this.#kept.filter((each) => each !== next)
      }
    } catch (error) {
      this.#deps.warn('observation_not_told', { reason: String(error), kept: this.#kept.length })
      this.#begin()
    } finally {
      this.#isTelling = false
    }
  }

  async #queues(): Promise<readonly QueueObservation[]> {
    try {
      const { queues, told } = await this.#inTime(this.#deps.queues(this.#toldSlots))
      this.#toldSlots = told
      return queues
    } catch (error) {
      this.#deps.warn('queues_not_observed', { reason: String(error) })
      return []
    }
  }

  async #inTime<T>(promise: Promise<T>): Promise<T> {
    let cancel = (): void => {}
    const late = new Promise<never>((_, reject) => {
      cancel = this.#deps.after(PATIENCE_MS, () => reject(new Error(`No answer in ${PATIENCE_MS} ms.`)))
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      cancel()
    }
  }
}
