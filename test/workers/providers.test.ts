/**
 * Several providers as an installation has them: what callers may name, who answers when the first one fails, which key
 * goes where, and a configuration that lacks a key. In the real runtime, against the model server.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, inject, test } from 'vitest'
import type { Env } from '../../src/env.ts'
import { OPEN_GATE } from '../../src/models/provider-gate.ts'
import { admissionFor } from '../../src/operating.ts'
import { chainOf, providersFor } from '../../src/providers.ts'
import { ask } from '../support/model-answer.ts'
import { askWith } from './http-checks.ts'

const PROVIDERS = () => [
  {
    name: 'down',
    kind: 'openai',
    baseUrl: `${inject('modelUrl')}/status/503/v1`,
    models: ['m-small', 'm-large'],
    tiers: { fast: 'm-small', smart: 'm-large' },
    prices: { 'm-small': { input: 1, output: 1 }, 'test-model': { input: 9, output: 9 } },
  },
  {
    name: 'up',
    kind: 'openai',
    baseUrl: `${inject('modelUrl')}/v1`,
    key: 'UP_KEY',
    models: ['u-small', 'u-large'],
    tiers: { smart: 'u-large' },
  },
  { name: 'last', kind: 'offline' },
]

function installation(variables: Record<string, unknown> = {}) {
  const own = {
    ...env,
    MODEL_PROVIDERS: JSON.stringify(PROVIDERS()),
    UP_KEY: 'sk-up-0123456789',
    ...variables,
  } as unknown as Env
  return { ...providersFor(own), model: chainOf(own, OPEN_GATE) }
}

describe('a provider that is not to be reached, in this runtime', () => {
  test.each([
    ['refuses connections', () => 'http://127.0.0.1:9/v1'],
    ['has no address', () => 'http://nowhere.invalid/v1'],
    ['speaks no TLS', () => `${inject('modelUrl').replace('http:', 'https:')}/v1`],
  ])('because it %s is a network failure', async (_, url) => {
    const MODEL_PROVIDERS = [{ name: 'gone', kind: 'openai', baseUrl: url(), models: ['m'] }]
    const { error } = await ask(installation({ MODEL_PROVIDERS }).model, 'hello')
    expect(error).toMatchObject({ code: 'model_unreachable', failure: 'network', retryable: true })
  })
})

describe('several providers', () => {
  test('may be named by their models and tiers', () => {
    const { names, model, prices, modelBehind } = installation()
    expect(names).toEqual(['m-small', 'm-large', 'u-small', 'u-large', 'offline', 'fast', 'smart'])
    expect(model.defaultModel).toBe('m-small')
    expect(modelBehind('smart')).toBe('m-large')
    expect(modelBehind('m-small-2026')).toBe('m-small-2026')
    // The installation's own prices come before those of providers.
    expect(prices).toMatchObject({
      'm-small': { input: 1, output: 1 },
      'test-model': { input: 0.1, output: 2 },
    })
  })

  test.each([
    ['smart', 'u-large'],
    ['fast', 'u-small'],
    ['u-large', 'u-large'],
  ])('answer for %s by the first that is well: %s', async (name, expected) => {
    const { text, finish } = await ask(installation().model, '[[text="I am up"]]', { model: name })
    expect(text).toBe('I am up')
    expect(finish).toMatchObject({ provider: 'up', model: expected })
    expect(finish?.degraded).toEqual(
      name === 'u-large' ? undefined : { provider: 'up', reason: 'overloaded', instead: 'down' },
    )
  })

  test('are one isolate’s: the same again', () => {
    const own = { ...env } as unknown as Env
    expect(providersFor(own)).toBe(providersFor(own))
  })

  test.each([{}, { ENVIRONMENT: 'production', AUTH_SECRET: 'hunter2m2LpT7wZr5YbN8cDf4GhS6aEu' }])(
    'without a key that one of them needs are not in service, and the secret is named',
    async (variables) => {
      const response = await askWith(
        { ...variables, MODEL_PROVIDERS: JSON.stringify(PROVIDERS()), UP_KEY: '' },
        '/api/health/ready',
      )
      expect(response.status).toBe(503)
      expect(await response.json()).toMatchObject({
        code: 'misconfigured',
        detail: 'UP_KEY, the key of the provider "up", is not set.',
      })
    },
  )
})

test('Q13 an answer that goes on waits for a provider that can go on with it, a new one for the first', () => {
  const limits = { concurrent: 1 }
  const own = {
    ...env,
    MODEL_PROVIDERS: JSON.stringify([
      { name: 'main', kind: 'openai', models: ['m'], limits },
      { name: 'spare', kind: 'openai', models: ['m'], limits, continuation: 'prefill' },
    ]),
  } as unknown as Env
  const admission = admissionFor(own)
  expect([admission.queueOf('m', false), admission.queueOf('m', true)]).toEqual(['main', 'spare'])
  expect([admission.isOfUse('main', 'm', false), admission.isOfUse('main', 'm', true)]).toEqual([true, false])
})
