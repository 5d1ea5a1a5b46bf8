/**
 * Health: that the Worker runs, and whether what it needs answers. Each part is really taken away.
 */
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, inject, test, vi } from 'vitest'
import { app } from '../../src/app.ts'
import type { Env } from '../../src/env.ts'
import { readyAnswer } from '../../src/protocol/http.ts'
import { askWith } from './http-checks.ts'
import { silentAtFirst } from './silent-d1.ts'
import { ask } from './worker-guest.ts'

const PRODUCTION = { ENVIRONMENT: 'production', AUTH_SECRET: 'hunter2m2LpT7wZr5YbN8cDf4GhS6aEu' }

const askReady = async (own: Env): Promise<Response> =>
  await app.fetch(new Request('http://parley.test/api/health/ready'), own, createExecutionContext())

async function readyWith(variables: Record<string, unknown>) {
  const response = await askReady({ ...env, ...variables })
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

  test.each([
    ['locally', {}],
    ['in production', PRODUCTION],
  ])('is live, and says what is down, when D1 fails %s', async (_, variables) => {
    const fail = () => Promise.reject(new Error('D1 is down'))
    const statement = { first: fail, run: fail, all: fail, bind: () => statement }
    const DB = { prepare: () => statement, batch: fail }
    expect((await askWith({ ...variables, DB }, '/api/health')).status).toBe(200)
    const { status, state, components } = await readyWith({ ...variables, DB })
    expect({ status, state }).toEqual({ status: 503, state: 'down' })
    expect(components).toMatchObject({
      d1: { state: 'down' },
      conversations: { state: 'up' },
      provider: { state: 'up' },
    })
  })

  test('is not held up by a request that went away and took its probes along', async () => {
    const own = { ...env, ...PRODUCTION, DB: silentAtFirst() } as unknown as Env
    const [gone, next] = await Promise.all([askReady(own), askReady(own)])
    expect(readyAnswer.parse(await gone.json()).components.d1.state).toBe('down')
    expect(readyAnswer.parse(await next.json()).components.d1.state).toBe('up')
  })

  test('is asked of the parts by one request at a time, once there is an answer', async () => {
    let pings = 0
    const DB = new Proxy(env.DB, {
      get(db, name) {
        if (name === 'prepare') pings++
        return (Reflect.get(db, name) as (...args: unknown[]) => unknown).bind(db)
      },
    })
    const own = { ...env, ...PRODUCTION, DB } as unknown as Env
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      await askReady(own)
      expect(pings).toBe(1)
      vi.setSystemTime(Date.now() + 10_000)
      const responses = await Promise.all(Array.from({ length: 20 }, () => askReady(own)))
      expect(responses.map((response) => response.status)).toEqual(Array(20).fill(200))
      expect(pings).toBe(2)
    } finally {
      vi.useRealTimers()
    }
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
