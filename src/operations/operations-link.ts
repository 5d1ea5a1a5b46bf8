/**
 * How an isolate knows what the operations object knows. One link is shared by all requests and objects of an isolate; it
 * keeps the last snapshot, and reports that were not sent yet. While all is well, asking it reads memory.
 *
 * It keeps plain data only, and never a promise, a timer or a stub: in this runtime those end with the request that made
 * them, and whoever waited for another's would wait for ever. So every caller brings its own `waitUntil`, and calls the
 * object itself. When the object does not answer, calls go on with what is known.
 */
import { FAILURES } from '../models/failure.ts'
import type { CallReport, ProviderGate, Verdict } from '../models/provider-gate.ts'
import type { Batch } from './operations.ts'
import { OutgoingReports } from './outgoing-reports.ts'
import { FINE, Known, keyOf, NOTHING_KNOWN, type Snapshot } from './snapshot.ts'

/** What is younger is acted upon: a discovery, or a switch, holds everywhere within this time. */
export const SNAPSHOT_FRESH_MS = 1_000
/** What is older says nothing of who can be asked now, where no call is made that would find out. */
export const TRUSTED_MS = 10_000
/** What is older is renewed in the background while calls go on, so that nobody has to wait for it. */
export const RENEW_AFTER_MS = 500
/** Longest wait for the object before a call of a model. */
export const SYNC_PATIENCE_MS = 250
/** After a failure nobody waits, and nobody tries, for this long: most calls are not held up by an object that is down. */
export const REST_MS = 250
/** Longest wait for being let through to a half-open provider. */
export const PROBE_PATIENCE_MS = 1_000
/** Without the object, each isolate lets one call in this time through to a half-open provider. */
export const OWN_PROBE_EVERY_MS = 1_000
/** Who has been handing over reports for longer died with its request. */
export const LOST_AFTER_MS = 1_000
/** Batches that one caller sends on behalf of the others before it leaves the rest to the next. */
const MAX_ROUNDS = 10

/** The calls of the object that a link makes. */
export interface OperationsCalls {
  sync(batch: Batch | null): Promise<Snapshot>
  probe(provider: string, model: string): Promise<boolean>
}

export interface LinkDeps {
  /** A new stub: it belongs to the request that is running. */
  calls(): OperationsCalls
  now(): number
  /** @returns cancels it; run within the request that is running */
  after(ms: number, run: () => void): () => void
  /** From how many ms on a first token is late. */
  readonly slowMs: number
  /** Names this isolate. */
  readonly id: string
}

/** Who uses the link: a request, or an object. */
export interface LinkUser {
  /** Keeps what goes on in the background alive. */
  readonly waitUntil: (promise: Promise<unknown>) => void
  readonly tryEnter: ProviderGate['tryEnter']
}

type KeepAlive = LinkUser['waitUntil']

export class OperationsLink {
  readonly #deps: LinkDeps
  readonly #outgoing: OutgoingReports
  #known = NOTHING_KNOWN
  /** Who hands over reports now, by when it began its last call. One at a time, so that batches keep their order. */
  #sender: { since: number } | null = null
  #restsUntil = Number.NEGATIVE_INFINITY
  /** When each half-open model was tried without the object. */
  readonly #ownProbes = new Map<string, number>()

  constructor(deps: LinkDeps) {
    this.#deps = deps
    this.#outgoing = new OutgoingReports(deps.id)
  }

  gateFor({ waitUntil, tryEnter }: LinkUser): ProviderGate {
    return {
      fresh: () => this.fresh(waitUntil),
      pausedForAll: () => this.#known.pausedForAll,
      verdict: (provider, model) => this.verdict(provider, model),
      probe: (provider, model) => this.#probe(provider, model),
      tryEnter,
      report: (call) => this.#report(call, waitUntil),
      stopped: (provider, model) => this.#stopped(provider, model, waitUntil),
    }
  }

  /**
   * Why an operator has paused all turns; null when none has, or nobody looked lately: then the call of the model finds out.
   * Where everything is refused by this alone no call is made, and what is old would be believed for ever.
   */
  pausedForAll(): string | null {
    return this.#isOlderThan(SNAPSHOT_FRESH_MS) ? null : this.#known.pausedForAll
  }

  verdict(provider: string, model: string): Verdict {
    return this.#known.verdict(provider, model, this.#deps.now())
  }

  /**
   * As `verdict`, which is what calls go by, but of nobody of whom nothing was heard for long: whoever acts upon that without
   * a call would believe it for ever.
   */
  latelyOf(provider: string, model: string): Verdict {
    return this.#isOlderThan(TRUSTED_MS) ? FINE : this.verdict(provider, model)
  }

