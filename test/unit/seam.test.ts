/**
 * The seam of a continued answer: no word twice, none missing, whatever the pieces; and what is ambiguous is kept.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Seam } from '../../src/models/seam.ts'

/** What is shown after the prefix, when the provider says these pieces. */
function shown(prefix: string, pieces: readonly string[]): string {
  const seam = new Seam(prefix)
  return pieces.map((piece) => seam.push(piece)).join('') + seam.end()
}

/** Cuts a text at these places, over and over. */
function cut(text: string, sizes: readonly number[]): string[] {
  const pieces: string[] = []
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    pieces.push(text.slice(at, at + size))
    at += size
  }
  return pieces
}

const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 })
/** Texts in which much repeats itself, which is what makes seams hard. */
const words = fc
  .array(fc.constantFrom('a', 'ha ', 'the cat ', '1, ', '\n', '- item\n', '| yes |', '😀', 'x y z ', ' '), {
    maxLength: 30,
  })
  .map((parts) => parts.join(''))

describe('a continuation', () => {
  test.each([
    ['goes on in mid-word', 'The quick bro', 'wn fox', 'wn fox'],
    ['goes on with a new word', 'The quick', ' brown fox', ' brown fox'],
    ['repeats white space that was not sent', 'The quick \n', ' \nbrown', 'brown'],
    ['repeats a part of it', 'One.\n\n', '\nTwo.', 'Two.'],
    ['has more of it than was there', 'One.\n', '\n\nTwo.', '\nTwo.'],
    ['leaves it out', 'The quick ', 'brown fox', 'brown fox'],
    ['repeats the last words', 'The quick brown fox', 'brown fox jumps', ' jumps'],
    ['repeats the last words, with their space', 'The quick brown fox', ' brown fox jumps', ' jumps'],
    ['repeats them and the white space', 'The quick brown fox\n\n', 'brown fox\n\nIt jumps', 'It jumps'],
    ['begins again', 'The quick brown fox', 'The quick brown fox jumps', ' jumps'],
    ['begins again after one word', 'The', 'The cat', ' cat'],
    ['begins again in mid-word', 'A well-known inter', 'A well-known interval', 'val'],
    ['repeats one long word', 'It is incomprehensible', 'incomprehensible to me', ' to me'],
    ['repeats without spaces', '敏捷的棕色狐狸跳过了懒狗', '棕色狐狸跳过了懒狗,然后', ',然后'],
    ['repeats all of it and says no more', 'The quick brown fox', 'quick brown fox', ''],
  ])('%s', (_, prefix, said, expected) => {
    expect(shown(prefix, [said])).toBe(expected)
    expect(shown(prefix, Array.from(said))).toBe(expected)
  })

  test.each([
    ['a list that goes on', '1, 2, 3,', ' 4, 5'],
    ['laughter', 'ha ha ha', ' ha ha ha!'],
    ['numbers that stay the same', '0, 0, 0, 0', ', 0, 0, 0'],
    ['a row equal to the one before', '| yes | yes |', '\n| yes | yes |\n| no | no |'],
    ['a line of code equal to the one before', '  console.log(value)', '\n  console.log(value)\n}'],
    ['a refrain', 'New York, New York', ', New York, so good'],
    ['a ruler', '--------------------', '----------'],
    ['one short word again', 'It is very', ' very good'],
    ['a digit after the same digit', '1', '1 apples'],
    ['a beginning like an earlier place', 'the cat sat. The dog ran.', ' the cat saw it'],
    ['the first half of a repetition, at its end', 'The quick brown fox', 'quick brown'],
    ['something else with one other letter', 'The quick brown fox', 'brown fux jumps'],
  ])('is kept where it is right or may be: %s', (_, prefix, said) => {
    expect(shown(prefix, [said])).toBe(said)
    expect(shown(prefix, Array.from(said))).toBe(said)
  })

  test('is shown as soon as it can be no repetition any more', () => {
    const seam = new Seam('The quick brown fox')
    expect(seam.push('br')).toBe('')
    expect(seam.push('o')).toBe('')
    expect(seam.push('ught')).toBe('brought')
    expect(seam.push(' brown fox')).toBe(' brown fox')
  })

  test('completes a pair of which the first half was shown', () => {
    const seam = new Seam('a😀b 😀'.slice(0, -1))
    expect(seam.sent).toBe('a😀b')
    expect(seam.push(' 😀!')).toBe('\uDE00!')
    expect(shown('a😀b 😀'.slice(0, -1), ['😀!'])).toBe('\uDE00!')
  })

  test('sends nothing of a prefix that is all white space, and does not double it', () => {
    const seam = new Seam('\n\n')
    expect(seam.sent).toBe('')
    expect(seam.push('\n\nHello') + seam.end()).toBe('Hello')
  })

  test('is handed on as it is where there is no prefix', () => {
    expect(new Seam('').push(' ')).toBe(' ')
  })
})

describe('for any prefix and any continuation', () => {
  test('the pieces make no difference', () => {
    fc.assert(
      fc.property(words, words, sizes, (prefix, said, sizes) => {
        expect(shown(prefix, cut(said, sizes))).toBe(shown(prefix, [said]))
      }),
      { numRuns: 2_000 },
    )
  })

  test('what is shown is the end of what was said, and what is not was there already', () => {
    fc.assert(
      fc.property(words, words, sizes, (prefix, said, sizes) => {
        const text = shown(prefix, cut(said, sizes))
        expect(said.endsWith(text)).toBe(true)
        const taken = said.slice(0, said.length - text.length)
        const { sent } = new Seam(prefix)
        // White space that is taken off with a repetition stands behind it.
        const repetition = Array.from({ length: taken.length + 1 }, (_, at) => taken.slice(0, at)).find(
          (part) => sent.endsWith(part) && prefix.slice(sent.length).startsWith(taken.slice(part.length)),
        )
        expect(repetition).toBeDefined()
      }),
      { numRuns: 2_000 },
    )
  })

  test('a tail that is repeated is taken off, and nothing else', () => {
    const letters = fc.string({
      unit: fc.constantFrom(...Array.from('abcdefghij klm')),
      minLength: 20,
      maxLength: 60,
    })
    fc.assert(
      fc.property(letters, fc.integer({ min: 12, max: 60 }), sizes, (text, length, sizes) => {
        const prefix = `${text.trim()}Q`
        const tail = prefix.slice(-length)
        fc.pre(!/^\s/.test(tail))
        expect(shown(prefix, cut(`${tail} and so on`, sizes))).toBe(' and so on')
      }),
    )
  })

  test('an answer is whole again wherever it is cut, by a provider that begins again, or does not', () => {
    const answer =
      'First, 1, 2, 3.\n\n- ha ha ha\n- 😀😀 done\n\n| a | b |\n|---|---|\n| 1 | 1 |\n| 1 | 1 |\n'
    for (let at = 0; at <= answer.length; at++) {
      const prefix = answer.slice(0, at)
      const { sent } = new Seam(prefix)
      // It goes on from what it was sent.
      expect(prefix + shown(prefix, cut(answer.slice(sent.length), [3])), `cut at ${at}`).toBe(answer)
      if (/\p{L}/u.test(sent)) expect(prefix + shown(prefix, cut(answer, [5]))).toBe(answer)
    }
  })

  test('a long prefix of one letter is no trouble', () => {
    const prefix = 'a'.repeat(200_000)
    expect(shown(prefix, cut('a'.repeat(3_000), [100]))).toHaveLength(3_000)
  })
})
