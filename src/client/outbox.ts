/**
 * Hands pending messages to the network, in order, and waits for each to be acknowledged. A message that fits goes as a
 * frame; a longer one by `POST /api/chat/stream` (rule W2). Sending one twice is harmless (rule I3), so when in doubt it
 * is sent again. What becomes of a message is said to the owner of the state; nothing is kept here but timers.
 */
import { MAX_FRAME_BYTES } from '../protocol/limits.ts'
import type { FrameOf, ServerFrame } from '../protocol/server-frames.ts'
import type { Api } from './api.ts'
import type { PendingMessage } from './conversation-state.ts'
import type { Cancel, Environment } from './environment.ts'
import { ParleyError } from './parley-error.ts'

/** A message that is not acknowledged in this time, on a link that works, is shown as failed. */
const ACK_TIMEOUT_MS = 15_000

export interface OutboxHandlers {
  /** Those that wait, oldest first, as things stand now. */
  waiting(): readonly PendingMessage[]
  isLinked(): boolean
  sendText(text: string): void
  sending(id: string): void
  accepted(frame: FrameOf<'message_accepted'>): void
  failed(id: string, error: ParleyError): void
}

export class Outbox {
  readonly #env: Environment
  readonly #api: Api
  readonly #conversationId: string
  readonly #on: OutboxHandlers
  readonly #timers = new Map<string, Cancel>()
  #flushing = false

  constructor(env: Environment, api: Api, conversationId: string, handlers: OutboxHandlers) {
    this.#env = env
    this.#api = api
    this.#conversationId = conversationId
    this.#on = handlers
  }

  /** Sends what waits. A long message is waited for, so that those behind it do not overtake it. */
  async flush(): Promise<void> {
    if (this.#flushing) return
    this.#flushing = true
    try {
      while (this.#on.isLinked()) {
        const next = this.#on.waiting()[0]
        if (!next) return
        const text = JSON.stringify({ type: 'stream_chat', id: next.id, content: next.content })
        if (byteLength(text) > MAX_FRAME_BYTES) await this.#post(next)
        else this.#sendFrame(next.id, text)
      }
    } finally {
      this.#flushing = false
    }
  }

  /** Forgets the time-outs: after a lost link, or when the conversation is left. */
  cancelTimers(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }

  #sendFrame(id: string, text: string): void {
    this.#on.sendText(text)
    this.#on.sending(id)
    this.#timers.get(id)?.()
    const late = () => {
      this.#timers.delete(id)
      this.#on.failed(id, unanswered())
    }
    this.#timers.set(id, this.#env.after(ACK_TIMEOUT_MS, late))
  }

  async #post({ id, content }: PendingMessage): Promise<void> {
    this.#on.sending(id)
    const slow = new AbortController()
    const cancel = this.#env.after(ACK_TIMEOUT_MS, () => slow.abort(unanswered()))
    const body = { message: content, conversationId: this.#conversationId, idempotencyKey: id }
    try {
      // Leaving after the first event stops nothing (rule T1); the room's socket brings the rest.
      for await (const { frame } of this.#api.streamChat(body, slow.signal)) {
        const error = this.#settle(frame)
        if (error) throw error
        if (frame.type === 'message_accepted') return
      }
      throw unanswered()
    } catch (error) {
      this.#on.failed(id, slow.signal.aborted ? unanswered() : ParleyError.from(error))
    } finally {
      cancel()
    }
  }

  #settle(frame: ServerFrame): ParleyError | null {
    if (frame.type === 'error') return ParleyError.fromFrame(frame)
    if (frame.type === 'message_accepted') this.#on.accepted(frame)
    return null
  }
}

const unanswered = () =>
  new ParleyError({
    code: 'network',
    detail: 'The server did not confirm the message in time.',
    retryable: true,
  })

const byteLength = (text: string) => new TextEncoder().encode(text).length
