/**
 * The text of an answer on its way to readers and to storage: for any text, cut anywhere, at any pace, what was shown
 * and what was stored is the text.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  STREAM_FLUSH_CHARS,
  STREAM_FLUSH_MS,
  STREAM_FRAME_MS,
  StreamLog,
} from '../../src/conversation/stream-log.ts'
import { FakeClock } from '../support/fake-clock.ts'

interface Piece {
  readonly at: number
  readonly offset: number
  readonly delta: string
}

function setUp(clock = new FakeClock(0)) {
  const shown: Piece[] = []
  const stored: (Piece & { slot: number })[] = []
  const log = new StreamLog({
    now: clock.now,
    after: clock.after,
    show: (offset, delta) => shown.push({ at: clock.now(), offset, delta }),
    store: (slot, offset, delta) => stored.push({ at: clock.now(), slot, offset, delta }),
  })
  return { clock, shown, stored, log }
}

const joined = (pieces: readonly Piece[]): string => pieces.map((piece) => piece.delta).join('')

/** Each piece begins where the one before it ended. */
function expectContiguous(pieces: readonly Piece[]): void {
  let length = 0
  for (const piece of pieces) {
    expect(piece.offset).toBe(length)
    length += piece.delta.length
  }
}

/** Any UTF-16: whole characters, pairs, and halves that belong to nothing. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(fc.constantFrom('a', '\uD83D', '\uDE00', '😀', '\uFFFD', '', 'é', '\u0000'), { maxLength: 60 })
    .map((units) => units.join('')),
)

/** The same text in pieces cut between any two code units, with a pause before each. */
const anyStream = anyText.chain((text) =>
  fc
    .array(fc.record({ cut: fc.nat(text.length), pause: fc.constantFrom(0, 0, 1, 5, 16, 40, 300) }), {
      maxLength: 20,
    })
    .map((cuts) => {
      const places = [0, ...cuts.map(({ cut }) => cut).toSorted((a, b) => a - b), text.length]
      const pauses = [0, ...cuts.map(({ pause }) => pause)]
      const pieces = places
        .slice(1)
        .map((end, index) => ({ text: text.slice(places[index], end), pause: pauses[index] ?? 0 }))
      return { text, pieces }
    }),
)

