/**
 * Writes `.build/common-passwords.txt`: run before every dev, deploy and test. Of the 49,000 passwords of
 * `@zxcvbn-ts/language-common` (200 KB gzipped, too much for a Worker) it takes what can still be chosen here: all of 12
 * characters and more, and the commonest words as stems, which make no password whatever digits are put around them.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dictionary } from '@zxcvbn-ts/language-common'

const MIN_WHOLE_CHARS = 12
const MIN_STEM_CHARS = 5
const STEMS = 3_000

const target = join(dirname(fileURLToPath(import.meta.url)), '../../.build/common-passwords.txt')
const passwords = dictionary['passwords-common'].map((password) => password.normalize('NFKC').toLowerCase())

const whole = passwords.filter((password) => Array.from(password).length >= MIN_WHOLE_CHARS)
// As `guessable-passwords.ts` strips them, commonest first.
const bare = passwords.map((password) => password.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, ''))
const stems = [...new Set(bare.filter((stem) => stem.length >= MIN_STEM_CHARS))].slice(0, STEMS)
// Sorted: what is alike compresses.
const list = `${whole.toSorted().join('\n')}\n\n${stems.toSorted().join('\n')}\n`

if ((await readFile(target, 'utf8').catch(() => null)) !== list) {
  await mkdir(dirname(target), { recursive: true })
  const partial = `${target}.${process.pid}.partial`
  await writeFile(partial, list)
  await rename(partial, target)
}
