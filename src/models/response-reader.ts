/**
 * Chooses how the body of an answered request is read, by what the server says that it is.
 *
 * A wrong base address often leads to a web page with status 200, and a server that cannot stream answers with one JSON
 * object. The first is refused with a hint, the second is read as a stream of a single event.
 */
import { ModelFailure } from './failure.ts'
import { MAX_EVENT_CHARS, SseOverflowError, SseReader } from './sse-reader.ts'
import type { SseEvent } from './sse-reader.ts'

export interface ResponseReader {
  push(bytes: Uint8Array): SseEvent[]
  end(): SseEvent[]
}

/** @throws ModelFailure `server` when the body is nothing that a model would send */
export function chooseReader(response: Response): {
  reader: ResponseReader
  stream: ReadableStream<Uint8Array>
} {
  const type = (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  const stream = response.body
  // Some servers and proxies name no type, or a general one, for what is an event stream.
  const isStream = ['text/event-stream', '', 'text/plain', 'application/octet-stream'].includes(type)
  if (stream === null || (!isStream && type !== 'application/json')) {
    throw new ModelFailure(
      'server',
      `The model provider answered with something that is not a chat completion (HTTP ${response.status}); its address may be wrong.`,
      { retryable: false, providerStatus: response.status, providerCode: 'no_completion' },
    )
  }
  return { reader: isStream ? new SseReader() : new WholeBody(), stream }
}

/** One JSON object, read as one event. */
class WholeBody implements ResponseReader {
  readonly #decoder = new TextDecoder()
  #text = ''

  push(bytes: Uint8Array): SseEvent[] {
    this.#text += this.#decoder.decode(bytes, { stream: true })
    if (this.#text.length > MAX_EVENT_CHARS) throw new SseOverflowError('the body is too long')
    return []
  }

  end(): SseEvent[] {
    return [{ event: undefined, data: this.#text + this.#decoder.decode() }]
  }
}