describe('what readers are shown', () => {
  test('W5 O4 any text, cut anywhere, arrives whole, in order and without a broken pair', () => {
    fc.assert(
      fc.property(anyStream, ({ text, pieces }) => {
        const { clock, shown, log } = setUp()
        for (const piece of pieces) {
          clock.advance(piece.pause)
          log.append(piece.text)
        }
        expect(log.end()).toBe(text.toWellFormed())
        expect(joined(shown)).toBe(text.toWellFormed())
        expectContiguous(shown)
        for (const { delta } of shown) expect(delta.isWellFormed() && delta !== '').toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  test('R4 stored text is always the beginning of the text, and the text so far is always shown on request', () => {
    fc.assert(
      fc.property(anyStream, ({ pieces }) => {
        const { clock, shown, stored, log } = setUp()
        for (const piece of pieces) {
          clock.advance(piece.pause)
          log.append(piece.text)
          expect(log.text.startsWith(joined(stored))).toBe(true)
          log.showPending()
          expect(joined(shown)).toBe(log.text)
        }
        const text = log.end()
        expectContiguous(stored)
        expect(stored.map((piece) => piece.slot)).toEqual(stored.map((_, index) => index))
        expect(text.startsWith(joined(stored))).toBe(true)
        for (const { delta } of stored) expect(delta.isWellFormed()).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  test('the first piece is shown at once', () => {
    const { shown, log } = setUp()
    log.append('H')
    expect(shown).toEqual([{ at: 0, offset: 0, delta: 'H' }])
  })

  test('what follows within a frame goes out together at its end', () => {
    const { clock, shown, log } = setUp()
    log.append('a')
    for (const piece of ['b', 'c', 'd']) {
      clock.advance(1)
      log.append(piece)
    }
    expect(shown).toHaveLength(1)
    clock.advance(STREAM_FRAME_MS)
    expect(shown.slice(1)).toEqual([{ at: STREAM_FRAME_MS, offset: 1, delta: 'bcd' }])
  })

  test('after a quiet frame the next piece is shown at once', () => {
    const { clock, shown, log } = setUp()
    log.append('a')
    clock.advance(STREAM_FRAME_MS)
    log.append('b')
    expect(shown.at(-1)).toEqual({ at: STREAM_FRAME_MS, offset: 1, delta: 'b' })
  })

  test('a fast model costs one piece a frame, and none waits longer than a frame', () => {
    const { clock, shown, log } = setUp()
    for (let ms = 0; ms < 1_000; ms++) {
      log.append('x')
      clock.advance(1)
    }
    log.end()
    expect(shown.length).toBeLessThanOrEqual(Math.ceil(1_000 / STREAM_FRAME_MS) + 1)
    const gaps = shown.slice(1).map((piece, index) => piece.at - (shown[index]?.at ?? 0))
    expect(Math.max(...gaps)).toBeLessThanOrEqual(STREAM_FRAME_MS)
  })

  test('half a pair waits for its other half, which may come late', () => {
    const { clock, shown, log } = setUp()
    log.append('a\uD83D')
    clock.advance(1_000)
    expect(joined(shown)).toBe('a')
    log.append('\uDE00b')
    clock.advance(STREAM_FRAME_MS)
    expect(shown.map((piece) => piece.delta)).toEqual(['a', '😀b'])
  })

  test('a half that is never completed ends as a replacement character', () => {
    const { shown, log } = setUp()
    log.append('a\uD83D')
    expect(log.end()).toBe('a\uFFFD')
    expect(joined(shown)).toBe('a\uFFFD')
  })

  test('nothing is shown or stored after the end, and no timer stays', () => {
    const { clock, shown, stored, log } = setUp()
    log.append('a')
    log.append('b')
    log.end()
    log.append('c')
    expect(clock.pending).toBe(0)
    clock.advance(10_000)
    expect(joined(shown)).toBe('ab')
    expect(stored).toEqual([])
    expect(log.end()).toBe('ab')
  })

  test('a clock that is set back holds nothing up', () => {
    const { clock, shown, stored, log } = setUp(new FakeClock())
    log.append('a')
    clock.setBack(3_600_000)
    log.append('b')
    clock.advance(STREAM_FLUSH_MS)
    expect(joined(shown)).toBe('ab')
    expect(joined(stored)).toBe('ab')
  })
})

describe('what is stored', () => {
  test('a row at most every quarter of a second, however fast the tokens come', () => {
    const { clock, stored, log } = setUp()
    for (let ms = 0; ms < 3_000; ms += 5) {
      log.append('tok ')
      clock.advance(5)
    }
    expect(stored.length).toBeLessThanOrEqual(3_000 / STREAM_FLUSH_MS)
    expect(stored.length).toBeGreaterThanOrEqual(3_000 / STREAM_FLUSH_MS - 1)
  })

  test('a crash takes no more than a quarter of a second of text', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 60 }), (pauses) => {
        const { clock, stored, log } = setUp()
        const arrived: { at: number; length: number }[] = []
        for (const pause of pauses) {
          clock.advance(pause)
          log.append('word ')
          arrived.push({ at: clock.now(), length: log.text.length })
          const safe = arrived.findLast((each) => each.at <= clock.now() - STREAM_FLUSH_MS)?.length ?? 0
          expect(joined(stored).length).toBeGreaterThanOrEqual(safe)
        }
      }),
    )
  })

  test('a flood is stored by size, without waiting for the clock', () => {
    const { stored, log } = setUp()
    const half = 'x'.repeat(STREAM_FLUSH_CHARS / 2)
    log.append(half)
    expect(stored).toEqual([])
    log.append(half)
    expect(stored).toEqual([{ at: 0, slot: 0, offset: 0, delta: half + half }])
    log.append('y')
    expect(stored).toHaveLength(1)
  })

  test('a slow answer is stored without further tokens', () => {
    const { clock, stored, log } = setUp()
    log.append('only this')
    clock.advance(STREAM_FLUSH_MS)
    expect(stored).toEqual([{ at: STREAM_FLUSH_MS, slot: 0, offset: 0, delta: 'only this' }])
    expect(clock.pending).toBe(0)
  })
})
