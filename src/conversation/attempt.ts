/**
 * One attempt of a turn: one request to the model, the text that it adds, and the place with the provider that it holds.
 * Lives in memory only; what it leaves behind are stored pieces. When it begins, and what its end means, is the runner's.
 */
import { AppError } from '../errors.ts'
import type { Model } from '../models/model.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'
import type { ChunkStore } from './chunk-store.ts'
import type { ConversationSettings } from './deps.ts'
import { messageIdOf } from './events.ts'
import type { TurnRow } from './events.ts'
import type { LogReader } from './log-reader.ts'
import { StreamLog, type Written } from './stream-log.ts'
import { runTurn, type Outcome } from './turn.ts'

export interface AttemptDeps {
  readonly log: LogReader
  readonly chunks: ChunkStore
  readonly model: Model
  readonly settings: Pick<ConversationSettings, 'systemPrompt' | 'contextTokens'>
  now(): number
  after(ms: number, run: () => void): () => void
  show(frame: ServerFrame): void
  report(event: string, error: unknown, turn: TurnRow): void
}

export class Attempt {
  readonly turn: TurnRow
  /** Where its own text begins. */
  readonly from: number
  readonly #deps: AttemptDeps
  readonly #stop = new AbortController()
  readonly #stream: StreamLog
  readonly #unstorable: () => void
  readonly #release: ((usedTokens: number) => void) | null

  /**
   * @param written what the answer has already
   * @param unstorable told when its text cannot be kept: it must not go on as if it were safe
   * @param release gives its place with the provider back; null when it needs none
   */
  constructor(
    turn: TurnRow,
    written: Written,
    deps: AttemptDeps,
    unstorable: () => void,
    release: ((usedTokens: number) => void) | null,
  ) {
    this.turn = turn
    this.from = written.text.length
    this.#deps = deps
    this.#unstorable = unstorable
    this.#release = release
    const messageId = messageIdOf(turn.number)
    this.#stream = new StreamLog(
      {
        now: () => deps.now(),
        after: (ms, run) => deps.after(ms, run),
        show: (offset, delta) => deps.show({ type: 'stream_chunk', messageId, offset, delta }),
        store: (slot, offset, delta) => this.#store(slot, offset, delta),
      },
      written,
    )
  }

  /** All text so far, of which every reader has been shown all. */
  shownText(): string {
    this.#stream.showPending()
    return this.#stream.text
  }

  /** Calls the model. Never throws. */
  async run(): Promise<Outcome> {
    const { turn } = this
    const { log, model, settings } = this.#deps
    const report = (error: unknown): void => this.#deps.report('turn_failed_unexpectedly', error, turn)
    const prefix = this.#stream.text
    try {
      const messages = [
        { role: 'system' as const, content: settings.systemPrompt },
        ...log.context(turn.askedBy, settings.contextTokens),
      ]
      const { requestId } = turn
      return await runTurn(
        { messages, model: turn.model, requestId, ...(prefix !== '' && { prefix }) },
        { model, append: (text) => this.#stream.append(text), report },
        this.#stop.signal,
      )
    } catch (error) {
      report(error)
      const failed = new AppError('internal', 'The answer failed unexpectedly.')
      return { state: 'failed', error: failed.toShape() }
    }
  }

  /** Ends the model call. */
  abort(): void {
    this.#stop.abort()
  }

  /** No more text comes. @returns all of it */
  end(): string {
    return this.#stream.end()
  }

  /** Its place with the provider is free again. */
  giveBack(usedTokens: number): void {
    this.#release?.(usedTokens)
  }

  #store(slot: number, offset: number, delta: string): void {
    try {
      this.#deps.chunks.put(this.turn, slot, offset, delta)
    } catch (error) {
      this.#deps.report('chunk_store_failed', error, this.turn)
      this.#unstorable()
    }
  }
}
