/**
 * Ends the waiting of one model call: because its caller aborted, or because the provider is silent for too long.
 *
 * An upstream that hangs settles nothing by itself, and a stream's own reaction to an abort differs between runtimes.
 * So every wait of a call goes through here, and is rejected at once whatever the upstream does; the upstream then
 * learns it by `signal`, which closes its socket. What the error says, and how long is too long, is the adapter's.
 *
 * One timer serves the whole call. It is not moved for each chunk: when it fires, it looks at the deadline of the wait
 * in progress, and sleeps again for what is left.
 */

export class CallGuard {
  /** Aborted when the call ends before its time; for `fetch`. */
  readonly signal: AbortSignal
  readonly #upstream = new AbortController()
  readonly #caller: AbortSignal
  readonly #timeoutError: () => Error
  #timer: ReturnType<typeof setTimeout> | undefined
  /** When `#timer` fires, on the clock of {@link monotonicMs}. */
  #firesAt = 0
  #deadline = Number.POSITIVE_INFINITY
  /** Rejects the wait in progress; undefined while the consumer works, which is no fault of the provider. */
  #interrupt: ((error: unknown) => void) | undefined

  /** @param timeoutError makes the error of a wait that passed its deadline */
  constructor(caller: AbortSignal, timeoutError: () => Error) {
    this.signal = this.#upstream.signal
    this.#caller = caller
    this.#timeoutError = timeoutError
    caller.addEventListener('abort', this.#onAbort)
  }

  /**
   * Waits for a step of the call, until `deadline` (as {@link monotonicMs} counts) at most.
   *
   * @throws the caller's reason, the time-out error, or what the step threw
   */
  wait<T>(step: Promise<T>, deadline: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#interrupt = reject
      // Handlers are attached even if the call has ended, so that a late failure of the step is not "unhandled".
      step.then(
        (value) => {
          this.#interrupt = undefined
          return resolve(value)
        },
        (error: unknown) => {
          this.#interrupt = undefined
          return reject(error)
        },
      )
      if (this.#caller.aborted) {
        this.#onAbort()
        return
      }
      this.#deadline = deadline
      if (this.#timer === undefined || deadline < this.#firesAt) this.#arm()
    })
  }

  /** Ends the call. If its body has not been read to the end, this cancels it and closes its socket. */
  close(): void {
    clearTimeout(this.#timer)
    this.#caller.removeEventListener('abort', this.#onAbort)
    this.#interrupt = undefined
    this.#upstream.abort()
  }

  readonly #onAbort = (): void => {
    this.#interrupt?.(this.#caller.reason)
    this.close()
  }

  #arm(): void {
    clearTimeout(this.#timer)
    // Timers may fire a fraction of a millisecond early; at least one then passes before the next look.
    const delay = Math.min(Math.max(1, this.#deadline - monotonicMs()), MAX_TIMER_MS)
    this.#firesAt = monotonicMs() + delay
    this.#timer = setTimeout(this.#onTimer, delay)
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    if (this.#interrupt === undefined) return
    if (monotonicMs() < this.#deadline) {
      this.#arm()
      return
    }
    this.#interrupt(this.#timeoutError())
    this.close()
  }
}

/** Longest delay that `setTimeout` accepts; anything above fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Time that no clock adjustment moves. In workerd it advances with I/O only, which is when a wait begins and ends. */
export function monotonicMs(): number {
  return performance.now()
}
