/**
 * One attempt of a turn: one request to the model, the text that it adds, and the place with the provider that it holds.
 * Lives in memory only; what it leaves behind are stored pieces. When it begins, and what its end means, is the runner's.
 */
import { AppError } from '../errors.ts'
import type { Model } from '../models/model.ts'
import type { Degraded } from '../protocol/message.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'
import type { CachedAnswer } from './answer-cache.ts'
import type { ChunkStore } from './chunk-store.ts'
import { messageIdOf } from './events.ts'
import type { TurnRow } from './events.ts'
import { Question, type QuestionDeps } from './question.ts'
import { StreamLog, type Written } from './stream-log.ts'
import { runTurn, type Outcome, type TurnInput } from './turn.ts'

export interface AttemptDeps extends QuestionDeps {
  readonly chunks: ChunkStore
  readonly model: Model
  now(): number
  show(frame: ServerFrame): void
  report(event: string, error: unknown, turn: TurnRow): void
}

/** A place with a provider that has limits. */
export interface Place {
  readonly provider: string
  /** Once, with the tokens that were used. */
  release(usedTokens: number): void
}

export class Attempt {
  readonly turn: TurnRow
  /** Where its own text begins. */
  readonly from: number
  readonly #deps: AttemptDeps
  readonly #stop = new AbortController()
  readonly #stream: StreamLog
  readonly #unstorable: () => void
  readonly #place: Place | null
  readonly #known: CachedAnswer | null

  /**
   * @param written what the answer has already
   * @param unstorable told when its text cannot be kept: it must not go on as if it were safe
   * @param place that it holds; null when it has, or needs, none
   * @param known the answer of before, if it was found already
   */
  constructor(
    turn: TurnRow,
    written: Written,
    deps: AttemptDeps,
    unstorable: () => void,
    place: Place | null,
    known: CachedAnswer | null,
  ) {
    this.turn = turn
    this.from = written.text.length
    this.#deps = deps
    this.#unstorable = unstorable
    this.#place = place
    this.#known = known
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
    const report = (error: unknown): void => this.#deps.report('turn_failed_unexpectedly', error, turn)
    const prefix = this.#stream.text
    try {
      const question = new Question(turn, this.#deps)
      const { messages } = question
      const { model, requestId } = turn
      const admitted = this.#place?.provider
      const input = { messages, model, requestId, admitted, ...(prefix !== '' && { prefix }) }
      const isAsked = prefix !== '' || !question.isCacheable
      return isAsked ? await this.#ask(input, report) : await this.#askOrRecall(question, input, report)
    } catch (error) {
      report(error)
      const failed = new AppError('internal', 'The answer failed unexpectedly.')
      return { state: 'failed', error: failed.toShape() }
    }
  }

  async #ask(input: TurnInput, report: (error: unknown) => void): Promise<Outcome> {
    const { model } = this.#deps
    const append = (text: string): void => this.#stream.append(text)
    return await runTurn(input, { model, append, report }, this.#stop.signal)
  }

  /** The answer of before, if there is one: at once, or, when it is old, if nobody can give a new one. */
  async #askOrRecall(
    question: Question,
    input: TurnInput,
    report: (error: unknown) => void,
  ): Promise<Outcome> {
    const known = this.#known ?? (await question.recall(false))
    if (this.#stop.signal.aborted) return { state: 'stopped' }
    if (known) return this.#recall(known)
    const outcome = await this.#ask(input, report)
    if (outcome.state === 'completed') {
      const { model, finishReason, degraded } = outcome
      const answer = { text: this.#stream.text, model, finishReason }
      if (finishReason === 'stop' && !degraded) void question.remember(answer)
    }
    if (outcome.state !== 'failed' || this.#stream.text !== '') return outcome
    const old = await question.recall(true)
    if (!old || this.#stop.signal.aborted) return outcome
    return this.#recall(old, { provider: 'cache', reason: outcome.error.code })
  }

  #recall({ text, ...about }: CachedAnswer, degraded?: Degraded): Outcome {
    this.#stream.append(text)
    const usage = { inputTokens: 0, outputTokens: 0 }
    return { state: 'completed', ...about, usage, cached: true, ...(degraded && { degraded }) }
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
    this.#place?.release(usedTokens)
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
