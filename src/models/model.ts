/**
 * The port behind which every model provider stands: one streaming call, aborted by a signal.
 *
 * An adapter yields text as it arrives, merged per network read (a consumer pays per event, not per token), and ends
 * with exactly one `finish`. Whatever goes wrong is thrown as a `ModelFailure`, whose class and `retryAfterMs` say what the
 * caller may do. An adapter does not retry, count time or trim history by itself
 * beyond what its options say; storing and showing the text is the caller's.
 */
import type { Degraded, FinishReason, Role, Usage } from '../protocol/message.ts'

export interface ModelMessage {
  readonly role: Role
  readonly content: string
}

export interface ModelRequest {
  /** The system prompt first, then the conversation, oldest first. */
  readonly messages: readonly ModelMessage[]
  readonly model: string
  /** For correlation in the provider's logs; never shown to the model. */
  readonly requestId: string
  /**
   * How the answer begins, written before by this or another provider: the stream goes on right after its last character.
   * Only for a model whose {@link Model.continues} is true.
   */
  readonly prefix?: string | undefined
  /** The provider with limits with which the caller has a place already; of the chain's concern only. */
  readonly admitted?: string | undefined
}

export type ModelEvent =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'finish'
      readonly reason: FinishReason
      readonly model: string
      readonly usage?: Usage | undefined
      /** Who answered; set by the chain. */
      readonly provider?: string | undefined
      /** It is not the answer that was meant to be: who answered instead, and why. Set by the chain. */
      readonly degraded?: Degraded | undefined
      /** It was answered before, and nobody was asked. */
      readonly cached?: boolean | undefined
    }

export type ModelHealth = { readonly ok: true } | { readonly ok: false; readonly detail: string }

export interface Model {
  /** The provider's name in logs, metrics and health. */
  readonly name: string
  /** The model used when a request names none. */
  readonly defaultModel: string
  /** Whether it can go on from the beginning of an answer ({@link ModelRequest.prefix}). */
  readonly continues?: boolean | undefined
  /**
   * Streams one completion. Ends after `finish`.
   *
   * @throws ModelFailure; the chain also AppError `paused` and `model_unavailable`
   * @throws the signal's reason when `signal` is aborted
   */
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>
  /** A cheap call that says whether the provider would answer; must not cost tokens. */
  check(signal: AbortSignal): Promise<ModelHealth>
}
