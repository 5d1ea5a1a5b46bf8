/**
 * Passwords: how they are stored and compared, which may be chosen, and that the list of common ones is what is built.
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { GuessablePasswords } from '../../src/auth/guessable-passwords.ts'
import { hashPassword, needsUpgrade, verifyPassword } from '../../src/auth/passwords.ts'
import { newPassword } from '../../src/protocol/accounts.ts'

const root = new URL('../..', import.meta.url).pathname
const GOOD = 'correct horse battery'

let common: GuessablePasswords
let list: string
beforeAll(async () => {
  await promisify(execFile)(process.execPath, ['src/auth/word-list.mjs'], { cwd: root })
  list = await readFile(`${root}.build/common-passwords.txt`, 'utf8')
  common = new GuessablePasswords(list)
})

describe('a stored password', () => {
  test('A4 says how it was made, holds a salt of its own, and is known again', async () => {
    const [first, second] = [await hashPassword(GOOD), await hashPassword(GOOD)]
    expect(first).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$[A-Za-z\d+/]{22}\$[A-Za-z\d+/]{43}$/)
    expect(first).not.toBe(second)
    expect(await verifyPassword(GOOD, first)).toBe(true)
    expect(await verifyPassword(`${GOOD} `, first)).toBe(false)
    expect(await verifyPassword(GOOD.toUpperCase(), first)).toBe(false)
    expect(needsUpgrade(first)).toBe(false)
  })

  test('A4 of weaker parameters is known too, and is to be made anew', async () => {
    const weak = await hashPassword(GOOD, { ln: 10, r: 8, p: 1 })
    expect(weak).toContain('$ln=10,r=8,p=1$')
    expect(await verifyPassword(GOOD, weak)).toBe(true)
    expect(await verifyPassword('something else', weak)).toBe(false)
    expect(needsUpgrade(weak)).toBe(true)
  })

  test('A4 is the same, however a keyboard composes its letters', async () => {
    const composed = 'pässwörter über alles'
    const hash = await hashPassword(composed)
    expect(await verifyPassword(composed.normalize('NFD'), hash)).toBe(true)
    const [plain, wide] = ['a long ﬁne password 1', 'a long fine password １']
    expect(await verifyPassword(wide, await hashPassword(plain))).toBe(true)
  })

  test('A4 that is none of ours matches nothing, and neither does nobody', async () => {
    for (const stored of [
      null,
      '',
      'plain',
      '$scrypt$ln=14,r=8,p=5$$',
      '$2b$10$abc',
      '$scrypt$ln=99,r=8,p=5$a$b',
    ]) {
      expect(await verifyPassword('', stored)).toBe(false)
    }
    expect(needsUpgrade('plain')).toBe(true)
  })
})

describe('a chosen password', () => {
  test('A4 has 12 to 128 characters, counted as people count them', () => {
    const is = (text: string): boolean => newPassword.safeParse(text).success
    expect([is('x'.repeat(11)), is('x'.repeat(12)), is('x'.repeat(128)), is('x'.repeat(129))]).toEqual([
      false,
      true,
      true,
      false,
    ])
    // Six characters of two code units each are not twelve.
    expect([is('🐙'.repeat(6)), is('🐙'.repeat(12)), is('🐙'.repeat(128)), is('🐙'.repeat(129))]).toEqual([
      false,
      true,
      true,
      false,
    ])
    expect(is('\ud800aaaaaaaaaaaa')).toBe(false)
    // One sign that NFKC writes as eighteen letters: what is hashed is bounded, too.
    expect(is('\ufdfa'.repeat(100))).toBe(false)
    expect(is('x'.repeat(1_000_000))).toBe(false)
  })

  test.each([
    'password1234',
    'Password1234!',
    'P@ssw0rd1234',
    '1234password',
    'passwordpassword',
    'QWERTY!!!!2024',
    'letmein123456',
    'football-2026',
    'qwerty123456',
    '1q2w3e4r5t6y',
    'parley123456',
    'Parley!!!!!!',
    'ｐａｓｓｗｏｒｄ１２３４',
  ])('A4 may not be a common one in its usual dress: %s', (password) => {
    expect(common.complaint(password, 'ada@corp.example')).toContain('tried first')
  })

  test.each([
    'aaaaaaaaaaaa',
    'abababababab',
    '123456789012',
    'abcdefghijkl',
    'abc1abc1abc1',
    'xyzzyq1xyzzyq1',
  ])('A4 may not be a pattern: %s', (password) => {
    expect(common.complaint(password, 'ada@corp.example')).toContain('pattern')
  })

  test.each(['ada.lovelace1815', 'xxada.lovelace!!', 'lovelace1815!!', 'LOVELACE-2026!'])(
    'A4 may not hold its own address: %s',
    (password) => {
      expect(common.complaint(password, 'Ada.Lovelace@corp.example')).toContain('email')
    },
  )

  test.each([
    GOOD,
    'vier Krähen im Regen',
    'tr0ub4dor&3-xkcd',
    'parley with pirates at dawn',
    '5bVq!x8Lm2_z',
  ])('A4 may be a good one: %s', (password) => {
    expect(common.complaint(password, 'ada@corp.example')).toBeNull()
  })

  test('A4 what is random is never refused', () => {
    const letters = fc.string({
      unit: fc.constantFrom(...'abcdefghkmnpqrstuvwxyz23456789-_'.split('')),
      minLength: 16,
      maxLength: 16,
    })
    // Without its bias to what is small and repeats itself, which nobody draws.
    for (const drawn of [fc.noBias(fc.uuid()), fc.noBias(letters)]) {
      fc.assert(
        fc.property(drawn, (text) => common.complaint(text, 'ada@corp.example') === null),
        { numRuns: 300 },
      )
    }
  })
})

test('A4 the list is small enough for a Worker, and building it again changes nothing', async () => {
  expect(gzipSync(list).length).toBeLessThan(16_000)
  expect(list.split('\n').length).toBeGreaterThan(3_000)
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['src/auth/word-list.mjs'], {
    cwd: root,
  })
  expect([stdout, stderr]).toEqual(['', ''])
  expect(await readFile(`${root}.build/common-passwords.txt`, 'utf8')).toBe(list)
})
