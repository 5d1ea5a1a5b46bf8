/**
 * The seam between the beginning of an answer and its continuation: what is shown goes on exactly after the prefix, with
 * no word twice and none missing. Pure; fed with whatever pieces come, and the pieces make no difference.
 *
 * Two things can be there twice. White space (or half a surrogate pair) at the prefix's end is not sent, because servers
 * refuse or strip it; what the provider repeats of it is taken off. And some providers begin again: with the tail of
 * the prefix, or from its first word. What is ambiguous is kept: a word too many can be seen, one too few cannot.
 */

/** A repetition has this many characters that are no white space, or two words; less can be a coincidence. */
const LEAST_CHARS = 8
const LEAST_WORDS = 2

/** How far back a repeated tail may begin. The whole prefix counts however long it is. */
const WINDOW = 2_000

const HIGH = /[\uD800-\uDBFF]$/
const LOW = /^[\uDC00-\uDFFF]/
const WORD = /[\p{L}\p{N}]+/gu

export class Seam {
  /** What is sent to the provider as the beginning of its answer. Empty: nothing is. */
  readonly sent: string
  /** The white space that was shown and is not sent. */
  readonly #space: string
  /** The first half of a pair, likewise. */
  readonly #half: string
  /** Places in `sent` from which the text so far may be its repetition; undefined before the first text. */
  #starts: readonly number[] | undefined
  /** Length of the longest repetition that has come in full. */
  #repeated = 0
  /** Text that may still turn out to be a repetition. */
  #held = ''
  #settled = false

  constructor(prefix: string) {
    this.#half = HIGH.exec(prefix)?.[0] ?? ''
    const whole = prefix.slice(0, prefix.length - this.#half.length)
    this.sent = whole.trimEnd()
    this.#space = whole.slice(this.sent.length)
    if (prefix === '') this.#settled = true
  }

  /** @returns what of the provider's text can be shown by now; empty when all of it is held back */
  push(text: string): string {
    if (this.#settled) return text
    const from = this.#held.length
    this.#held += text
    this.#starts = this.#follow(this.#starts ?? this.#candidates(text), text, from)
    return this.#starts.length > 0 || this.#mayBeSpace() ? '' : this.#settle()
  }

  /** The answer is complete. @returns what was still held back */
  end(): string {
    return this.#settled ? '' : this.#settle()
  }

  #candidates(text: string): number[] {
    if (this.sent === '' || text === '') return []
    const starts: number[] = []
    const window = Math.max(0, this.sent.length - WINDOW)
    for (let at = this.sent.indexOf(text[0] ?? '', window); at !== -1;) {
      if (at > 0 && isRepetition(this.sent, at)) starts.push(at)
      at = this.sent.indexOf(text[0] ?? '', at + 1)
    }
    if (isRestatement(this.sent)) starts.push(0)
    return starts
  }

  /** Those of `starts` that still fit, and are not at their end; what is at its end is noted. */
  #follow(starts: readonly number[], text: string, from: number): number[] {
    return starts.filter((start) => {
      const rest = this.sent.length - start - from
      if (text.length < rest) return this.sent.startsWith(text, start + from)
      if (text.startsWith(this.sent.slice(start + from))) {
        this.#repeated = Math.max(this.#repeated, this.sent.length - start)
      }
      return false
    })
  }

  /** All that has come (after a repetition) is white space which was shown already, so far. */
  #mayBeSpace(): boolean {
    const tail = this.#space + this.#half
    const rest = this.#held.length - this.#repeated
    return tail !== '' && rest < tail.length && tail.startsWith(this.#held.slice(this.#repeated))
  }

  #settle(): string {
    this.#settled = true
    let at = this.#repeated
    let spaces = 0
    while (spaces < this.#space.length && this.#held[at] === this.#space[spaces]) {
      at += 1
      spaces += 1
    }
    // The provider says the whole character; its first half is there.
    if (this.#half !== '' && this.#held[at] === this.#half) at += 1
    const shown = this.#held.slice(at)
    this.#held = ''
    return shown
  }
}

/**
 * Whether `sent` from `start` on is what nobody says twice in a row by themselves.
 *
 * Not when it begins with a line break: that is how the next row, item or line begins, which may well be equal, while
 * who begins again begins with a word. And not within a run: where the prefix repeats itself already ("ha ha ha", "1, 1,
 * 1,", rows of a table), once more is what goes on rightly.
 */
function isRepetition(sent: string, start: number): boolean {
  const tail = sent.slice(start)
  return !/^[\r\n]/.test(tail) && !LOW.test(tail) && isLong(tail) && !isInRun(sent, start)
}

/** The whole of it may be shorter, if there is a letter: "1" may well be followed by another. */
function isRestatement(sent: string): boolean {
  return (/\p{L}/u.test(sent) || isLong(sent)) && !isInRun(sent, 0)
}

function isLong(text: string): boolean {
  let chars = 0
  for (let at = 0; at < text.length && chars < LEAST_CHARS; at++) {
    if (!/\s/.test(text[at] ?? '')) chars += 1
  }
  return chars >= LEAST_CHARS || (text.match(WORD)?.length ?? 0) >= LEAST_WORDS
}

/**
 * The tail is a run of its own ("ha ha "), or the last part of one: what stands before it is equal to its end, for half
 * its length or more.
 */
function isInRun(sent: string, start: number): boolean {
  const length = sent.length - start
  const period = periodOf(sent, start)
  if (period < length) return true
  let same = 0
  while (same < length && same < start && sent[start - 1 - same] === sent[sent.length - 1 - same]) same += 1
  return same * 2 >= length
}

/** The length of the shortest text that repeated gives `sent` from `start` on (by Knuth, Morris and Pratt's failure function). */
function periodOf(sent: string, start: number): number {
  const length = sent.length - start
  const border = new Int32Array(length)
  for (let at = 1, k = 0; at < length; at++) {
    const unit = sent.charCodeAt(start + at)
    while (k > 0 && unit !== sent.charCodeAt(start + k)) k = border[k - 1] ?? 0
    if (unit === sent.charCodeAt(start + k)) k += 1
    border[at] = k
  }
  const period = length - (border[length - 1] ?? 0)
  return length % period === 0 ? period : length
}
