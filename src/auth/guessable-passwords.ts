/**
 * Which passwords nobody may choose: those that attackers try first, in the dress that people give them (capitals, digits
 * and punctuation around, a few letters as digits), repetitions, runs of a keyboard or the alphabet, and one's own address.
 *
 * The list is made of a maintained package when Parley is built, by `word-list.mjs`, which says what it takes from there.
 */
const PRODUCT = 'parley'
/** A local part shorter than this stands in many passwords by chance. */
const MIN_LOCAL_CHARS = 4
const MAX_REPEATED_CHARS = 7

/** Letters that people write as digits and signs. */
const DISGUISES: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
}

export class GuessablePasswords {
  readonly #whole: ReadonlySet<string>
  readonly #stems: ReadonlySet<string>

  /** @param list whole passwords, an empty line, and words that make no password by what stands around them */
  constructor(list: string) {
    const [whole = '', stems = ''] = list.split('\n\n')
    this.#whole = new Set(whole.split('\n'))
    this.#stems = new Set(stems.trim().split('\n'))
  }

  /** @returns why it is refused, as a predicate; null when it may be chosen */
  complaint(password: string, email: string): string | null {
    const text = password.normalize('NFKC').toLowerCase()
    if (isRun(text) || isRepetition(text)) return 'is a pattern that is easily guessed'
    if (this.#whole.has(text) || cores(text).some((core) => this.#stems.has(core) || core === PRODUCT)) {
      return 'is one of the passwords that are tried first'
    }
    const local = email.slice(0, email.lastIndexOf('@')).toLowerCase()
    const words = local.split(/[^\p{L}]+/u).filter((word) => word.length >= MIN_LOCAL_CHARS)
    const holdsLocal = local.length >= MIN_LOCAL_CHARS && text.includes(local)
    if (holdsLocal || cores(text).some((core) => words.includes(core))) return 'holds your email address'
    return null
  }
}

/** What is left of a password without its dress; several, because a digit may be either. */
function cores(text: string): string[] {
  const bare = text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '')
  const wide = text.replace(/^[^\p{L}@$]+|[^\p{L}]+$/gu, '')
  const found = [bare, undisguised(bare), undisguised(wide), bare.replace(/[^\p{L}]+/gu, '')]
  return [...new Set(found.flatMap((core) => [core, unit(core)]))].filter((core) => core !== '')
}

const undisguised = (text: string): string => text.replace(/[013457@$!]/g, (sign) => DISGUISES[sign] ?? sign)

/** "abcdefghijkl", "135791357913", "zzzzzzzzzzzz": the steps between neighbours are of two kinds at most. */
function isRun(text: string): boolean {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0)
  const steps = codes.slice(1).map((code, index) => code - (codes[index] ?? 0))
  return new Set(steps).size <= 2
}

function isRepetition(text: string): boolean {
  const length = unit(text).length
  return length < text.length && length <= MAX_REPEATED_CHARS
}

/** The shortest text whose repetition this is. */
function unit(text: string): string {
  const period = `${text}${text}`.indexOf(text, 1)
  return period > 0 ? text.slice(0, period) : text
}
