/**
 * What reaches the log: one JSON object per line, and never a secret, wherever somebody put it.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLogger, redact } from '../../src/observability/logger.ts'

function setUp(base: Record<string, unknown> = {}, secrets: readonly string[] = []) {
  const lines: string[] = []
  const levels: string[] = []
  const logger = createLogger(
    base,
    (level, line) => {
      levels.push(level)
      lines.push(line)
    },
    secrets,
  )
  const last = () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
  return { logger, lines, levels, last }
}

const base64url = fc.string({
  unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.split('')),
  minLength: 20,
  maxLength: 60,
})

/** Secrets that are known by their form, each with what in it must not be seen. */
const knownByForm = fc.oneof(
  fc.tuple(base64url, base64url, base64url).map(([head, body, signature]) => ({
    text: `eyJ${head}.${body}.${signature}`,
    secrets: [body, signature],
  })),
  base64url.map((key) => ({ text: `sk-${key}`, secrets: [key] })),
  base64url.map((key) => ({ text: `sk-proj-${key}`, secrets: [key] })),
  base64url.map((key) => ({ text: `rt_${key}`, secrets: [key] })),
  base64url.map((key) => ({ text: `pk_0123456789abcdef01234567_${key}`, secrets: [key] })),
  fc
    .emailAddress({ size: 'small' })
    .filter((address) => /^[\w.+'-]{1,64}@/.test(address))
    .map((address) => ({ text: `nobody is ${address} here`, secrets: [address] })),
  base64url.map((key) => ({ text: `Bearer ${key}`, secrets: [key] })),
  base64url.map((key) => ({ text: `authorization: bearer   ${key}`, secrets: [key] })),
  base64url.map((key) => ({ text: `https://user:${key}@models.example/v1`, secrets: [key] })),
  fc
    .tuple(base64url, fc.constantFrom('ticket', 'token', 'access_token', 'key', 'api_key'))
    .map(([key, name]) => ({ text: `GET https://parley.example/ws?a=1&${name}=${key}`, secrets: [key] })),
)

/** Names under which whatever stands is a secret. */
const TELLING = [
  'authorization',
  'Authorization',
  'cookie',
  'set-cookie',
  'password',
  'newPassword',
  'refreshToken',
  'email',
  'AUTH_SECRET',
  'clientSecret',
  'accessToken',
  'refresh_token',
  'ticket',
  'OPENAI_API_KEY',
  'x-api-key',
]

describe('a secret never reaches the log', () => {
  test('known by its form, anywhere in a text, at any depth', () => {
    const surroundings = fc.tuple(fc.string({ maxLength: 3_000 }), fc.string({ maxLength: 50 }))
    const wraps = fc.constantFrom<((text: string) => unknown)[]>(
      (text) => text,
      (text) => [text],
      (text) => ({ note: { more: [text] } }),
      (text) => ({ a: { b: { c: { d: { e: text } } } } }),
    )
    fc.assert(
      fc.property(knownByForm, surroundings, wraps, ({ text, secrets }, [before, after], wrap) => {
        const { logger, lines } = setUp()
        const whole = `${before} ${text} ${after}`
        logger.info('event', { value: wrap(whole) })
        logger.error('failed', new Error(whole, { cause: new Error(whole) }))
        for (const secret of secrets) expect(lines.join('\n')).not.toContain(secret)
      }),
      { numRuns: 500 },
    )
  })

  test('not even a part of it, where a long text is cut', () => {
    fc.assert(
      fc.property(knownByForm, fc.integer({ min: 0, max: 120 }), ({ text, secrets }, back) => {
        const cut = String(redact(`${'x'.repeat(2_000 - back)} ${text}`))
        for (const secret of secrets) expect(cut).not.toContain(secret.slice(0, 10))
      }),
      { numRuns: 500 },
    )
  })

  test('known by its value, wherever it stands and whatever it looks like', () => {
    const secret = fc
      .string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 60 })
      .map((text) => text.trim())
    const secrets = fc.array(
      secret.filter((text) => text.length >= 8),
      { minLength: 1, maxLength: 3 },
    )
    const padding = fc.constantFrom('', ' ', 'x', 'sk-', 'Bearer ', '?token=', 'y'.repeat(1_990))
    fc.assert(
      fc.property(secrets, padding, padding, (values, before, after) => {
        const { logger, lines } = setUp({}, values)
        for (const value of values) {
          for (const text of [value, encodeURIComponent(value), JSON.stringify({ value })]) {
            const whole = `${before}${text}${after}`
            logger.with({ note: whole }).info('event', { list: [whole], [whole]: 1 })
            logger.error('failed', new Error(whole, { cause: new Error(whole) }))
          }
        }
        for (const line of lines) {
          const { time: _, stack: __, ...entry } = JSON.parse(line) as Record<string, unknown>
          // Ours: names, marks, and what stands around.
          for (const value of values)
            expect(JSON.stringify(entry)).not.toContain(JSON.stringify(value).slice(1, -1))
        }
      }),
    )
  })

  test('known by its value, also where it begins like another or is cut', () => {
    const [short, long] = ['gsk_01234567', 'gsk_01234567-and-more']
    const { logger, lines } = setUp({}, [short, long])
    logger.info('event', { text: `${'x'.repeat(1_990)}${long}`, both: `${long} ${short}` })
    expect(lines[0]).not.toContain('gsk_')
    expect(lines[0]).not.toContain('and-more')
    expect(lines[0]).toContain('[redacted] [redacted]')
  })

  test.each(TELLING)('whatever stands under the name %s', (name) => {
    const { logger, lines } = setUp({ [name]: 'hunter2' })
    logger.info('event', { headers: [{ [name]: 'hunter2' }], [name]: { nested: 'hunter2' } })
    logger.error('failed', 'plain', { [name]: 'hunter2' })
    expect(lines.join('\n')).not.toContain('hunter2')
  })
})

