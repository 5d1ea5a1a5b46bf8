/**
 * A reader that follows one turn and ends with it: what HTTP answers (SSE and others) are made of.
 *
 * It hands out frames as JSON lines over a byte stream, so that they can leave the object; the protocol that the caller
 * speaks is put on at the edge. A caller that does not keep up is cut off, and resumes when it is ready. An empty line
 * says that the turn goes on and nothing is there yet; a stream that ends without any line had nothing left to say.
 */
import type { Principal } from '../protocol/principal.ts'
import { isTurnEnded, type ServerFrame } from '../protocol/server-frames.ts'
import type { Reader } from './room.ts'

/** Text that may wait for a slow caller before it is cut off, in bytes. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024

export class TurnReader implements Reader {
  readonly compact = false
  readonly present = false
  readonly principal: Principal
  readonly stream: ReadableStream<Uint8Array>
  readonly #turnId: string
  readonly #messageId: string
  readonly #encoder = new TextEncoder()
  readonly #left: (reader: TurnReader) => void
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null
  #isSilent = true

  /** @param left called once when it takes nothing any more, whoever ended it */
  constructor(
    principal: Principal,
    turn: { turnId: string; messageId: string },
    left: (reader: TurnReader) => void,
  ) {
    this.#left = left
    this.principal = principal
    this.#turnId = turn.turnId
    this.#messageId = turn.messageId
    this.stream = new ReadableStream<Uint8Array>(
      {
        type: 'bytes' as never,
        start: (controller) => {
          this.#controller = controller
        },
        pull: (controller) => {
          // Whoever reads first must not wait for the first frame to learn that there will be one.
          if (this.#isSilent && this.#controller) controller.enqueue(this.#encoder.encode('\n'))
          this.#isSilent = false
        },
        cancel: () => void this.#leave(),
      },
      { highWaterMark: 0 },
    )
  }

  send(frame: ServerFrame, text: string): void {
    // The room drops who fails to take a frame.
    if (!this.#controller) throw new Error('the stream has ended')
    if (!this.#concerns(frame)) return
    this.#isSilent = false
    this.#controller.enqueue(this.#encoder.encode(`${text}\n`))
    if (isTurnEnded(frame) || frame.type === 'conversation_deleted' || frame.type === 'error') this.end()
    else if ((this.#controller.desiredSize ?? 0) < -MAX_BACKLOG_BYTES) this.close()
  }

  /** Cuts the stream; it does nothing to one that has ended. */
  close(): void {
    this.#leave()?.error(new Error('the stream was cut; resume it'))
  }

  end(): void {
    this.#leave()?.close()
  }

  /** @returns what was written to until now */
  #leave(): ReadableStreamDefaultController<Uint8Array> | null {
    const controller = this.#controller
    this.#controller = null
    if (controller) this.#left(this)
    return controller
  }

  #concerns(frame: ServerFrame): boolean {
    if (frame.type === 'message_created') return frame.message.turnId === this.#turnId
    if (frame.type === 'error' || frame.type === 'conversation_deleted') return true
    if ('turnId' in frame) return frame.turnId === this.#turnId
    return frame.type === 'stream_chunk' && frame.messageId === this.#messageId
  }
}
