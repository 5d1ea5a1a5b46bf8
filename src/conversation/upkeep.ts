/**
 * What a conversation owes the outside, and the one alarm that sees to it: telling D1 and the quotas (the outbox), looking
 * after a turn that runs, asking for fresh proofs. What is told, and what the alarm finds to do, is `conversation.ts`.
 */
import { AlarmClock } from './alarm-clock.ts'
import { Outbox } from './outbox.ts'

/** How long the directory may lag behind a turn's end; the watchdog's alarm is there if the process dies before. */
const SETTLE_DELAY_MS = 200

export interface UpkeepDeps<T> {
  readonly watchdogMs: number
  /** When the object's alarm is due, if one is set from before this process. */
  readonly alarm: number | null
  now(): number
  after(ms: number, run: () => void): () => void
  wakeAt(time: number): void
  isRunning(): boolean
  pending(): { entry: T; upTo: number } | null
  deliver(entry: T): Promise<void>
  settle(upTo: number): void
  report(event: string, error: unknown): void
}

export class Upkeep<T> {
  readonly #deps: UpkeepDeps<T>
  readonly #outbox: Outbox<T>
  readonly #clock: AlarmClock<'work' | 'outbox' | 'proofs'>
  #cancelSettle: (() => void) | null = null

  constructor(deps: UpkeepDeps<T>) {
    this.#deps = deps
    this.#clock = new AlarmClock({
      stored: deps.alarm,
      now: () => deps.now(),
      wakeAt: (time) => deps.wakeAt(time),
    })
    this.#outbox = new Outbox({
      pending: () => deps.pending(),
      deliver: (entry) => deps.deliver(entry),
      settle: (upTo) => deps.settle(upTo),
      report: (error) => deps.report('outbox_failed', error),
    })
  }

  /** Sees to it that somebody looks after what was begun; an alarm that comes sooner does that just as well. */
  watch(): void {
    this.#clock.within('work', this.#deps.now() + this.#deps.watchdogMs)
  }

  /** An alarm by then, for proofs that expire. */
  checkProofsBy(time: number): void {
    this.#clock.within('proofs', time)
  }

  /** The alarm went off: `run` does whatever is to be done, and the alarm is set for what is left. */
  async alarm(run: () => Promise<void>): Promise<void> {
    this.#clock.ring()
    await run()
    this.#clock.wind()
  }

  /** Tells D1 what it does not know yet; when that fails, an alarm tries again. */
  async settle(): Promise<void> {
    await this.#outbox.drain()
    const { retryInMs } = this.#outbox
    if (retryInMs === null) return this.#clock.clear('outbox')
    // A turn that runs must not lose its watchdog to a retry that is far away.
    if (!this.#deps.isRunning()) this.#clock.clear('work')
    this.#clock.at('outbox', this.#deps.now() + retryInMs)
  }

  /** Not at once: a message that follows on the heels of an answer must not wait for D1, and is told with it. */
  settleSoon(): void {
    this.#cancelSettle ??= this.#deps.after(SETTLE_DELAY_MS, () => {
      this.#cancelSettle = null
      this.settle().catch((error: unknown) => this.#deps.report('outbox_failed', error))
    })
  }

  /** Nothing more will be told but what is under way. */
  async finish(): Promise<void> {
    this.#cancelSettle?.()
    await this.#outbox.drain()
  }
}
