/**
 * What the whole installation knows of its providers, in one place: breakers, switches and sums of calls. Every isolate
 * brings its reports and takes a snapshot back; the few calls of half-open breakers are asked for one by one.
 *
 * Plain code over its deps; the object lends storage, time and the ways to others.
 */
import type { Observation, QueuesTold, ToldSlots } from '../incidents/observation.ts'
import type { CallReport } from '../models/provider-gate.ts'
import type { BreakerSettings } from '../protocol/breaker-settings.ts'
import type { SwitchTarget } from '../protocol/operations.ts'
import { Breakers, type BreakerDetails, type NamedChange } from './breakers.ts'
import type { ModelSum } from './call-sums.ts'
import type { FactStore } from './facts.ts'
import { Observations } from './observations.ts'
import { RecentSums, RECENT_MS } from './recent-sums.ts'
import type { Pause, Snapshot } from './snapshot.ts'
import { Switches } from './switches.ts'

/** A request that was answered with a status of 500 or more, or a socket that was told so; those alike, counted. */
export interface RouteFailure {
  readonly route: string
  /** Of the error table. */
  readonly code: string
  /** One line for the operator, of the first of them. */
  readonly detail: string
  readonly count: number
}

/** What an isolate hands over. Handed over again, under the same number, it is counted once. */
export interface Batch {
  /** Names the isolate. */
  readonly link: string
  /** 1, 2, 3, … */
  readonly number: number
  readonly reports: readonly CallReport[]
  readonly routeFailures: readonly RouteFailure[]
}

export interface OperationsDeps {
  readonly breaker: BreakerSettings
  readonly facts: FactStore
  /** Whether the configuration has this model of this provider. */
  isOffered(provider: string, model: string): boolean
  now(): number
  /** @returns cancels it */
  after(ms: number, run: () => void): () => void
  log(event: string, details: Readonly<Record<string, unknown>>): void
  /** What these tokens cost, in millionths of a US dollar. */
  cost(
    provider: string,
    model: string,
    tokens: { readonly inputTokens: number; readonly outputTokens: number },
  ): number
  /** Takes what was observed; without it nothing is told. @throws when it was not taken */
  readonly observe?: ((observation: Observation) => Promise<void>) | undefined
  readonly queues?: ((told: ToldSlots) => Promise<QueuesTold>) | undefined
}

export interface Overview {
  readonly pauses: readonly Pause[]
  readonly breakers: readonly BreakerDetails[]
  /** Of the last {@link RECENT_MS}. */
  readonly recent: readonly ModelSum[]
  readonly recentMs: number
}

/** Isolates whose last batch is remembered; one that is forgotten could be counted twice. */
const MAX_LINKS = 4_096

export class Operations {
  readonly #deps: OperationsDeps
  readonly #breakers: Breakers
  readonly #switches: Switches
  readonly #recent = new RecentSums()
  readonly #observations: Observations | null
  /** Number of the last batch of each isolate, the one that was heard of last at the end. */
  readonly #links = new Map<string, number>()
  #version = 0
  #isChanged = false

