/**
 * What is left of answers that do not run: their stored text, whether they go on by themselves after a death, and what was
 * used for them that no provider told of. Reads rows; decides by `continuation.ts`.
 */
import { estimateTokenCount } from 'tokenx'
import type { Agents } from '../agents/registry.ts'
import type { Model } from '../models/model.ts'
import type { TurnError, Usage } from '../protocol/message.ts'
import { historyTokens } from './chat-input.ts'
import type { ChunkStore } from './chunk-store.ts'
import { isGoingOn, recoveryOf } from './continuation.ts'
import type { ConversationSettings } from './deps.ts'
import type { TurnRow } from './events.ts'
import type { LogReader } from './log-reader.ts'
import type { Written } from './stream-log.ts'

export interface StoredAnswersDeps {
  readonly log: LogReader
  readonly chunks: ChunkStore
  readonly model: Model
  readonly agents: Agents
  readonly settings: Pick<ConversationSettings, 'contextTokens' | 'continueTokens'>
  now(): number
  report(event: string, error: unknown, turn: TurnRow): void
}

const NOTHING: Written = { text: '', slot: 0 }

export class StoredAnswers {
  readonly #deps: StoredAnswersDeps

  constructor(deps: StoredAnswersDeps) {
    this.#deps = deps
  }

  /** All that is stored of the text of a turn that does not run. */
  written(turn: TurnRow): Written {
    if (turn.attempts === 0) return NOTHING
    const { whole, ...written } = this.#deps.chunks.read(turn, this.#before(turn))
    if (!whole) this.#deps.report('stored_text_has_a_gap', new Error(`at ${written.text.length}`), turn)
    return written
  }

  /** Whether a turn that lost its process with this text runs again by itself. */
  recovers(turn: TurnRow, text: string): boolean {
    const { model, settings } = this.#deps
    const recovery = recoveryOf({
      turn,
      text,
      before: this.#before(turn),
      now: this.#deps.now(),
      continues: model.continues === true,
      inputTokens: this.inputTokens(turn) + estimateTokenCount(text),
      maxInputTokens: settings.continueTokens,
    })
    return recovery !== 'give_up'
  }

  /** Whether an answer that ended with this text can go on, or begin again, when somebody asks for it. */
  mayResume(text: string): boolean {
    return text === '' || (this.#deps.model.continues === true && isGoingOn(text))
  }

  /** The error with whether the text can be gone on from. */
  explain(error: TurnError, text: string): TurnError {
    return text !== '' && this.mayResume(text) ? { ...error, continuable: true } : error
  }

  /** Estimated tokens that a call for this turn reads. */
  inputTokens(turn: TurnRow): number {
    const { agents, log, settings } = this.#deps
    const agent = agents.get(turn.agentId)
    return agent.instructionTokens + log.tokensOfPath(turn.askedBy, historyTokens(agent, settings))
  }

  /** What a call for this turn used that told nothing of it, estimated. @param said by it */
  usedTokens(turn: TurnRow, said: string): number {
    return this.inputTokens(turn) + estimateTokenCount(said)
  }

  /** What is stored of what this run of the turn said. */
  ownText(turn: TurnRow): string {
    return this.written(turn).text.slice(this.startOf(turn) ?? 0)
  }

  /** Length of the text from which a turn was had go on; undefined for one that never ended before. */
  startOf(turn: TurnRow): number | undefined {
    return turn.resumedAttempt === null ? undefined : this.#before(turn).length
  }

  /**
   * What attempts of this run used that died after text of theirs was stored; undefined when none did.
   *
   * @param from where the attempt began that did not die; null when the last one died, too
   */
  lost(turn: TurnRow, text: string, from: number | null): Usage | undefined {
    const before = this.#before(turn).length
    const until = from ?? text.length
    const attempts = turn.attempts - (turn.resumedAttempt ?? 0) - (from === null ? 0 : 1)
    if (attempts <= 0 || until <= before) return undefined
    return {
      inputTokens: attempts * this.inputTokens(turn),
      outputTokens: estimateTokenCount(text.slice(before, until)),
    }
  }

  /** The text with which it ended before it was opened again. */
  #before(turn: TurnRow): string {
    return turn.resumedAttempt === null ? '' : (this.#deps.log.message(turn.number)?.content ?? '')
  }
}
