/**
 * What one client sees of one turn: when its first text came, when it ended, and how many frames, bytes and characters
 * it took. The protocol's own reader calls `text` and `end`; the rest is the same for every server.
 */
import { monotonicMs } from '../support/monotonic.ts'
import type { RawSocket } from '../support/raw-socket.ts'

export interface TurnSeen {
  /** By the clock of monotonic.ts, like all times here. */
  readonly firstAt: number
  readonly endAt: number
  /** Of text; the benchmark's model speaks ASCII, so bytes are characters. */
  readonly chars: number
  /** Empty unless it was asked for. */
  readonly content: string
  readonly frames: number
  /** Of all frames since the turn was watched, headers included. */
  readonly bytes: number
}

/** Understands one frame of a protocol and tells the watch. */
export type FrameMeaning = (payload: Buffer, watch: TurnWatch) => void

export class TurnWatch {
  readonly #socket: RawSocket
  readonly #keepText: boolean
  #firstAt = 0
  #chars = 0
  #content = ''
  #frames = 0
  #bytes = 0
  #turn: PromiseWithResolvers<TurnSeen> | null = null

  constructor(socket: RawSocket, meaning: FrameMeaning, { keepText = false } = {}) {
    this.#socket = socket
    this.#keepText = keepText
    socket.onText = (payload, wireBytes) => {
      this.#frames++
      this.#bytes += wireBytes
      try {
        meaning(payload, this)
      } catch (error) {
        this.#turn?.reject(error)
      }
    }
  }

  get socket(): RawSocket {
    return this.#socket
  }

  get chars(): number {
    return this.#chars
  }

  /** Forgets what came so far; resolves at the end of the turn that comes now, and fails where `meaning` does. */
  nextTurn(): Promise<TurnSeen> {
    this.#firstAt = this.#chars = this.#frames = this.#bytes = 0
    this.#content = ''
    this.#turn = Promise.withResolvers()
    return this.#turn.promise
  }

  /** Text of the answer: `payload` from `start` up to `end`. */
  text(payload: Buffer, start: number, end: number): void {
    if (this.#chars === 0) this.#firstAt = monotonicMs()
    this.#chars += end - start
    if (this.#keepText) this.#content += payload.toString('latin1', start, end)
  }

  end(): void {
    this.#turn?.resolve({
      firstAt: this.#firstAt,
      endAt: monotonicMs(),
      chars: this.#chars,
      content: this.#content,
      frames: this.#frames,
      bytes: this.#bytes,
    })
    this.#turn = null
  }
}
