/**
 * Who is asked, in which order; what callers may name; and the list of providers that a configuration means.
 */
import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import {
  candidatesOf,
  defaultModelOf,
  firstToAsk,
  namesOf,
  type Offers,
} from '../../src/models/candidates.ts'
import type { Verdict } from '../../src/models/provider-gate.ts'
import { pricesOf, providersOf } from '../../src/models/provider-list.ts'
import { providerList } from '../../src/protocol/provider-config.ts'

const offers: Offers = [
  { name: 'a', models: ['a-small', 'a-large'], tiers: { fast: 'a-small', smart: 'a-large' } },
  { name: 'b', models: ['b-one', 'b-large', 'shared'], tiers: { smart: 'b-large', vision: 'b-eye' } },
  { name: 'c', models: ['c-one', 'shared'], tiers: { fast: 'c-one' } },
]

describe('candidates', () => {
  test.each([
    ['nothing: the first model, then the same tier elsewhere', '', ['a/a-small', 'b/b-one', 'c/c-one']],
    ['a model of a tier', 'a-large', ['a/a-large', 'b/b-large', 'c/c-one']],
    ['a model of a later provider', 'b-large', ['b/b-large', 'a/a-large', 'c/c-one']],
    ['a model that two have', 'shared', ['b/shared', 'c/shared', 'a/a-small']],
    ['a model of no tier', 'b-one', ['b/b-one', 'a/a-small', 'c/c-one']],
    ['a tier that two have', 'fast', ['a/a-small', 'c/c-one', 'b/b-one']],
    ['a tier of a later provider', 'vision', ['b/b-eye', 'a/a-small', 'c/c-one']],
    ['a tier that nobody has', 'standard', ['a/a-small', 'b/b-one', 'c/c-one']],
    ['a model that is not there any more', 'gone', ['a/a-small', 'b/b-one', 'c/c-one']],
  ])('for %s', (_, name, expected) => {
    expect(candidatesOf(offers, name).map(({ provider, model }) => `${provider}/${model}`)).toEqual(expected)
  })

  test('are named by every listed model and every tier that somebody has', () => {
    expect(namesOf(offers)).toEqual('a-small a-large b-one b-large shared c-one fast smart vision'.split(' '))
    expect(defaultModelOf(offers)).toBe('a-small')
  })
})

const unset = { OPENAI_MODEL: 'gpt-4o-mini', OPENAI_MODELS: [] }

describe('whom a turn waits for', () => {
  const open: Verdict = { ok: false, why: 'breaker_open', retryAfterMs: 1 }
  const paused: Verdict = { ok: false, why: 'paused', reason: '' }
  const half: Verdict = { ok: false, why: 'half_open' }
  const fine: Verdict = { ok: true }
  const all = ['one', 'two', 'three'].map((provider) => ({ provider, model: 'm' }))

  test.each<[string | null, Verdict[]]>([
    ['one', [fine, fine, fine]],
    ['two', [open, fine, half]],
    ['three', [half, paused, fine]],
    ['two', [open, half, half]],
    [null, [open, paused, open]],
  ])('is %s', (expected, verdicts) => {
    const first = firstToAsk(
      all,
      (each) => verdicts[all.findIndex(({ provider }) => provider === each.provider)] ?? fine,
    )
    expect(first?.provider ?? null).toBe(expected)
  })
})

describe('the list of providers', () => {
  test('is offline where nothing is configured', () => {
    expect(providersOf(unset, {})).toMatchObject([{ name: 'offline', kind: 'offline', models: ['offline'] }])
  })

  test('is Workers AI where its binding is all there is', () => {
    expect(providersOf(unset, { AI: {} })).toMatchObject([
      { name: 'workers-ai', kind: 'workers-ai', models: ['@cf/meta/llama-3.3-70b-instruct-fp8-fast'] },
    ])
  })

  test.each([
    ['a key', { OPENAI_API_KEY: 'sk-1' }, { OPENAI_API_KEY: 'sk-1\n' }, 'sk-1', undefined],
    ['an address', { OPENAI_BASE_URL: 'http://m/v1' }, {}, undefined, 'http://m/v1'],
  ])('is what the shorthand says: %s', (_, settings, env, apiKey, baseUrl) => {
    const models = { OPENAI_MODEL: 'one', OPENAI_MODELS: ['two', 'one'] }
    expect(providersOf({ ...models, ...settings }, { ...env, AI: {} })).toMatchObject([
      { name: 'openai', kind: 'openai', apiKey, baseUrl, models: ['one', 'two'] },
    ])
  })

  const MODEL_PROVIDERS = providerList.parse([
    { name: 'own', kind: 'openai', baseUrl: 'http://m/v1', key: 'OWN_KEY', models: ['m'] },
    { name: 'cf', kind: 'workers-ai', models: ['@cf/m'], prices: { m: { input: 9, output: 9 } } },
    { name: 'last', kind: 'offline' },
  ])

  test('is what MODEL_PROVIDERS says, with keys by the names of their secrets', () => {
    const list = providersOf(
      { ...unset, MODEL_PROVIDERS, OPENAI_API_KEY: 'sk-1' },
      { OWN_KEY: ' own ', AI: {} },
    )
    expect(list.map(({ name, apiKey, continuation }) => [name, apiKey, continuation])).toEqual([
      ['own', 'own', 'none'],
      ['cf', undefined, 'none'],
      ['last', undefined, 'none'],
    ])
  })

  test.each([
    ['OWN_KEY', { AI: {} }],
    ['OWN_KEY', { AI: {}, OWN_KEY: '  ' }],
    ['AI', { OWN_KEY: 'own' }],
  ])('is refused without what a provider needs, which is named: %s', (name, env) => {
    expect(() => providersOf({ ...unset, MODEL_PROVIDERS }, env)).toThrow(
      expect.objectContaining({
        code: 'misconfigured',
        message: expect.stringContaining(name) as string,
      }) as AppError,
    )
  })

  test('prices a model as the first provider does that prices it', () => {
    const [own, cf] = providersOf({ ...unset, MODEL_PROVIDERS }, { OWN_KEY: 'own', AI: {} })
    const cheap = { ...own, prices: { m: { input: 1, output: 2 } } }
    expect(pricesOf(cf === undefined ? [] : [cheap, cf])).toEqual({ m: { input: 1, output: 2 } })
  })
})
