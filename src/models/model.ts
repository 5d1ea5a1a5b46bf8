/**
 * The port behind which every model provider stands: one streaming call, aborted by a signal.
 *
 * An adapter yields text as it arrives, merged per network read (a consumer pays per event, not per token), and ends
 * with exactly one `finish`. Whatever goes wrong is thrown as an `AppError` with a `model_*` code, whose `retryable`
 * and `retryAfterMs` say what the caller may do. An adapter does not retry, count time or trim history by itself
 * beyond what its options say; storing and showing the text is the caller's.
 */
import type { FinishReason, Role, Usage } from '../protocol/message.ts'

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
}

export type ModelEvent =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'finish'
      readonly reason: FinishReason
      readonly model: string
      readonly usage?: Usage | undefined
    }

export type ModelHealth = { readonly ok: true } | { readonly ok: false; readonly detail: string }

export interface Model {
  /** The provider's name in logs, metrics and health. */
  readonly name: string
  /** The model used when a request names none. */
  readonly defaultModel: string
  /**
   * Streams one completion. Ends after `finish`.
   *
   * @throws AppError `model_auth`, `model_rejected`, `model_rate_limited`, `model_timeout`, `model_error`
   * @throws the signal's reason when `signal` is aborted
   */
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>
  /** A cheap call that says whether the provider would answer; must not cost tokens. */
  check(signal: AbortSignal): Promise<ModelHealth>
}
