/**
 * An incremental reader of server-sent events (WHATWG HTML, "Interpreting an event stream").
 *
 * Fed with whatever bytes one network read brought, it returns every event that is complete by then, so that the
 * consumer pays per read and not per token. The model SDK's own iterator wakes several promises per event and costs
 * about ten times as much. It keeps `event` and `data` only: reconnecting, by `id` and `retry`, is not for a POST.
 * What the data means is left to the caller.
 */

export interface SseEvent {
  /** The `event:` field; `undefined` where the stream named none ("message"). */
  readonly event: string | undefined
  /** The `data:` lines, joined by LF. */
  readonly data: string
}

/**
 * Largest event, in UTF-16 code units. A chunk of a chat completion has a few hundred; a peer that never ends its line
 * would otherwise fill the 128 MB of the isolate.
 */
export const MAX_EVENT_CHARS = 1024 * 1024

const LF = 0x0a
const SPACE = 0x20

/** The peer sent more than the reader is willing to hold for one event. */
export class SseOverflowError extends Error {
  override readonly name = 'SseOverflowError'
}

export class SseReader {
  /** Strips the byte order mark, and holds back the bytes of a character that is not complete yet. */
  readonly #decoder = new TextDecoder()
  readonly #maxEventChars: number
  /** The beginning of a line whose end has not come. Only appended to, never searched again: hostile bytes stay linear. */
  #tail = ''
  /** The last read ended with CR; if the next begins with LF, both are one line end. */
  #skipLf = false
  #data: string | undefined
  #event: string | undefined

  constructor(maxEventChars = MAX_EVENT_CHARS) {
    this.#maxEventChars = maxEventChars
  }

  /**
   * @returns the events that these bytes complete, oldest first
   * @throws SseOverflowError when one event is larger than the limit
   */
  push(bytes: Uint8Array): SseEvent[] {
    return this.#read(this.#decoder.decode(bytes, { stream: true }))
  }

  /**
   * The stream has ended. Unlike a browser, which drops it, this returns an event that lacks only its last line ends:
   * servers forget them, and what it is worth the caller can tell from the data.
   */
  end(): SseEvent[] {
    const events = this.#read(this.#decoder.decode())
    if (this.#tail !== '') {
      this.#line(this.#tail, 0, this.#tail.length)
      this.#tail = ''
    }
    this.#dispatch(events)
    return events
  }

  #read(text: string): SseEvent[] {
    const events: SseEvent[] = []
    if (text === '') return events
    let start = 0
    if (this.#skipLf) {
      this.#skipLf = false
      if (text.charCodeAt(0) === LF) start = 1
    }
    let lf = text.indexOf('\n', start)
    // Most streams have no CR at all, and then it is looked for once per read.
    let cr = text.indexOf('\r', start)
    while (lf !== -1 || cr !== -1) {
      const isCr = cr !== -1 && (lf === -1 || cr < lf)
      const end = isCr ? cr : lf
      if (this.#tail !== '') {
        const line = this.#tail + text.slice(start, end)
        this.#tail = ''
        this.#line(line, 0, line.length)
      } else if (start === end) {
        this.#dispatch(events)
      } else {
        this.#line(text, start, end)
      }
      start = end + 1
      if (isCr) {
        if (lf === start) start += 1
        else if (start === text.length) this.#skipLf = true
        cr = text.indexOf('\r', start)
      }
      if (lf !== -1 && lf < start) lf = text.indexOf('\n', start)
    }
    if (start < text.length) {
      this.#tail += start === 0 ? text : text.slice(start)
      this.#bound(this.#tail.length)
    }
    return events
  }

  /** One line that is not blank: `text` from `start` up to `end`. */
  #line(text: string, start: number, end: number): void {
    if (text.startsWith('data:', start)) {
      this.#append(text, start + 5, end)
      return
    }
    const line = text.slice(start, end)
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    // An empty name is a comment; `id`, `retry` and what is unknown say nothing to us.
    if (field === 'data') this.#append('', 0, 0)
    else if (field === 'event') {
      this.#event =
        colon === -1 ? '' : line.slice(line.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1)
    }
  }

  #append(text: string, start: number, end: number): void {
    const from = start < end && text.charCodeAt(start) === SPACE ? start + 1 : start
    const value = text.slice(from, end)
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
    this.#bound(this.#data.length)
  }

  /** A blank line: what came before it is one event, unless it had no data. */
  #dispatch(events: SseEvent[]): void {
    if (this.#data !== undefined) events.push({ event: this.#event || undefined, data: this.#data })
    this.#data = undefined
    this.#event = undefined
  }

  #bound(chars: number): void {
    if (chars > this.#maxEventChars) {
      throw new SseOverflowError(`one event is longer than ${this.#maxEventChars} characters`)
    }
  }
}
