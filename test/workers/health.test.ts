/**
 * Health: that the Worker runs, and whether what it needs answers. Each part is really taken away.
 */
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, inject, test } from 'vitest'
import { app } from '../../src/app.ts'
import type { Env } from '../../src/env.ts'
import { readyAnswer } from '../../src/protocol/http.ts'
import { ask } from './worker-guest.ts'

const PRODUCTION = { ENVIRONMENT: 'production', AUTH_SECRET: 'k3Jx9vQm2LpT7wZr5YbN8cDf4GhS6aEu' }

async function readyWith(variables: Record<string, unknown>) {
  const own = { ...env, ...variables } as unknown as Env
  const request = new Request('http://parley.test/api/health/ready')
  const response = await app.fetch(request, own, createExecutionContext())
  return { status: response.status, ...readyAnswer.parse(await response.json()) }
}

describe('health', () => {
  test('is live', async () => {
    const response = await ask('/api/health')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ state: 'live' })
  })

  test('is ready when every part answers, each with its time', async () => {
    const { status, state, components } = await readyWith({})
    expect({ status, state }).toEqual({ status: 200, state: 'ready' })
    for (const component of Object.values(components)) {
      expect(component).toEqual({ state: 'up', ms: expect.any(Number) as number })
    }
  })

  test('is ready for many who ask at once', async () => {
    const responses = await Promise.all(Array.from({ length: 20 }, () => ask('/api/health/ready')))
    expect(responses.map((response) => response.status)).toEqual(Array(20).fill(200))
  })

  test.each([
    ['refuses connections', () => 'http://127.0.0.1:9/v1'],
    ['answers 500', () => `${inject('modelUrl')}/status/500/v1`],
    ['refuses the key', () => `${inject('modelUrl')}/status/401/v1`],
    ['says nothing', () => `${inject('modelUrl')}/hang/v1`],
  ])('is down when the provider %s, and the others are up', async (_, url) => {
    const { status, state, components } = await readyWith({
      OPENAI_BASE_URL: url(),
      OPENAI_API_KEY: 'sk-hunter2-hunter2',
    })
    expect({ status, state }).toEqual({ status: 503, state: 'down' })
    expect(components).toMatchObject({
      d1: { state: 'up' },
      conversations: { state: 'up' },
      provider: { state: 'down', detail: expect.any(String) as string },
    })
    expect(JSON.stringify(components)).not.toContain('hunter2')
  })

  test('is down when D1 fails, and the others are up', async () => {
    const DB = { prepare: () => ({ first: () => Promise.reject(new Error('D1 is down')) }) }
    const { status, components } = await readyWith({ ...PRODUCTION, DB })
    expect(status).toBe(503)
    expect(components).toMatchObject({
      d1: { state: 'down' },
      conversations: { state: 'up' },
      provider: { state: 'up' },
    })
  })

  test('is down when conversations cannot be reached', async () => {
    const CONVERSATIONS = {
      idFromName: () => {
        throw new Error('no such namespace')
      },
    }
    const { status, components } = await readyWith({ CONVERSATIONS })
    expect(status).toBe(503)
    expect(components).toMatchObject({ d1: { state: 'up' }, conversations: { state: 'down' } })
  })
})
