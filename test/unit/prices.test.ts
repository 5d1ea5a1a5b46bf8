/**
 * What a turn costs: by the longest name that fits, in whole micro-dollars. And what plans an operator ends up with.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { unstable_readConfig } from 'wrangler'
import { countsTurns, DEFAULT_PLANS, mergePlans, planOf } from '../../src/limits/plans.ts'
import { costOf, DEFAULT_PRICES } from '../../src/models/prices.ts'
import { PARLEY_CONFIG } from '../support/built-worker.ts'

const million = { inputTokens: 1_000_000, outputTokens: 1_000_000 }

describe('the price of a turn', () => {
  test.each([
    ['gpt-4o', 12_500_000],
    ['gpt-4o-2024-08-06', 12_500_000],
    ['gpt-4o-mini', 750_000],
    ['gpt-4o-mini-2024-07-18', 750_000],
  ])('is that of its model or version: %s', (model, micros) => {
    expect(costOf(DEFAULT_PRICES, model, million)).toEqual({ micros, priced: true })
  })

  test.each(['gpt-4omni', 'unknown', '', 'constructor'])('is not known for %j', (model) => {
    expect(costOf(DEFAULT_PRICES, model, million)).toEqual({ micros: 0, priced: false })
  })

  test('is rounded up to whole micro-dollars, so that many small turns are not free', () => {
    const one = { inputTokens: 1, outputTokens: 0 }
    expect(costOf(DEFAULT_PRICES, 'gpt-4o-mini', one)).toEqual({ micros: 1, priced: true })
  })
})

describe('plans', () => {
  test('are the standard ones with what was changed', () => {
    const plans = mergePlans({
      free: { messagesPerDay: 3, buckets: { read: { capacity: 1, perSecond: 2 } } },
      team: { tokensPerDay: null },
    })
    expect(plans['free']).toEqual({
      ...DEFAULT_PLANS.free,
      messagesPerDay: 3,
      buckets: { ...DEFAULT_PLANS.free.buckets, read: { capacity: 1, perSecond: 2 } },
    })
    expect(plans['team']).toEqual({ ...DEFAULT_PLANS.free, tokensPerDay: null })
    expect(plans['guest']).toEqual(DEFAULT_PLANS.guest)
  })

  test.each([
    [{ kind: 'guest' }, null, 'guest'],
    [{ kind: 'user' }, null, 'free'],
    [{ kind: 'user', plan: 'pro' }, null, 'pro'],
    [{ kind: 'user', plan: 'pro' }, 'unlimited', 'unlimited'],
    [{ kind: 'user', plan: 'gone' }, 'gone-too', 'free'],
    [{ kind: 'user', plan: 'constructor' }, null, 'free'],
  ] as const)('%j, given %s, has %s', (facts, given, name) => {
    expect(planOf(DEFAULT_PLANS, facts, given).name).toBe(name)
  })

  test('only those that limit turns ask for each turn', () => {
    expect(Object.entries(DEFAULT_PLANS).filter(([, plan]) => !countsTurns(plan))).toEqual([
      ['unlimited', DEFAULT_PLANS.unlimited],
    ])
  })
})

test('the flood guard says of itself what it does', () => {
  expect(readFileSync(PARLEY_CONFIG, 'utf8')).toContain('[[env.production.ratelimits]]')
  for (const env of [undefined, 'production']) {
    const { ratelimits, vars } = unstable_readConfig({ config: PARLEY_CONFIG, env })
    expect(ratelimits).toMatchObject([
      { name: 'FLOOD_GUARD', simple: { limit: vars['FLOOD_LIMIT'], period: 10 } },
    ])
  }
})
