/**
 * What an isolate has to tell the operations object, until it was told: in numbered batches, so that one whose answer was
 * lost is sent again as it was and counted once. Plain data, bounded; who sends, and when, is `operations-link.ts`.
 */
import type { CallReport } from '../models/provider-gate.ts'
import type { Batch, RouteFailure } from './operations.ts'

/** Kept while the object cannot be reached, newest; some 300 bytes each. */
export const MAX_REPORTS = 1_000
/** Kinds of failures of routes that are told apart in one batch. */
export const MAX_ROUTE_FAILURES = 100

export class OutgoingReports {
  readonly #link: string
  #reports: CallReport[] = []
  #failures = new Map<string, RouteFailure>()
  #isUrgent = false
  #sending: Batch | null = null
  #lastNumber = 0

  /** @param link names this isolate among all */
  constructor(link: string) {
    this.#link = link
  }

  /** Something waits that must not. */
  get isUrgent(): boolean {
    return this.#isUrgent
  }

  add(report: CallReport, isUrgent: boolean): void {
    this.#reports.push(report)
    if (this.#reports.length > MAX_REPORTS) this.#reports.shift()
    if (isUrgent) this.#isUrgent = true
  }

  addRouteFailure(route: string, code: string, detail: string): void {
    const key = `${route} ${code}`
    const known = this.#failures.get(key)
    if (known) this.#failures.set(key, { ...known, count: known.count + 1 })
    else if (this.#failures.size < MAX_ROUTE_FAILURES)
      this.#failures.set(key, { route, code, detail, count: 1 })
  }

  /** The next batch to send: the last one again, if nobody said that it arrived. Null when there is nothing to tell. */
  next(): Batch | null {
    if (this.#sending) return this.#sending
    this.#isUrgent = false
    if (this.#reports.length === 0 && this.#failures.size === 0) return null
    this.#sending = {
      link: this.#link,
      number: ++this.#lastNumber,
      reports: this.#reports,
      routeFailures: [...this.#failures.values()],
    }
    this.#reports = []
    this.#failures = new Map()
    return this.#sending
  }

  arrived(batch: Batch | null): void {
    if (batch && this.#sending?.number === batch.number) this.#sending = null
  }
}
