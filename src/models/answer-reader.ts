/**
 * Follows one streamed answer: merges the text of each network read and knows whether the model has said its end.
 *
 * A stream may stop in many ways, and only some of them are an end: a finish reason, or `[DONE]`. Text that came before
 * a fault in the same read is still handed over, because the partial answer is kept. Waiting and cancelling are the adapter's.
 */
import type { FinishReason, Usage } from '../protocol/message.ts'
import { readCompletionChunk } from './completion-chunk.ts'
import { ModelFailure } from './failure.ts'
import { classifyStreamed } from './openai-errors.ts'
import type { SseEvent } from './sse-reader.ts'

const DONE = '[DONE]'

export class AnswerReader {
  /** The provider has said all that it will say; the answer is complete. */
  ended = false
  /** The model has begun: with text, or with reasoning that is not shown. */
  started = false
  /** Whether the last {@link take} brought anything but comments. */
  moved = false
  /** Why the answer cannot be completed. What {@link take} returned with it is still good. */
  failure: ModelFailure | undefined
  finishReason: FinishReason | undefined
  model: string | undefined
  usage: Usage | undefined

  /**
   * @param closed the stream is at its end
   * @returns the text of these events, joined; empty when they have none
   */
  take(events: readonly SseEvent[], closed: boolean): string {
    let text = ''
    this.moved = events.length > 0
    for (const event of events) {
      if (event.data === DONE) {
        this.ended = true
        return text
      }
      text += this.#chunk(event)
      if (this.failure !== undefined) return text
    }
    if (closed) this.#close()
    return text
  }

  #chunk(event: SseEvent): string {
    let chunk
    try {
      chunk = readCompletionChunk(event.data)
    } catch (error) {
      this.#fail(
        new ModelFailure('server', 'The model provider sent a broken message.', {
          cause: error,
          providerCode: 'broken_message',
        }),
      )
      return ''
    }
    if ('error' in chunk) {
      this.#fail(classifyStreamed(chunk.error))
      return ''
    }
    if (event.event === 'error') {
      this.#fail(classifyStreamed(undefined))
      return ''
    }
    if (chunk.text !== '' || chunk.thinking) this.started = true
    // The first reason counts; usage grows in servers that send it with each chunk, so there the last one does.
    this.finishReason ??= chunk.finishReason
    this.model ??= chunk.model
    this.usage = chunk.usage ?? this.usage
    return chunk.text
  }

  /** What goes wrong after the model's end costs at most the usage. */
  #fail(failure: ModelFailure): void {
    if (this.finishReason === undefined) this.failure = failure
  }

  #close(): void {
    if (this.finishReason !== undefined) this.ended = true
    else {
      this.failure = new ModelFailure(
        'server',
        'The model provider closed the connection before the answer was complete.',
        { providerCode: 'early_end' },
      )
    }
  }
}
