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

const FAULTY_PERCENT = 20
/** Of the faulty ones: those in which no provider is well. */
const EVERYWHERE_PERCENT = 8

/** UTF-16 code units of a token. */
const SIZE = 8

/** @param name begins the message */
export function makeAsk(random: Random, name: string): Ask {
  const words = Array.from({ length: random.int(24, 48) }, (_, i) => `${i}-${random.int(100, 999)}`)
  const text = words.join(' ')
  const resume = random.pick(['exact', 'tail', 'restate'])
  const said = `${name} [[text="${text}" size=${SIZE} delay=${random.int(8, 24)} resume=${resume}]]`
  if (random.int(1, 100) > FAULTY_PERCENT) return { content: said, texts: [text], fault: null }

  const tokens = Math.ceil(text.length / SIZE)
  const fault = random.pick(FAULTS)(random.int(1, tokens - 2))
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