  constructor(deps: OperationsDeps) {
    this.#deps = deps
    this.#breakers = new Breakers(
      deps.breaker,
      deps.facts,
      (change) => this.#breakerChanged(change),
      (provider, model) => deps.isOffered(provider, model),
    )
    this.#switches = new Switches(deps.facts)
    const { observe, queues = (told) => Promise.resolve({ queues: [], told }) } = deps
    this.#observations = observe
      ? new Observations({
          now: () => deps.now(),
          after: (ms, run) => deps.after(ms, run),
          observe,
          queues,
          warn: (event, details) => deps.log(event, details),
          condition: () => ({
            paused: this.#switches.all,
            breakers: this.#breakers.observed(deps.now()),
          }),
        })
      : null
  }

  /** Takes what an isolate has to tell, if it has anything, and says what is unusual. */
  sync(batch: Batch | null): Snapshot {
    if (batch && this.#isNew(batch)) this.#take(batch)
    const snapshot = this.#snapshot()
    // Who calls others asks as well, so this alone says nothing of a half-open breaker.
    if (snapshot.paused.length > 0) this.#observations?.asked()
    return this.#answered(snapshot)
  }

  /** Whether this call may be one of the few of a half-open breaker; one that is closed lets all through. */
  probe(provider: string, model: string): boolean {
    const now = this.#deps.now()
    const isLetThrough = this.#breakers.probe(provider, model, now)
    if (isLetThrough && this.#breakers.unhealthy(now).length > 0) this.#observations?.asked()
    return this.#answered(isLetThrough)
  }

  /** @returns false when it cannot be paused: too much is */
  pause(target: SwitchTarget, reason: string, by: string, stopRunning: boolean): Pause | null {
    const pause: Pause = { target, reason, by, at: this.#deps.now(), stopRunning }
    if (!this.#switches.pause(pause)) return null
    this.#switched('switch_paused', { target, reason, by, stopRunning })
    return this.#answered(pause)
  }

  /** @returns whether it was paused */
  resume(target: SwitchTarget, by: string): boolean {
    const wasPaused = this.#switches.resume(target)
    if (wasPaused) this.#switched('switch_resumed', { target, by })
    return this.#answered(wasPaused)
  }

  /** Closes breakers by hand; @param model null: all of this provider. @returns models whose breaker was not closed */
  reset(provider: string, model: string | null, by: string): string[] {
    const closed = this.#breakers.reset(provider, model, this.#deps.now())
    this.#deps.log('breakers_reset', { provider, closed, by })
    return this.#answered(closed)
  }

  overview(): Overview {
    const now = this.#deps.now()
    return this.#answered({
      pauses: this.#switches.all,
      breakers: this.#breakers.details(now),
      recent: [...this.#recent.total(now).all],
      recentMs: RECENT_MS,
    })
  }

  #snapshot(): Snapshot {
    const at = this.#deps.now()
    const breakers = this.#breakers.unhealthy(at)
    return { version: this.#version, at, paused: this.#switches.all, breakers }
  }

  #isNew({ link, number }: Batch): boolean {
    const last = this.#links.get(link) ?? 0
    this.#links.delete(link)
    this.#links.set(link, Math.max(last, number))
    if (this.#links.size > MAX_LINKS) {
      for (const oldest of this.#links.keys()) {
        this.#links.delete(oldest)
        break
      }
    }
    return number > last
  }

  #take({ reports, routeFailures }: Batch): void {
    const now = this.#deps.now()
    for (const report of reports) {
      const { provider, model, outcome, fingerprint, detail } = report
      const micros = this.#deps.cost(provider, model, report)
      this.#recent.add(report, micros, now)
      this.#observations?.add(report, micros)
      if (outcome !== 'ok' && fingerprint !== null) {
        const failure = {
          fingerprint,
          kind: outcome,
          provider,
          route: null,
          detail: detail ?? outcome,
          count: 1,
        }
        this.#observations?.addFailure(failure)
      }
      this.#breakers.count(report, now)
    }
    for (const { route, code, detail, count } of routeFailures) {
      const fingerprint = `${route} ${code}`
      this.#observations?.addFailure({ fingerprint, kind: code, provider: null, route, detail, count })
    }
  }

  #breakerChanged({ to, ...details }: NamedChange): void {
    this.#deps.log(`breaker_${to === 'open' ? 'opened' : to}`, details)
    this.#noteChange()
  }

  #switched(event: string, details: Readonly<Record<string, unknown>>): void {
    this.#deps.log(event, details)
    this.#noteChange()
  }

  #noteChange(): void {
    this.#version++
    this.#isChanged = true
  }

  /** At the end of every call: what changed by it is told, once, with all that was counted by it. */
  #answered<T>(answer: T): T {
    if (this.#isChanged) this.#observations?.changed()
    this.#isChanged = false
    return answer
  }
}
