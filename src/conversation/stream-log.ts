/**
 * The text of the answer that is being written: appended as it arrives, shown at once, stored in batches.
 *
 * Showing: a delta goes out immediately when the last one went out at least a frame ago, so the first token is never
 * held; otherwise it is merged with what arrives until the frame is over. Storing: a row at most every
 * {@link STREAM_FLUSH_MS} or {@link STREAM_FLUSH_CHARS}, append-only, into slots that the next answer reuses.
 * What a crash can take is the tail since the last stored row; resuming clients are then cut back to the stored text.
 * Knows neither sockets nor SQL: it is given `show` and `store`.
 */

/** One display frame at 60 Hz: merging below that is seen by nobody, and costs a frame per viewer and token. */
export const STREAM_FRAME_MS = 16
/** Most text, in time, that a crash may take: a quarter of a second and a bit, to leave rows for what a turn costs besides. */
export const STREAM_FLUSH_MS = 300
/** Most text, in UTF-16 code units, that may wait to be stored. */
export const STREAM_FLUSH_CHARS = 4096

export interface StreamLogDeps {
  now(): number
  /** Calls `run` once after `ms`; the result cancels it. */
  after(ms: number, run: () => void): () => void
  /** Sends to everyone who reads; `offset` is where `delta` belongs. */
  show(offset: number, delta: string): void
  store(slot: number, offset: number, delta: string): void
}

/** Where an answer that goes on stands: its text, which is shown and stored, and the slot after the last one in use. */
export interface Written {
  readonly text: string
  readonly slot: number
}

export class StreamLog {
  readonly #deps: StreamLogDeps
  #text: string
  /** The tails of `#text` that were not shown, and not stored, yet. */
  #unshown = ''
  #unstored = ''
  /** Half a surrogate pair that ended the last piece; its other half is to come. */
  #half = ''
  #slot: number
  #lastShown = Number.NEGATIVE_INFINITY
  #lastStored: number
  #cancelShow: (() => void) | null = null
  #cancelStore: (() => void) | null = null
  #ended = false

  constructor(deps: StreamLogDeps, written: Written = { text: '', slot: 0 }) {
    this.#deps = deps
    this.#text = written.text
    this.#slot = written.slot
    this.#lastStored = deps.now()
  }

  /** All text so far; may be ahead of what was shown by a part of a frame. */
  get text(): string {
    return this.#text
  }

  append(piece: string): void {
    if (this.#ended || piece === '') return
    const whole = this.#takeWhole(piece)
    if (whole === '') return
    this.#text += whole
    this.#unshown += whole
    this.#unstored += whole
    // Never longer than a frame, also when the clock was set back in between.
    const due = Math.min(STREAM_FRAME_MS, this.#lastShown + STREAM_FRAME_MS - this.#deps.now())
    if (due <= 0) this.showPending()
    else this.#cancelShow ??= this.#deps.after(due, () => this.showPending())
    if (this.#unstored.length >= STREAM_FLUSH_CHARS) this.#storePending()
    else this.#armStore()
  }

  /** Shows what waits for its frame. Call before a reader is caught up, so that all stand at the same offset. */
  showPending(): void {
    this.#cancelShow?.()
    this.#cancelShow = null
    if (this.#unshown === '') return
    const delta = this.#unshown
    this.#unshown = ''
    this.#lastShown = this.#deps.now()
    this.#deps.show(this.#text.length - delta.length, delta)
  }

  /** No more text comes: shows the rest and returns the whole. What was not stored yet is the caller's to store. */
  end(): string {
    if (this.#half !== '') {
      this.#half = ''
      this.#text += '\uFFFD'
      this.#unshown += '\uFFFD'
    }
    this.showPending()
    this.#ended = true
    this.#cancelStore?.()
    this.#cancelStore = null
    return this.#text
  }

  /** Text without half a pair at its end (kept for the next piece) and with lone halves inside replaced. */
  #takeWhole(piece: string): string {
    let text = this.#half + piece
    this.#half = ''
    const last = text.charCodeAt(text.length - 1)
    if (last >= 0xd800 && last <= 0xdbff) {
      this.#half = text.slice(-1)
      text = text.slice(0, -1)
    }
    return text.toWellFormed()
  }

  #armStore(): void {
    if (this.#cancelStore) return
    const due = this.#lastStored + STREAM_FLUSH_MS - this.#deps.now()
    const wait = Math.min(STREAM_FLUSH_MS, Math.max(0, due))
    this.#cancelStore = this.#deps.after(wait, () => this.#storePending())
  }

  #storePending(): void {
    this.#cancelStore?.()
    this.#cancelStore = null
    if (this.#unstored === '') return
    const delta = this.#unstored
    this.#unstored = ''
    this.#lastStored = this.#deps.now()
    this.#deps.store(this.#slot++, this.#text.length - delta.length, delta)
  }
}
