/**
 * What the model server says to a message, as a pure function, so that a test in any process knows the text to expect.
 */
import { parseDirectives, withoutDirectives } from './model-directives.ts'
import type { Directives } from './model-directives.ts'

export interface Answer {
  /** How many tokens there are. */
  readonly length: number
  /** Made on demand: a benchmark's answer is too long to hold. */
  token(index: number): string
}

const DEFAULT_SIZE = 4

/** The tokens that the model says to `message`, directives and all. */
export function answerTo(
  message: string,
  directives: Directives = parseDirectives(message),
  begun?: string,
): Answer {
  const { tokens, seed = 1, size = DEFAULT_SIZE, halves = false, empty = false } = directives
  if (size < 1) throw new Error('size must be at least 1')
  if (empty) return { length: 0, token: () => '' }
  const text = goneOnFrom(directives, begun)
  if (tokens !== undefined) return { length: tokens, token: (index) => generatedToken(seed, index, size) }
  const pieces = cut(text ?? `You said: ${withoutDirectives(message)}`, size, halves)
  return { length: pieces.length, token: (index) => pieces[index] ?? '' }
}

/** What is said of the text by a server that was given its beginning. */
function goneOnFrom({ text, resume }: Directives, begun: string | undefined): string | undefined {
  if (text === undefined || begun === undefined || !text.startsWith(begun)) return text
  if (resume === 'exact') return text.slice(begun.length)
  return resume === 'tail' ? text.slice(Math.max(0, begun.length - 12)) : text
}

/** The whole answer to `message`, or that of its first `tokens` tokens. */
export function expectedText(message: string, tokens?: number): string {
  const answer = answerTo(message)
  let text = ''
  for (let index = 0; index < Math.min(tokens ?? answer.length, answer.length); index++) {
    text += answer.token(index)
  }
  return text
}

/** Lower-case letters and a space, `size` in all; different for each (seed, index), so that a slip shows. */
export function generatedToken(seed: number, index: number, size: number): string {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca77)) >>> 0
  let token = ''
  for (let i = 1; i < Math.max(size, 2); i++) {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    token += LETTERS[(state >>> 0) % LETTERS.length]
  }
  return size === 1 ? token : `${token} `
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'

function cut(text: string, size: number, halves: boolean): string[] {
  const pieces: string[] = []
  for (let start = 0; start < text.length;) {
    let end = start + size
    // Inside a pair? Then take its second half too.
    if (!halves && isHigh(text.charCodeAt(end - 1)) && isLow(text.charCodeAt(end))) end += 1
    pieces.push(text.slice(start, end))
    start = end
  }
  return pieces
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
