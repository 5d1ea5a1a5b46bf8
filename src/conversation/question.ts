/**
 * What a turn asks the model, and the answer of before that may be known to it: to be had at once, without a model and
 * without a place in front of one.
 */
import type { Agent, Agents } from '../agents/registry.ts'
import type { ModelMessage } from '../models/model.ts'
import { cacheKey, isCacheable, type AnswerCache, type CachedAnswer } from './answer-cache.ts'
import { historyTokens } from './chat-input.ts'
import type { ConversationSettings } from './deps.ts'
import type { TurnRow } from './events.ts'
import type { LogReader } from './log-reader.ts'

/** Reading one row takes some milliseconds; whoever waits for an answer does not wait for much more. */
const CACHE_PATIENCE_MS = 1_000

export interface QuestionDeps {
  readonly log: LogReader
  readonly agents: Agents
  readonly cache: AnswerCache
  readonly settings: Pick<ConversationSettings, 'contextTokens'>
  after(ms: number, run: () => void): () => void
}

export class Question {
  readonly messages: readonly ModelMessage[]
  readonly #agent: Agent
  readonly #turn: TurnRow
  readonly #deps: QuestionDeps
  #key: Promise<string> | undefined

  constructor(turn: TurnRow, deps: QuestionDeps) {
    this.#turn = turn
    this.#deps = deps
    this.#agent = deps.agents.get(turn.agentId)
    // Instructions first, and the same for all: what begins alike is cached by providers.
    this.messages = [
      { role: 'system', content: this.#agent.instructions },
      ...deps.log.context(turn.askedBy, historyTokens(this.#agent, deps.settings)),
    ]
  }

  get isCacheable(): boolean {
    return isCacheable(this.#agent, this.messages)
  }

  /**
   * A cache that is silent holds nothing up.
   *
   * @param stale also an answer whose time is over
   */
  async recall(stale: boolean): Promise<CachedAnswer | null> {
    const key = await this.#keyOf()
    return await new Promise((resolve) => {
      const cancel = this.#deps.after(CACHE_PATIENCE_MS, () => resolve(null))
      const end = (answer: CachedAnswer | null): void => {
        cancel()
        resolve(answer)
      }
      this.#deps.cache.get(key, stale).then(end, () => end(null))
    })
  }

  async remember(answer: CachedAnswer): Promise<void> {
    const { cache } = this.#agent
    const ownerId = cache?.isPublic ? null : this.#ownerId()
    await this.#deps.cache.put(await this.#keyOf(), answer, cache?.ttlMs ?? 0, ownerId)
  }

  #keyOf(): Promise<string> {
    this.#key ??= cacheKey(this.#agent, this.#turn.model, this.messages, this.#ownerId())
    return this.#key
  }

  /** Whose answers these are: who pays. */
  #ownerId(): string {
    return this.#turn.payerId ?? this.#deps.log.message(this.#turn.askedBy)?.authorId ?? ''
  }
}
