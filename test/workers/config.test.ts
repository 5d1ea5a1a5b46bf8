/**
 * Configuration: what is taken when nothing is set, and what is said when something is wrong. A value that is wrong may
 * be a secret in the wrong place, so it is never repeated.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readConfig, type Config, type Env } from '../../src/env.ts'
import { AppError } from '../../src/errors.ts'

const SECRET = 'k3Jx9vQm2LpT7wZr5YbN8cDf4GhS6aEu'

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
      CORS_ORIGINS: [],
    })
  })

  test('takes numbers as text, and lists with commas', () => {
    expect(
      read({ MAX_QUEUED_TURNS: '3', CORS_ORIGINS: 'https://a.example, https://b.example,' }),
    ).toMatchObject({ MAX_QUEUED_TURNS: 3, CORS_ORIGINS: ['https://a.example', 'https://b.example'] })
  })

  test('takes an empty variable for one that is not set', () => {
    const names = [
      'AUTH_SECRET',
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

  test('is read once for each environment', () => {
    const env = { ENVIRONMENT: 'local' } as unknown as Env
    expect(readConfig(env)).toBe(readConfig(env))
  })
})

describe('a configuration that is wrong', () => {
  test.each([
    ['MAX_QUEUED_TURNS', 'many'],
    ['MAX_QUEUED_TURNS', '-1'],
    ['MAX_QUEUED_TURNS', '1.5'],
    ['MAX_BODY_BYTES', '1'],
    ['CONTEXT_TOKENS', '1e99'],
    ['TURN_WATCHDOG_MS', 'NaN'],
    ['OPENAI_BASE_URL', 'models.example/v1'],
    ['OPENAI_BASE_URL', 'ftp://models.example'],
    ['ENVIRONMENT', 'staging'],
  ])('names the variable: %s=%s', (name, value) => {
    const error = refusal({ [name]: value })
    expect(error).toMatchObject({ code: 'misconfigured', status: 503, retryable: false })
    expect(error.message).toContain(name)
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
