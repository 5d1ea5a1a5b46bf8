/**
 * Reads server-sent events out of a response body, as the WHATWG standard parses them: any chunking, any line ending.
 * It yields raw events; what their data means, and resuming a stream that was cut, is the caller's.
 */

export interface SseEvent {
  /** The `event:` field; `message` when there is none. */
  readonly type: string
  readonly data: string
  /** The last `id:` seen so far, as a resuming request sends it in `Last-Event-ID`. */
  readonly id: string
}

/** Ends when the body ends. Ending the iteration early cancels the body, which closes the connection. */
export async function* readSse(body: ReadableStream<Uint8Array>): AsyncGenerator<SseEvent, void, undefined> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const parser = sseParser()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield* parser(decoder.decode(value, { stream: true }))
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** Feed it text in pieces; each call returns the events that the piece completed. */
export function sseParser(): (text: string) => SseEvent[] {
  let rest = ''
  let afterCr = false
  let first = true
  let type = ''
  let id = ''
  let data: string[] = []

  const line = (text: string): SseEvent | null => {
    if (text === '') {
      const event = data.length > 0 ? { type: type || 'message', data: data.join('\n'), id } : null
      type = ''
      data = []
      return event
    }
    const colon = text.indexOf(':')
    const field = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(colon + (text[colon + 1] === ' ' ? 2 : 1))
    if (field === 'data') data.push(value)
    else if (field === 'event') type = value
    else if (field === 'id' && !value.includes('\0')) id = value
    return null
  }

  return (text) => {
    const events: SseEvent[] = []
    if (first && text !== '') {
      first = false
      if (text.startsWith('\uFEFF')) text = text.slice(1)
    }
    // A CR ends a line at once; an LF that follows it, perhaps in the next piece, belongs to the same line end.
    if (afterCr && text !== '') {
      afterCr = false
      if (text.startsWith('\n')) text = text.slice(1)
    }
    rest += text
    for (;;) {
      const end = rest.search(/[\r\n]/)
      if (end < 0) return events
      const isCr = rest[end] === '\r'
      const isCrLf = isCr && rest[end + 1] === '\n'
      afterCr = isCr && end + 1 === rest.length
      const event = line(rest.slice(0, end))
      rest = rest.slice(end + (isCrLf ? 2 : 1))
      if (event) events.push(event)
    }
  }
}
