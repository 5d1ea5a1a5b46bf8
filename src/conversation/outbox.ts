/**
 * Tells D1 what it must know of this conversation. The log itself is the outbox: a mark says up to which `seq` D1 has
 * been told, so a fact and its delivery need no row of their own and cannot drift apart.
 *
 * Delivery is at least once and idempotent at the receiver (it ignores an older `seq`). Pure over its deps.
 */
export interface OutboxDeps<T> {
  /** What is to be told now and the mark that it reaches, or null when all is told. */
  pending(): { entry: T; upTo: number } | null
  deliver(entry: T): Promise<void>
  settle(upTo: number): void
  report(error: unknown): void
}

/** Waits between attempts, in ms: doubles from the first to the last. */
export const RETRY_FIRST_MS = 1_000
export const RETRY_MOST_MS = 5 * 60_000

export class Outbox<T> {
  readonly #deps: OutboxDeps<T>
  #draining: Promise<boolean> | null = null
  #failures = 0

  constructor(deps: OutboxDeps<T>) {
    this.#deps = deps
  }

  /** How long to wait before the next attempt; null when nothing failed. */
  get retryInMs(): number | null {
    if (this.#failures === 0) return null
    return Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** (this.#failures - 1))
  }

  /** Delivers until all is told. @returns false when a delivery failed; call again later */
  drain(): Promise<boolean> {
    this.#draining ??= this.#run()
    return this.#draining
  }

  async #run(): Promise<boolean> {
    // So that `#draining` is set before the end of this clears it.
    await Promise.resolve()
    try {
      for (let next = this.#deps.pending(); next; next = this.#deps.pending()) {
        await this.#deps.deliver(next.entry)
        this.#deps.settle(next.upTo)
        this.#failures = 0
      }
      return true
    } catch (error) {
      this.#failures++
      this.#deps.report(error)
      return false
    } finally {
      // In the same step in which nothing was pending: who comes later finds it free, and starts again.
      this.#draining = null
    }
  }
}
