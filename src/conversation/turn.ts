/**
 * One turn, from its question to its ending; reads top to bottom. Knows the model and the text, neither sockets nor SQL.
 *
 * Never throws: whatever happens is an {@link Outcome}, and the text so far is the caller's to keep.
 */
import { AppError } from '../errors.ts'
import type { Degraded, FinishReason, TurnError, Usage } from '../protocol/message.ts'
import type { Model, ModelMessage } from '../models/model.ts'

/** Longest answer, in UTF-16 code units: at most 3 bytes each, so that the row stays below SQLite's 2 MB. */
export const MAX_ANSWER_CHARS = 512 * 1024

export type Outcome =
  | {
      readonly state: 'completed'
      readonly finishReason: FinishReason
      readonly model: string
      readonly usage?: Usage | undefined
      readonly degraded?: Degraded | undefined
      readonly cached?: boolean | undefined
    }
  | { readonly state: 'stopped' }
  | { readonly state: 'failed'; readonly error: TurnError }

export interface TurnDeps {
  readonly model: Model
  readonly append: (text: string) => void
  /** Told of an unexpected error, which the outcome hides. */
  readonly report: (error: unknown) => void
}

export interface TurnInput {
  readonly messages: readonly ModelMessage[]
  readonly model: string
  readonly requestId: string
  /** What the answer has already. */
  readonly prefix?: string
  /** The provider with which it has a place. */
  readonly admitted?: string | undefined
}

/** @param stop aborted by whoever stops the turn */
export async function runTurn(input: TurnInput, deps: TurnDeps, stop: AbortSignal): Promise<Outcome> {
  // The length limit ends the call too, but is not a stop: hence a controller of its own.
  const call = new AbortController()
  const signal = AbortSignal.any([stop, call.signal])
  let length = input.prefix?.length ?? 0
  try {
    for await (const event of deps.model.stream(input, signal)) {
      if (stop.aborted) return { state: 'stopped' }
      if (event.type === 'finish') {
        const { reason: finishReason, model, usage, degraded, cached } = event
        return { state: 'completed', finishReason, model, usage, degraded, cached }
      }
      const room = MAX_ANSWER_CHARS - length
      deps.append(event.text.length > room ? event.text.slice(0, room) : event.text)
      length += event.text.length
      if (length >= MAX_ANSWER_CHARS) {
        call.abort()
        return { state: 'completed', finishReason: 'length', model: input.model }
      }
    }
    throw new AppError('model_error', 'The model provider ended its answer early.')
  } catch (error) {
    if (stop.aborted) return { state: 'stopped' }
    if (!(error instanceof AppError)) deps.report(error)
    const { code, detail, retryable, retryAfterMs } =
      error instanceof AppError
        ? error.toShape()
        : new AppError('internal', 'The answer failed unexpectedly.').toShape()
    return {
      state: 'failed',
      error: { code, detail, retryable, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    }
  }
}