describe('a line of the log', () => {
  test('is one line of JSON with its level, event and time, and the details of its logger', () => {
    const { logger, lines, last } = setUp({ service: 'parley' })
    logger.with({ requestId: 'r1' }).info('request', { path: '/a\nb', status: 200 })
    expect(lines[0]).not.toContain('\n')
    expect(last()).toMatchObject({
      level: 'info',
      event: 'request',
      service: 'parley',
      requestId: 'r1',
      path: '/a\nb',
      status: 200,
    })
    expect(new Date(String(last()['time'])).toISOString()).toBe(last()['time'])
  })

  test('goes to the console as its level', () => {
    const { logger, levels } = setUp()
    logger.info('a')
    logger.warn('b')
    logger.error('c', new Error('x'))
    expect(levels).toEqual(['info', 'warn', 'error'])
  })

  test('keeps what helps: ordinary words, ids, counts of tokens', () => {
    const details = {
      userId: 'guest:1',
      outputTokens: 12,
      path: '/api/chat',
      note: 'the key is under the mat',
    }
    expect(redact(details)).toEqual(details)
  })

  test('tells an error with its stack and its cause, and what was thrown that is none', () => {
    const { logger, last } = setUp()
    logger.error('failed', new TypeError('no', { cause: new Error('why') }))
    expect(last()).toMatchObject({ error: 'no', errorName: 'TypeError', cause: 'why' })
    expect(last()['stack']).toContain('logger.test.ts')
    logger.error('failed', 'just text')
    expect(last()).toMatchObject({ error: 'just text' })
  })

  test('is written whatever it is given, and stays short', () => {
    const loop: Record<string, unknown> = {}
    loop['self'] = loop
    const { logger, lines } = setUp()
    logger.info('event', {
      loop,
      big: 2n ** 80n,
      none: undefined,
      list: Array.from({ length: 1_000 }, () => 1),
    })
    logger.info('event', { long: 'y'.repeat(1_000_000) })
    expect(lines).toHaveLength(2)
    for (const line of lines) expect(line.length).toBeLessThan(3_000)
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true }), (any) => {
        logger.info('event', { any })
      }),
    )
  })
})