  /**
   * Counts an answer with a status of 500 or more; told with the next batch.
   *
   * @param route the method and the pattern of the path, such as `GET /api/conversations/:id`, or `socket`
   * @param code of the error table
   * @param detail one line for the operator, without anything of the conversation
   */
  routeFailed(route: string, code: string, detail: string, waitUntil: KeepAlive): void {
    this.#outgoing.addRouteFailure(route, code, detail)
    if (this.#isOlderThan(SNAPSHOT_FRESH_MS)) this.#inBackground(waitUntil)
  }

  /** As {@link ProviderGate.fresh}. */
  fresh(waitUntil: KeepAlive): Promise<void> | undefined {
    if (!this.#isOlderThan(RENEW_AFTER_MS)) return undefined
    if (!this.#isOlderThan(SNAPSHOT_FRESH_MS)) {
      this.#inBackground(waitUntil)
      return undefined
    }
    return this.#isResting() ? undefined : this.#waitFor(waitUntil)
  }

  #stopped(provider: string, model: string, waitUntil: KeepAlive): string | null {
    if (this.#isOlderThan(RENEW_AFTER_MS)) this.#inBackground(waitUntil)
    return this.#known.stopped(provider, model)
  }

  #report(call: CallReport, waitUntil: KeepAlive): void {
    const { outcome, probe, firstTokenMs, durationMs } = call
    const isSlow = (firstTokenMs ?? durationMs) > this.#deps.slowMs
    const isUrgent = probe || isSlow || (outcome !== 'ok' && FAILURES[outcome].counts)
    this.#outgoing.add(call, isUrgent)
    if (isUrgent || this.#isOlderThan(SNAPSHOT_FRESH_MS)) this.#inBackground(waitUntil)
  }

  async #probe(provider: string, model: string): Promise<boolean> {
    const answer = await this.#within(PROBE_PATIENCE_MS, async () => {
      return await this.#deps.calls().probe(provider, model)
    })
    if (answer !== undefined) return answer
    const now = this.#deps.now()
    const key = keyOf(provider, model)
    if (now - (this.#ownProbes.get(key) ?? Number.NEGATIVE_INFINITY) < OWN_PROBE_EVERY_MS) return false
    this.#ownProbes.set(key, now)
    return true
  }

  async #waitFor(waitUntil: KeepAlive): Promise<void> {
    // What comes too late for this call is still of use to the next.
    const answered = await this.#within(SYNC_PATIENCE_MS, () => {
      const exchange = this.#exchange()
      waitUntil(exchange)
      return exchange
    })
    if (answered === undefined) this.#rest()
  }

  /** What goes wrong in it is seen to by itself: the reports are kept, and the snapshot stays old. */
  #inBackground(waitUntil: KeepAlive): void {
    if (this.#isSending() || this.#isResting()) return
    waitUntil(this.#exchange())
  }

  /** Never throws. @returns whether the object answered */
  async #exchange(): Promise<boolean> {
    // Batches go one after the other; who comes meanwhile only asks.
    if (this.#isSending()) return await this.#ask(null)
    const self = { since: 0 }
    this.#sender = self
    let answered = true
    for (let round = 0; round < MAX_ROUNDS && answered && this.#sender === self; round++) {
      if (round > 0 && !this.#outgoing.isUrgent) break
      self.since = this.#deps.now()
      answered = await this.#ask(this.#outgoing.next())
    }
    if (this.#sender === self) this.#sender = null
    return answered
  }

  async #ask(batch: Batch | null): Promise<boolean> {
    const asked = this.#deps.now()
    try {
      const snapshot = await this.#deps.calls().sync(batch)
      this.#outgoing.arrived(batch)
      this.#learn(snapshot, asked)
      return true
    } catch {
      this.#rest()
      return false
    }
  }

  /** Answers may overtake each other: the one that was asked for last counts. */
  #learn(snapshot: Snapshot, asked: number): void {
    const { since, version } = this.#known
    // A clock that was set back must not make the old snapshot the newest for ever.
    const isNewer =
      since > this.#deps.now() || asked > since || (asked === since && snapshot.version >= version)
    if (isNewer) this.#known = new Known(snapshot, asked)
  }

  #isOlderThan(ms: number): boolean {
    const age = this.#deps.now() - this.#known.since
    return age >= ms || age < 0
  }

  #isSending(): boolean {
    return this.#sender !== null && this.#deps.now() - this.#sender.since < LOST_AFTER_MS
  }

  #rest(): void {
    this.#restsUntil = this.#deps.now() + REST_MS
  }

  #isResting(): boolean {
    const left = this.#restsUntil - this.#deps.now()
    return left > 0 && left <= REST_MS
  }

  /** @returns undefined when there was no answer in time, or it failed */
  async #within<T>(ms: number, ask: () => Promise<T>): Promise<T | undefined> {
    return await new Promise<T | undefined>((resolve) => {
      const cancel = this.#deps.after(ms, () => resolve(undefined))
      const end = (answer: T | undefined): void => {
        cancel()
        resolve(answer)
      }
      // Within a promise from the start: a namespace may throw before there is one.
      const asked = async (): Promise<T> => await ask()
      asked().then(end, () => end(undefined))
    })
  }
}
