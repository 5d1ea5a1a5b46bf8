/**
 * Signatures of webhooks against the specification's own example and against the verification that the README
 * gives to receivers, which uses another library; and the sealing of secrets in the database.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { webhookSecret } from '../../src/protocol/webhooks.ts'
import { SealedSecrets } from '../../src/webhooks/sealed-secret.ts'
import { newWebhookSecret, secretBytes, signedHeaders } from '../../src/webhooks/sign.ts'

/** As a receiver has it: the code of the README. */
const [, example = ''] =
  /```js\n(import [\s\S]*?isFromParley[\s\S]*?)```/.exec(
    readFileSync(new URL('../../README.md', import.meta.url), 'utf8'),
  ) ?? []
const { isFromParley } = (await import(
  /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(example)}`
)) as {
  readonly isFromParley: (
    secret: string,
    headers: Record<string, string>,
    body: string,
    now: number,
  ) => boolean
}

describe('a signature', () => {
  test('H2 is that of the example of the specification', async () => {
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
    const headers = await signedHeaders(
      [secret],
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1_614_265_330_000,
      '{"test": 2432232314}',
    )
    expect(headers).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  test('H2 verifies for every id, time and body, and for no other body', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.stringMatching(/^[\w-]{1,40}$/),
        fc.integer({ min: 0, max: 4e12 }),
        fc.string({ unit: 'grapheme' }),
        async (id, at, body) => {
          const secret = newWebhookSecret()
          const headers = await signedHeaders([secret], id, at, body)
          expect(isFromParley(secret, headers, body, at)).toBe(true)
          expect(isFromParley(secret, headers, `${body} `, at)).toBe(false)
          expect(isFromParley(secret, headers, body, at + 301_000)).toBe(false)
          expect(isFromParley(newWebhookSecret(), headers, body, at)).toBe(false)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('H3 is made with both secrets while one replaces the other', async () => {
    const [old, next] = [newWebhookSecret(), newWebhookSecret()]
    const headers = await signedHeaders([next, old], 'e1', 1e12, '{}')
    expect(headers['webhook-signature']?.split(' ')).toHaveLength(2)
    expect(isFromParley(old, headers, '{}', 1e12)).toBe(true)
    expect(isFromParley(next, headers, '{}', 1e12)).toBe(true)
  })

  test('is made with no secret that is none', async () => {
    await expect(signedHeaders(['whsec_short'], 'e1', 0, '')).rejects.toThrow(TypeError)
  })
})

describe('a secret', () => {
  const of = (bytes: number): string => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`

  test('that is made is one, and none is made twice', () => {
    const made = Array.from({ length: 50 }, newWebhookSecret)
    expect(new Set(made).size).toBe(50)
    for (const secret of made) expect(secretBytes(secret)).toHaveLength(32)
  })

  test.each([...Array(80).keys()])(
    'of %i bytes is taken from 24 to 64, by the code and by the shape',
    (n) => {
      const isOne = n >= 24 && n <= 64
      expect(secretBytes(of(n)) !== null).toBe(isOne)
      expect(webhookSecret.safeParse(of(n)).success).toBe(isOne)
    },
  )

  test.each(['', 'whsec_', of(32).slice(6), `${of(32)} `, of(32).replace('whsec', 'whpk'), 'whsec_%%%%'])(
    'is not %j',
    (text) => {
      expect(secretBytes(text)).toBeNull()
      expect(webhookSecret.safeParse(text).success).toBe(false)
    },
  )
})

describe('a sealed secret', () => {
  const seals = (...secrets: string[]) => new SealedSecrets(() => Promise.resolve(secrets))
  const [FIRST, SECOND, THIRD] = ['first', 'second', 'third'].map((word) => word.repeat(8)) as [
    string,
    string,
    string,
  ]

  test('opens for its endpoint, is another text each time, and shows nothing of the secret', async () => {
    const secret = newWebhookSecret()
    const [one, two] = [await seals(FIRST).seal('wh_1', secret), await seals(FIRST).seal('wh_1', secret)]
    expect(one).not.toBe(two)
    expect(Buffer.from(one.split('.').at(-1) ?? '', 'base64url').toString('latin1')).not.toContain(secret)
    expect(await seals(FIRST).open('wh_1', one)).toBe(secret)
    expect(await seals(FIRST).open('wh_2', one)).toBeNull()
  })

  test('opens while AUTH_SECRET is being replaced, and not afterwards', async () => {
    const sealed = await seals(FIRST).seal('wh_1', 'whsec_x')
    expect(await seals(SECOND, FIRST).open('wh_1', sealed)).toBe('whsec_x')
    expect(await seals(THIRD, SECOND).open('wh_1', sealed)).toBeNull()
  })

  test('says by which key it was sealed', async () => {
    const both = seals(SECOND, FIRST)
    const old = await seals(FIRST).seal('wh_1', 'whsec_x')
    expect(old.startsWith(await both.currentPrefix())).toBe(false)
    expect((await both.seal('wh_1', 'whsec_x')).startsWith(await both.currentPrefix())).toBe(true)
  })

  test('that was changed does not open', async () => {
    const sealed = await seals(FIRST).seal('wh_1', 'whsec_x')
    const parts = sealed.split('.')
    for (const index of [0, 1, 2, 3]) {
      const flipped = (parts[index] ?? '').replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A'))
      expect(await seals(FIRST).open('wh_1', parts.with(index, flipped).join('.'))).toBeNull()
    }
    for (const text of ['', '.', 'v1...', 'v1.a.b.c.d'])
      expect(await seals(FIRST).open('wh_1', text)).toBeNull()
  })
})
