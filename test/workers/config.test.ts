/**
 * Configuration: what is taken when nothing is set, and what is said when something is wrong. A value that is wrong may
 * be a secret in the wrong place, so it is never repeated.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readConfig, secretValues, type Config, type Env } from '../../src/env.ts'
import { AppError } from '../../src/errors.ts'

const SECRET = 'hunter2m2LpT7wZr5YbN8cDf4GhS6aEu'

function read(variables: Record<string, unknown>): Config {
  return readConfig({ ENVIRONMENT: 'local', ...variables } as unknown as Env)
}

function refusal(variables: Record<string, unknown>): AppError {
  try {
    read(variables)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('it was accepted')
}

describe('the configuration', () => {
  test('needs nothing locally', () => {
    expect(read({})).toMatchObject({
      isLocal: true,
      OPENAI_MODEL: 'gpt-4o-mini',
      MAX_BODY_BYTES: 1024 * 1024,
      MAX_QUEUED_TURNS: 16,
      AUDIT_RETENTION_DAYS: 400,
      CORS_ORIGINS: [],
    })
  })

  test('takes numbers as text, and lists with commas', () => {
    expect(
      read({ MAX_QUEUED_TURNS: '3', CORS_ORIGINS: 'https://a.example, https://b.example,' }),
    ).toMatchObject({ MAX_QUEUED_TURNS: 3, CORS_ORIGINS: ['https://a.example', 'https://b.example'] })
  })

  test.each([
    ['*', '*'],
    ['https://A.Example', 'https://a.example'],
    ['HTTPS://a.example:443', 'https://a.example'],
    ['http://localhost:5173', 'http://localhost:5173'],
    ['http://[::1]:8080', 'http://[::1]:8080'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['Capacitor://LocalHost', 'capacitor://localhost'],
  ])('takes the origin %s as browsers send it', (text, origin) => {
    expect(read({ CORS_ORIGINS: text }).CORS_ORIGINS).toEqual([origin])
  })

  test('takes plans, prices and rates as JSON, and names what is wrong in them', () => {
    const plans = { free: { messagesPerDay: 3 } }
    for (const PLANS of [JSON.stringify(plans), plans]) expect(read({ PLANS }).PLANS).toEqual(plans)
    expect(read({ PLANS: ' ', MODEL_PRICES: '' })).toMatchObject({
      PLANS: {},
      MODEL_PRICES: {},
      FRAME_RATES: {},
      INCIDENT_RULES: { reopenMinutes: 10 },
    })
    for (const [variables, named] of [
      [{ PLANS: '{' }, 'PLANS is invalid: is not valid JSON'],
      [{ PLANS: '{"free":{"messagesPerDay":-1}}' }, 'PLANS.free.messagesPerDay'],
      [{ PLANS: '{"free":{"messages":1}}' }, 'PLANS.free'],
      [
        { PLANS: '{"free":{"buckets":{"read":{"capacity":0,"perSecond":1}}}}' },
        'PLANS.free.buckets.read.capacity',
      ],
      [{ MODEL_PRICES: '{"m":{"input":1}}' }, 'MODEL_PRICES.m.output'],
      [{ FRAME_RATES: '[]' }, 'FRAME_RATES'],
      [{ MODEL_PROVIDERS: '[]' }, 'MODEL_PROVIDERS'],
      [{ MODEL_PROVIDERS: '[{"name":"a","kind":"openai"}]' }, 'MODEL_PROVIDERS.0.models'],
      [{ MODEL_PROVIDERS: '[{"name":"A","kind":"offline"}]' }, 'MODEL_PROVIDERS.0.name'],
      [
        { MODEL_PROVIDERS: '[{"name":"all","kind":"offline"}]' },
        'MODEL_PROVIDERS.0.name is invalid: must not be "all"',
      ],
      [{ MODEL_PROVIDERS: '[{"name":"a","kind":"offline","key":"sk-1"}]' }, 'MODEL_PROVIDERS.0.key'],
      [{ INCIDENT_RULES: '{"rules":{"error_rate":{"open":5}}}' }, 'INCIDENT_RULES.rules.error_rate.close'],
      [{ BREAKER: '{"failureShare":0}' }, 'BREAKER.failureShare'],
      [{ BREAKER: '{"probes":1.5}' }, 'BREAKER.probes'],
      [{ BREAKER: '{"openS":15}' }, 'BREAKER'],
    ] as const)
      expect(refusal(variables).message).toContain(named)
  })

  test('takes a part of the numbers of a breaker, and the standard for the rest', () => {
    const standard = read({}).BREAKER
    expect(standard).toMatchObject({ windowMs: 30_000, failureShare: 0.5, openMs: 15_000, probes: 3 })
    expect(read({ BREAKER: '{"openMs":1000}' }).BREAKER).toEqual({ ...standard, openMs: 1_000 })
  })

  test('takes an empty variable for one that is not set', () => {
    const names = [
      'AUTH_SECRET',
      'AUTH_SECRET_PREVIOUS',
      'AUTH_JWKS_URL',
      'AUTH_ISSUER',
      'AUTH_AUDIENCE',
      'AUTH_ROLE_CLAIM',
      'AUTH_ROLE_MAP',
      'MODEL_PROVIDERS',
      'MODEL_RETRIES',
      'MODEL_CONTINUE',
      'MODEL_HEDGE_MS',
      'MODEL_TOTAL_TIMEOUT_MS',
      'OPENAI_API_KEY',
      'OPENAI_BASE_URL',
      'OPENAI_MODEL',
      'OPENAI_MODELS',
      'SYSTEM_PROMPT',
      'CONTEXT_TOKENS',
      'FIRST_TOKEN_TIMEOUT_MS',
      'CHUNK_GAP_TIMEOUT_MS',
      'MAX_QUEUED_TURNS',
      'TURN_WATCHDOG_MS',
      'MAX_BODY_BYTES',
      'CORS_ORIGINS',
      'OFFLINE_PACE_MS',
    ]
    for (const empty of ['', '  ']) {
      expect(read(Object.fromEntries(names.map((name) => [name, empty])))).toEqual(read({}))
    }
  })

  test('is production when nothing says otherwise', () => {
    const unset = { AUTH_SECRET: SECRET } as unknown as Env
    expect(readConfig(unset)).toMatchObject({ ENVIRONMENT: 'production', isLocal: false })
  })

  test('knows which of its values are secrets: by their names, unless they are too short to be any', () => {
    const env = {
      AUTH_SECRET: ` ${SECRET}\n`,
      OPENAI_API_KEY: 'gsk_0123456789',
      SEARCH_TOKEN: 'tok-0123456789',
      DB_PASSWORD: 'hunter2-hunter2',
      OTHER_KEY: 'local',
      MISTRAL: 'mis-0123456789',
      MODEL_PROVIDERS: '[{"name":"m","kind":"openai","key" : "MISTRAL","models":["m"]}]',
      OPENAI_MODEL: 'gpt-4o-mini-and-more',
      FIRST_TOKEN_TIMEOUT_MS: '30000',
      CONTEXT_TOKENS: '1000000',
      DB: { AUTH_SECRET: 'no text' },
    } as unknown as Env
    expect(secretValues(env)).toEqual([
      SECRET,
      'gsk_0123456789',
      'tok-0123456789',
      'hunter2-hunter2',
      'mis-0123456789',
    ])
  })

  test('is read once for each environment', () => {
    const env = { ENVIRONMENT: 'local' } as unknown as Env
    expect(readConfig(env)).toBe(readConfig(env))
  })
})

describe('a configuration that is wrong', () => {
  test.each([
    ['AUDIT_RETENTION_DAYS', '29'],
    ['AUDIT_RETENTION_DAYS', '-1'],
    ['MAX_QUEUED_TURNS', 'many'],
    ['MAX_QUEUED_TURNS', '-1'],
    ['MAX_QUEUED_TURNS', '1.5'],
    ['MAX_BODY_BYTES', '1'],
    ['CONTEXT_TOKENS', '1e99'],
    ['TURN_WATCHDOG_MS', 'NaN'],
    ['OPENAI_BASE_URL', 'models.example/v1'],
    ['OPENAI_BASE_URL', 'ftp://models.example'],
    ['ENVIRONMENT', 'staging'],
    ['MODEL_CONTINUE', 'maybe'],
    ['MODEL_RETRIES', '11'],
    ['AUTH_JWKS_URL', 'idp.example/jwks'],
    ['AUTH_SECRET_PREVIOUS', 'changeme'],
    ['AUTH_ROLE_MAP', 'admins'],
    ['AUTH_ROLE_MAP', '=admin'],
    ['AUTH_ROLE_MAP', 'ops=root'],
    ['AUTH_ROLE_MAP', 'ops=service'],
    ['CORS_ORIGINS', 'a.example'],
    ['CORS_ORIGINS', 'https://a.example/'],
    ['CORS_ORIGINS', 'https://a.example/app'],
    ['CORS_ORIGINS', 'https://a.example?x'],
    ['CORS_ORIGINS', 'https://*.a.example'],
    ['CORS_ORIGINS', 'https://me@a.example'],
    ['CORS_ORIGINS', 'https://a.example:99999'],
    ['CORS_ORIGINS', 'https://'],
    ['CORS_ORIGINS', 'null'],
    ['CORS_ORIGINS', '*, a.example'],
    ['CORS_ORIGINS', 'https://a.example https://b.example'],
  ])('names the variable: %s=%s', (name, value) => {
    const error = refusal({ [name]: value })
    expect(error).toMatchObject({ code: 'misconfigured', status: 503, retryable: false })
    expect(error.message).toContain(name)
  })

  const PROVIDER = {
    AUTH_JWKS_URL: 'https://idp.example/jwks',
    AUTH_ISSUER: 'https://idp.example',
    AUTH_AUDIENCE: 'parley',
  }

  test.each([
    ['AUTH_AUDIENCE', { ...PROVIDER, AUTH_AUDIENCE: '' }],
    ['AUTH_ISSUER', { AUTH_JWKS_URL: PROVIDER.AUTH_JWKS_URL }],
    ['AUTH_JWKS_URL', { AUTH_ISSUER: PROVIDER.AUTH_ISSUER }],
    ['AUTH_ISSUER', { ...PROVIDER, AUTH_ISSUER: 'parley' }],
    [
      'AUTH_JWKS_URL',
      { ...PROVIDER, AUTH_JWKS_URL: 'http://idp.example', ENVIRONMENT: 'production', AUTH_SECRET: SECRET },
    ],
  ])('A8 an identity provider that is named in part, or unsafely, is refused: %s', (name, variables) => {
    expect(refusal(variables).message).toContain(name)
    expect(read({ ...PROVIDER, AUTH_ROLE_MAP: 'a=b=admin, ops=moderator' }).AUTH_ROLE_MAP).toEqual(
      new Map([
        ['a=b', 'admin'],
        ['ops', 'moderator'],
      ]),
    )
  })

  test('never repeats a value', () => {
    const names = fc.constantFrom('MAX_QUEUED_TURNS', 'OPENAI_BASE_URL', 'ENVIRONMENT', 'CONTEXT_TOKENS')
    fc.assert(
      fc.property(names, fc.uuid(), (name, value) => {
        expect(refusal({ [name]: value }).message).not.toContain(value)
      }),
    )
  })

  test.each([
    ['none', undefined],
    ['an empty one', ''],
    ['one of spaces', '    '],
    ['a short one', SECRET.slice(0, 31)],
    ['one letter over and over', 'a'.repeat(64)],
    ['few different letters', 'abcdefg'.repeat(8)],
  ])('production does not start with %s for a secret', (_, secret) => {
    const error = refusal({ ENVIRONMENT: 'production', AUTH_SECRET: secret })
    expect(error).toMatchObject({ code: 'misconfigured', status: 503 })
    expect(error.message).toContain('AUTH_SECRET')
    if (secret?.trim()) expect(error.message).not.toContain(secret)
  })

  test('a weak secret is refused locally too: it would be in use unnoticed', () => {
    expect(refusal({ AUTH_SECRET: 'changeme' }).message).toContain('AUTH_SECRET')
  })

  test('a good secret is taken, also with a line end behind it', () => {
    expect(read({ ENVIRONMENT: 'production', AUTH_SECRET: `${SECRET}\n` }).AUTH_SECRET).toBe(SECRET)
  })
})

describe('the webhook of operators', () => {
  const ALERT_WEBHOOK_SECRET = `whsec_${btoa('x'.repeat(32))}`
  const ALERT_WEBHOOK_URL = 'https://hooks.example/in'

  test('is taken whole', () => {
    expect(read({ ALERT_WEBHOOK_URL, ALERT_WEBHOOK_SECRET })).toMatchObject({
      ALERT_WEBHOOK_URL,
      ALERT_WEBHOOK_SECRET,
    })
  })

  test.each([
    ['ALERT_WEBHOOK_SECRET', { ALERT_WEBHOOK_URL }],
    ['ALERT_WEBHOOK_URL', { ALERT_WEBHOOK_SECRET }],
    ['ALERT_WEBHOOK_URL', { ALERT_WEBHOOK_URL: 'hooks', ALERT_WEBHOOK_SECRET }],
    ['ALERT_WEBHOOK_SECRET', { ALERT_WEBHOOK_URL, ALERT_WEBHOOK_SECRET: 'hunter2' }],
    [
      'ALERT_WEBHOOK_URL',
      {
        ENVIRONMENT: 'production',
        AUTH_SECRET: SECRET,
        ALERT_WEBHOOK_SECRET,
        ALERT_WEBHOOK_URL: 'http://hooks.example/',
      },
    ],
  ])('is refused in part or wrong, by the name of the variable: %s', (name, variables) => {
    const { code, message } = refusal(variables)
    expect(code).toBe('misconfigured')
    expect(message).toContain(name)
    expect(message).not.toContain('hunter2')
  })
})
