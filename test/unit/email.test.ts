/**
 * Email addresses: which are taken, and which are the same account. Everything here is tried by people who want to be
 * somebody else.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emailKey, normalEmail } from '../../src/protocol/email.ts'

describe('an email address', () => {
  test.each([
    ['ada@corp.example', 'ada@corp.example'],
    ['  Ada@Corp.Example ', 'ada@corp.example'],
    ['ADA+tag@corp.example', 'ada+tag@corp.example'],
    ["o'brien@corp.example", "o'brien@corp.example"],
    ['ada@bücher.example', 'ada@xn--bcher-kva.example'],
    ['ada@BÜCHER.example', 'ada@xn--bcher-kva.example'],
    ['ada@bu\u0308cher.example', 'ada@xn--bcher-kva.example'],
    ['ada@例え。テスト', 'ada@xn--r8jz45g.xn--zckzah'],
    ['ａｄａ@corp.example', 'ada@corp.example'],
    ['ada@ｃｏｒｐ．example', 'ada@corp.example'],
  ])('A5 is found by one key: %s', (text, key) => {
    expect(emailKey(text)).toBe(key)
  })

  test('A5 a look-alike of another script is refused before the @, and another account behind it', () => {
    // Cyrillic а, Greek ο.
    expect(emailKey('аda@corp.example')).toBeNull()
    expect(emailKey('adaο@corp.example')).toBeNull()
    expect(emailKey('ada@cоrp.example')).toBe('ada@xn--crp-sed.example')
    expect(normalEmail('ada@cоrp.example')).toBe('ada@xn--crp-sed.example')
  })

  test.each([
    '',
    '@',
    'ada',
    'ada@',
    '@corp.example',
    'ada@corp',
    'ada@localhost',
    'ada@127.0.0.1',
    'ada@0x7f.1',
    'ada@[127.0.0.1]',
    'ada@corp.example:80',
    'ada@corp.example/path',
    'ada@corp.example?x',
    'ada@corp.example#x',
    'ada@corp%2eexample.com',
    'ada@corp.example\\',
    'ada@corp..example',
    'ada@.corp.example',
    'ada@corp.example.',
    'ada@-corp.example',
    'ada@corp.123',
    'a b@corp.example',
    'ada\r\nBcc: all@corp.example',
    'ada@corp.example\r\nX: y@corp.example',
    '"ada@x"@corp.example',
    '.ada@corp.example',
    'ada.@corp.example',
    'a..da@corp.example',
    'ada\u0000@corp.example',
    'ada\u200b@corp.example',
    'ada@corp.example, eve@corp.example',
    `${'a'.repeat(65)}@corp.example`,
    `ada@${'a'.repeat(64)}.example`,
    `ada@${'a.'.repeat(130)}example`,
  ])('A5 is refused: %j', (text) => {
    expect(emailKey(text)).toBeNull()
  })

  test('A5 whatever is taken is ASCII, has one @, no case, and is its own key', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.emailAddress(),
          fc.string({ unit: 'binary' }).map((text) => `${text}@corp.example`),
          fc.webAuthority().map((host) => `a@${host}`),
        ),
        (text) => {
          const key = emailKey(text)
          if (key === null) return
          expect(key).toMatch(/^[\x21-\x7e]+$/)
          expect(key.split('@')).toHaveLength(2)
          expect(key).toBe(key.toLowerCase())
          expect(emailKey(key)).toBe(key)
          expect(emailKey(text.toUpperCase())).toBe(key)
        },
      ),
    )
  })
})
