/**
 * A conversation with its clients, on whichever server: the first client asks, all of them watch the answer arrive.
 */
import { expectedText } from '../support/model-text.ts'
import { monotonicMs } from '../support/monotonic.ts'
import type { ServedWorker } from '../support/parley-process.ts'
import type { TurnSeen, TurnWatch } from './turn-watch.ts'

export interface TurnResult {
  readonly sentAt: number
  /** What the client that asked has seen. */
  readonly asker: TurnSeen
  /** Every client, the asker first. */
  readonly viewers: readonly TurnSeen[]
  /** When the last client knew the end. */
  readonly allEndedAt: number
}

export class Room {
  readonly #watches: readonly TurnWatch[]
  readonly #ask: (asker: TurnWatch, message: string) => void

  /** @param ask sends a question the way of the protocol */
  constructor(watches: readonly TurnWatch[], ask: (asker: TurnWatch, message: string) => void) {
    this.#watches = watches
    this.#ask = ask
  }

  /** @throws Error when a client was not told exactly what the model said */
  async turn(message: string): Promise<TurnResult> {
    const [asker] = this.#watches
    if (!asker) throw new Error('a room needs a client')
    const turns = this.#watches.map((watch) => watch.nextTurn())
    const sentAt = monotonicMs()
    this.#ask(asker, message)
    const viewers = await Promise.all(turns)
    const expected = expectedText(message)
    if (viewers[0]?.content !== expected) throw new Error(`the answer differs from the model's: ${message}`)
    if (viewers.some((seen) => seen.chars !== expected.length)) throw new Error('a viewer missed text')
    return {
      sentAt,
      asker: viewers[0],
      viewers,
      allEndedAt: Math.max(...viewers.map((seen) => seen.endAt)),
    }
  }

  get watches(): readonly TurnWatch[] {
    return this.#watches
  }

  async close(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.socket.close()))
  }
}

/** A server under measure. */
export interface Target {
  readonly name: 'relay' | 'Parley'
  /** Its addresses, and the process of its runtime. */
  readonly served: ServedWorker
  /** A new conversation with this many clients, ready to ask. */
  open(viewers: number): Promise<Room>
  stop(): Promise<void>
}
