/**
 * One attempt of a turn: one request to the model, the text that it adds, and the place with the provider that it holds.
 * Lives in memory only; what it leaves behind are stored pieces. When it begins, and what its end means, is the runner's.
 */
import type { Agent, Agents } from '../agents/registry.ts'
import { AppError } from '../errors.ts'
import type { Model } from '../models/model.ts'
import type { Degraded } from '../protocol/message.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'
import { cacheKey, isCacheable, type AnswerCache, type CachedAnswer } from './answer-cache.ts'
import type { ChunkStore } from './chunk-store.ts'
import { historyTokens } from './chat-input.ts'
import type { ConversationSettings } from './deps.ts'
import { messageIdOf } from './events.ts'
import type { TurnRow } from './events.ts'
import type { LogReader } from './log-reader.ts'
import { StreamLog, type Written } from './stream-log.ts'
import { runTurn, type Outcome, type TurnInput } from './turn.ts'

/** Reading one row takes some milliseconds; whoever waits for an answer does not wait for much more. */
const CACHE_PATIENCE_MS = 1_000

export interface AttemptDeps {
  readonly log: LogReader
  readonly chunks: ChunkStore
  readonly model: Model
  readonly agents: Agents
  readonly cache: AnswerCache
  readonly settings: Pick<ConversationSettings, 'contextTokens'>
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
    const { log, agents, settings } = this.#deps
    const report = (error: unknown): void => this.#deps.report('turn_failed_unexpectedly', error, turn)
    const prefix = this.#stream.text
    try {
      const agent = agents.get(turn.agentId)
      // Instructions first, and the same for all: what begins alike is cached by providers.
      const messages = [
        { role: 'system' as const, content: agent.instructions },
        ...log.context(turn.askedBy, historyTokens(agent, settings)),
      ]
      const { requestId } = turn
      const input = { messages, model: turn.model, requestId, ...(prefix !== '' && { prefix }) }
      const isAsked = prefix !== '' || !isCacheable(agent, messages)
      return isAsked ? await this.#ask(input, report) : await this.#askOrRecall(agent, input, report)
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
  async #askOrRecall(agent: Agent, input: TurnInput, report: (error: unknown) => void): Promise<Outcome> {
    const { cache, log } = this.#deps
    const ownerId = this.turn.payerId ?? log.message(this.turn.askedBy)?.authorId ?? ''
    const key = await cacheKey(agent, input.model, input.messages, ownerId)
    const known = await this.#lookUp(key, false)
    if (this.#stop.signal.aborted) return { state: 'stopped' }
    if (known) return this.#recall(known)
    const outcome = await this.#ask(input, report)
    if (outcome.state === 'completed') {
      const { model, finishReason, degraded } = outcome
      const answer = { text: this.#stream.text, model, finishReason }
      if (finishReason === 'stop' && !degraded)
        void cache.put(key, answer, agent.cache?.ttlMs ?? 0, agent.cache?.isPublic ? null : ownerId)
    }
    if (outcome.state !== 'failed' || this.#stream.text !== '') return outcome
    const old = await this.#lookUp(key, true)
    if (!old || this.#stop.signal.aborted) return outcome
    return this.#recall(old, { provider: 'cache', reason: outcome.error.code })
  }

  /** A cache that is silent must not hold the turn. */
  async #lookUp(key: string, stale: boolean): Promise<CachedAnswer | null> {
    return await new Promise((resolve) => {
      const cancel = this.#deps.after(CACHE_PATIENCE_MS, () => resolve(null))
      const end = (answer: CachedAnswer | null): void => {
        cancel()
        resolve(answer)
      }
      this.#deps.cache.get(key, stale).then(end, () => end(null))
    })
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
