/**
 * What the model server remembers of its calls, and the gates that hold them: the part that tests look at and wait on.
 */

export interface ModelCall {
  readonly id: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly lastUserMessage: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly model: string
  readonly stream: boolean
  /** It was told to go on with the last message. */
  readonly continuesFinal: boolean
  /** The `Authorization` header, to prove which key was sent. */
  readonly authorization: string | null
  /** The `X-Client-Request-Id` header. */
  readonly requestId: string | null
  /** The client closed the connection before the server had said everything. */
  aborted: boolean
  /** The server said everything that the directives ask for, faults included. */
  finished: boolean
  /** When a streamed answer's last byte was written, by the clock of monotonic.ts; null until then. */
  endedAt: number | null
  tokensSent: number
}

export type CallState = 'started' | 'streaming' | 'aborted' | 'finished'

/** Which calls are waited for; shared with the client. */
export interface CallQuery {
  /** A piece of the last user message; everything when left out. */
  readonly match?: string | undefined
  /** `streaming` is reached with `tokens` tokens sent (1 when left out). */
  readonly state?: CallState | undefined
  readonly tokens?: number | undefined
  /** How many such calls there must be (1). */
  readonly count?: number | undefined
}

/** A benchmark makes calls for minutes; only the newest are remembered. */
const MAX_CALLS = 2_000

interface Waiter {
  readonly query: CallQuery
  readonly resolve: (calls: readonly ModelCall[]) => void
}

export class CallLog {
  #calls: ModelCall[] = []
  #lastId = 0
  readonly #waiters = new Set<Waiter>()

  get calls(): readonly ModelCall[] {
    return this.#calls
  }

  add(call: Omit<ModelCall, 'id' | 'at' | 'aborted' | 'finished' | 'endedAt' | 'tokensSent'>): ModelCall {
    this.#lastId += 1
    const started = {
      ...call,
      id: this.#lastId,
      at: Date.now(),
      aborted: false,
      finished: false,
      endedAt: null,
      tokensSent: 0,
    }
    this.#calls.push(started)
    if (this.#calls.length > MAX_CALLS) this.#calls.shift()
    this.changed()
    return started
  }

  /** How many calls with this very message there were, the running one included. */
  countOf(lastUserMessage: string): number {
    return this.#calls.filter((call) => call.lastUserMessage === lastUserMessage).length
  }

  /** To be called after a call's fields have changed. */
  changed(): void {
    for (const waiter of this.#waiters) {
      const calls = this.#matching(waiter.query)
      if (calls.length < (waiter.query.count ?? 1)) continue
      this.#waiters.delete(waiter)
      waiter.resolve(calls)
    }
  }

  /** Resolves with the calls that match, as soon as there are enough. */
  wait(query: CallQuery, signal: AbortSignal): Promise<readonly ModelCall[]> {
    return new Promise((resolve, reject) => {
      const waiter = { query, resolve }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', () => {
        if (this.#waiters.delete(waiter)) reject(signal.reason as Error)
      })
      this.changed()
    })
  }

  /** Forgets everything. Ids go on, so that a late call is not taken for a new one. */
  reset(): void {
    this.#calls = []
  }

  #matching({ match = '', state = 'started', tokens = 1 }: CallQuery): ModelCall[] {
    return this.#calls.filter((call) => {
      if (!call.lastUserMessage.includes(match)) return false
      if (state === 'streaming') return call.tokensSent >= tokens
      return state === 'started' || call[state]
    })
  }
}

/** Doors that are shut until a test opens them. One that was opened stays open until the reset. */
export class Gates {
  readonly #open = new Set<string>()
  readonly #waiting = new Map<string, Set<() => void>>()

  open(name: string): void {
    this.#open.add(name)
    for (const pass of this.#waiting.get(name) ?? []) pass()
    this.#waiting.delete(name)
  }

  /** @throws the signal's reason when it is aborted first */
  async pass(name: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#open.has(name)) return
    await new Promise<void>((resolve, reject) => {
      const waiting = this.#waiting.get(name) ?? new Set()
      this.#waiting.set(name, waiting.add(resolve))
      signal.addEventListener('abort', () => {
        waiting.delete(resolve)
        reject(signal.reason as Error)
      })
    })
  }

  /** Shuts all doors. Whoever waits at one goes on waiting. */
  reset(): void {
    this.#open.clear()
  }
}
