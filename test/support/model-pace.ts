/**
 * One clock for all paced streams of the model server.
 *
 * A timer per token and stream would drift by a millisecond or more with each token, and cost a benchmark more than what
 * it measures. Here each stream has a schedule fixed at its start (token i is due at start + i × delay), and one
 * timer serves whatever is due.
 */

/** Streams that are due this close together share one wake-up, in milliseconds. */
const GRAIN_MS = 1

interface Paced {
  readonly startedAt: number
  readonly delayMs: number
  readonly total: number
  readonly send: (from: number, to: number) => void
  readonly finish: () => void
  sent: number
}

export class Pacer {
  readonly #streams = new Set<Paced>()
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Number.POSITIVE_INFINITY

  /**
   * Calls `send` for tokens as they fall due, the first one at once; several together when the process was late.
   *
   * @throws the signal's reason when it is aborted first
   */
  run(
    total: number,
    delayMs: number,
    signal: AbortSignal,
    send: (from: number, to: number) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (total === 0) {
        resolve()
        return
      }
      const onAbort = (): void => {
        this.#streams.delete(paced)
        reject(signal.reason as Error)
      }
      const finish = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const paced: Paced = { startedAt: performance.now(), delayMs, total, send, finish, sent: 0 }
      signal.addEventListener('abort', onAbort)
      this.#streams.add(paced)
      this.#serve(paced, paced.startedAt)
      this.#sleepUntil(paced.startedAt + delayMs)
    })
  }

  #serve(paced: Paced, now: number): void {
    const due = Math.min(paced.total, Math.floor((now - paced.startedAt + GRAIN_MS / 2) / paced.delayMs) + 1)
    if (due > paced.sent) {
      paced.send(paced.sent, due)
      paced.sent = due
    }
    if (paced.sent === paced.total) {
      this.#streams.delete(paced)
      paced.finish()
    }
  }

  #sleepUntil(at: number): void {
    if (at >= this.#wakesAt || this.#streams.size === 0) return
    clearTimeout(this.#timer)
    this.#wakesAt = at
    this.#timer = setTimeout(this.#tick, Math.max(GRAIN_MS, at - performance.now()))
  }

  readonly #tick = (): void => {
    this.#wakesAt = Number.POSITIVE_INFINITY
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const paced of this.#streams) {
      this.#serve(paced, now)
      if (paced.sent < paced.total) next = Math.min(next, paced.startedAt + paced.sent * paced.delayMs)
    }
    this.#sleepUntil(next)
  }
}
