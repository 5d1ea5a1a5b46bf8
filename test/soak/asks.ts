/**
 * What a soak says to the model: messages whose answer is known to the letter, a fifth of them with a fault of the whole
 * catalogue of what providers do wrong. By a seeded generator, so that a run can be repeated.
 */
import type { Random } from '../support/random.ts'

export const MAIN = { name: 'main', model: 'main-model' }
export const SECOND = { name: 'second', model: 'second-model' }

export interface Ask {
  readonly content: string
  /** What a completed answer may be; null where nobody can tell. */
  readonly texts: readonly string[] | null
  /** As directives of the model server; null: all is well. */
  readonly fault: string | null
}

/** Of so many messages one has a fault: which one, is chance. */
const ONE_OF = 5
/** Of the faults: those in which no provider is well. */
const EVERYWHERE_PERCENT = 8

/** UTF-16 code units of a token. */
const SIZE = 8

/** What all people of a soak draw from, so that each fault comes as often as the others. */
export class Asks {
  readonly #random: Random
  /** What is left of this round; a fault is drawn from the whole catalogue before one comes again. */
  #round: boolean[] = []
  #deck: (typeof FAULTS)[number][] = []

  constructor(random: Random) {
    this.#random = random
  }

  /** @param name begins the message */
  next(name: string): Ask {
    if (this.#round.length === 0) this.#round = Array.from({ length: ONE_OF }, (_, i) => i === 0)
    if (this.#deck.length === 0) this.#deck = [...FAULTS]
    const isFaulty = this.#draw(this.#round) ?? false
    return makeAsk(this.#random, name, isFaulty ? this.#draw(this.#deck) : undefined)
  }

  #draw<T>(rest: T[]): T | undefined {
    return rest.splice(this.#random.int(0, rest.length - 1), 1)[0]
  }
}

function makeAsk(random: Random, name: string, faultAt: ((after: number) => string) | undefined): Ask {
  const words = Array.from({ length: random.int(24, 48) }, (_, i) => `${i}-${random.int(100, 999)}`)
  const text = words.join(' ')
  const resume = random.pick(['exact', 'tail', 'restate'])
  const said = `${name} [[text="${text}" size=${SIZE} delay=${random.int(8, 24)} resume=${resume}]]`
  if (!faultAt) return { content: said, texts: [text], fault: null }

  const fault = faultAt(random.int(1, Math.ceil(text.length / SIZE) - 2))
  const isEverywhere = ENDLESS.test(fault) || random.int(1, 100) <= EVERYWHERE_PERCENT
  const content = `${said} [[${isEverywhere ? '' : `for=${MAIN.model} `}${fault}]]`
  if (ENDLESS.test(fault)) return { content, texts: null, fault }
  const at = /^bad-bytes after=(\d+)/.exec(fault)?.[1]
  if (at === undefined) return { content, texts: [text], fault }
  // What is no text is shown as such, by whoever said it.
  const chars = Number(at) * SIZE
  const garbled = `${text.slice(0, chars)}\uFFFD\uFFFD(${text.slice(chars)}`
  return { content, texts: [text, garbled], fault }
}

/** It goes on after its text: whoever goes on with it says something else. */
const ENDLESS = /^endless/

/** Each as likely as the others. @param after a token in the middle of the answer */
const FAULTS: readonly ((after: number) => string)[] = [
  ...[400, 401, 403, 404, 408, 409, 413, 422, 500, 502, 529].map((status) => () => `status=${status}`),
  () => 'status=503 html',
  () => 'status=500 times=1',
  () => 'status=503 times=1',
  () => 'status=500 x-should-retry=false',
  () => 'status=429',
  () => 'status=429 retry-after=1 times=1',
  () => 'status=429 retry-after=30',
  () => 'status=429 retry-after-ms=200 times=1',
  () => `status=429 retry-after="${new Date(Date.now() + 2_000).toUTCString()}"`,
  () => 'status=429 code=insufficient_quota',
  () => 'html',
  () => 'empty',
  () => 'close',
  (after) => `close after=${after}`,
  (after) => `close after=${after} times=1`,
  (after) => `end after=${after}`,
  (after) => `half-json after=${after}`,
  (after) => `error-in-stream after=${after}`,
  (after) => `tool-call after=${after}`,
  () => 'hang=before-headers',
  () => 'hang=after-headers',
  (after) => `hang=mid after=${after}`,
  () => 'hang=trailer',
  () => 'drip=10',
  (after) => `huge=50 after=${after}`,
  () => 'endless',
  () => 'content-type=image/png',
  () => 'no-finish',
  // Odd, and understood all the same.
  (after) => `bad-bytes after=${after}`,
  () => 'split=every-byte',
  () => 'crlf comments',
  () => 'no-space same-id',
  () => 'no-done',
  () => 'no-usage',
  () => 'json',
  () => 'reasoning=5',
]
