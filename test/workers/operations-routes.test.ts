/**
 * What an operator asks of `/api/admin/providers` and `/api/admin/switches`, who may, what is refused, what the trail keeps,
 * and that requests which failed on our side are told of.
 */
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { app } from '../../src/app.ts'
import type { Env } from '../../src/env.ts'
import { providersAnswer, resetAnswer, switchState, type SwitchBody } from '../../src/protocol/operations.ts'
import { createServices } from '../../src/services.ts'
import { callReport } from '../support/call-report.ts'
import { askerWith, problemFrom } from './http-checks.ts'
import { personWith, trailOf, type Person } from './people.ts'

const object = () => env.OPERATIONS.get(env.OPERATIONS.idFromName('global'))

let admin: Person
let moderator: Person
beforeAll(async () => {
  admin = await personWith('admin')
  moderator = await personWith('moderator')
})
afterEach(async () => {
  for (const { target } of (await object().overview()).pauses) await object().resume(target, 'user:test')
  await object().reset('openai', null, 'user:test')
})

const providers = async (by = admin) =>
  providersAnswer.strict().parse(await (await by.request('GET', '/api/admin/providers')).json())
const flip = (body: SwitchBody | object, by = admin) => by.request('POST', '/api/admin/switches', body)

let batches = 0
const tell = (reports: ReturnType<typeof callReport>[]) =>
  object().sync({ link: `test-${++batches}`, number: 1, reports, routeFailures: [] })

/** Entries of these people's, newest first, as far as they are about this. */
const entries = async (
  action: 'switch_paused' | 'switch_resumed' | 'breaker_reset' | 'admin_providers_read',
) => await trailOf({ actor: admin.id, action })

/** Nobody waits for this entry: it comes after the answer. */
const readInTrail = (person: Person) =>
  vi.waitFor(async () => {
    expect(await trailOf({ actor: person.id })).toMatchObject([{ action: 'admin_providers_read' }])
  })

describe('GET /api/admin/providers', () => {
  test('K1 tells of each model its breaker and its calls, to moderators as well, and is in the trail', async () => {
    const of = { provider: 'openai', model: 'test-model' }
    await tell([callReport('ok', of), ...Array.from({ length: 5 }, () => callReport('server', of))])
    const answer = await providers(moderator)
    expect(answer).toMatchObject({
      providers: [
        {
          name: 'openai',
          kind: 'openai',
          paused: null,
          models: [
            {
              model: 'test-model',
              breaker: { state: 'open', why: '5 failures in a row, the last: server' },
              recent: {
                calls: 6,
                failures: { server: 5 },
                inputTokens: 60,
                outputTokens: 120,
                costMicros: 246,
              },
            },
            { model: 'other-model', breaker: { state: 'closed', why: null, since: null, retryAt: null } },
          ],
        },
      ],
      pauses: [],
      recentMs: 300_000,
    })
    const { since, retryAt } = answer.providers[0]?.models[0]?.breaker ?? {}
    expect(Date.parse(retryAt ?? '') - Date.parse(since ?? '')).toBe(15_000)
    await readInTrail(moderator)
    // Who watches reads it again and again.
    await providers(moderator)
    expect(await trailOf({ actor: moderator.id, action: 'admin_providers_read' })).toHaveLength(1)
  })

  test('503 when the object cannot be reached', async () => {
    const OPERATIONS = new Proxy(env.OPERATIONS, {
      get(operations, name) {
        if (name === 'get') throw new Error('Network connection lost.')
        return (Reflect.get(operations, name) as () => unknown).bind(operations)
      },
    })
    const headers = { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' }
    const ask = askerWith({ OPERATIONS })
    await problemFrom(await ask('/api/admin/providers', { headers }), 503, 'unavailable')
    const body = JSON.stringify({ target: 'all', paused: false })
    const response = await ask('/api/admin/switches', { method: 'POST', headers, body })
    expect(await problemFrom(response, 503, 'unavailable')).toMatchObject({ retryable: true })
  })
})

describe('POST /api/admin/switches', () => {
  test.each(['all', 'provider:openai', 'model:other-model'])('K2 pauses %s, and ends it', async (target) => {
    const response = await flip({ target, paused: true, reason: ' Too expensive. ', stopRunning: true })
    const state = switchState.strict().parse(await response.json())
    expect(state).toMatchObject({
      target,
      paused: true,
      pause: { reason: 'Too expensive.', by: admin.id, stopRunning: true },
    })
    expect((await providers()).pauses).toEqual([state.pause])
    // An isolate learns of it with its next sync.
    expect((await object().sync(null)).paused).toMatchObject([{ target }])
    const ended = await flip({ target, paused: false })
    expect(switchState.strict().parse(await ended.json())).toEqual({ target, paused: false, pause: null })
    expect((await object().sync(null)).paused).toEqual([])
    const resource = target === 'all' ? 'turns:all' : target
    expect((await entries('switch_paused'))[0]).toMatchObject({ resource, details: { stopRunning: true } })
    expect((await entries('switch_resumed'))[0]).toMatchObject({ resource, details: { wasPaused: true } })
  })

  test('K2 shows a pause at its provider or its model', async () => {
    await flip({ target: 'provider:openai', paused: true, reason: 'a' })
    await flip({ target: 'model:test-model', paused: true, reason: 'b' })
    const [provider] = (await providers()).providers
    expect([
      provider?.paused?.reason,
      ...(provider?.models.map(({ paused }) => paused?.reason) ?? []),
    ]).toEqual(['a', 'b', undefined])
  })

  test.each([
    [{ target: 'provider:acme', paused: true, reason: 'a' }, 'target'],
    [{ target: 'model:gpt-9', paused: true, reason: 'a' }, 'target'],
    [{ target: 'model:gpt-9', paused: false }, 'target'],
    [{ target: 'everything', paused: true, reason: 'a' }, 'target'],
    [{ target: 'provider:', paused: true, reason: 'a' }, 'target'],
    [{ target: 'provider:__proto__', paused: true, reason: 'a' }, 'target'],
    [{ paused: true, reason: 'a' }, 'target'],
    [{ target: 'all', reason: 'a' }, 'paused'],
    [{ target: 'all', paused: 'yes', reason: 'a' }, 'paused'],
    [{ target: 'all', paused: true }, 'reason'],
    [{ target: 'all', paused: true, reason: ' ' }, 'reason'],
    [{ target: 'all', paused: true, reason: 'a\nb' }, 'reason'],
    [{ target: 'all', paused: true, reason: 'a'.repeat(501) }, 'reason'],
    [{ target: 'all', paused: true, reason: 'a', stopRunning: 1 }, 'stopRunning'],
    [{ target: 'all', paused: true, reason: 'a', until: 1 }, 'until'],
  ])('K3 refuses %j, names the field, and pauses nothing', async (body, field) => {
    const problem = await problemFrom(await flip(body), 422, 'validation_failed')
    expect(problem).toMatchObject({ field })
    expect((await object().overview()).pauses).toEqual([])
  })

  test('K3 lets go what is paused and not configured any more', async () => {
    await object().pause('provider:retired', 'old', 'user:a', false)
    expect((await providers()).pauses).toMatchObject([{ target: 'provider:retired' }])
    expect((await flip({ target: 'provider:retired', paused: false })).status).toBe(200)
    await problemFrom(await flip({ target: 'provider:retired', paused: false }), 422, 'validation_failed')
  })

  test('K2 works while the trail does not: what would have been in it is in the log', async () => {
    const other = await personWith('admin')
    const lines: string[] = []
    const log = vi.spyOn(console, 'error').mockImplementation((line: string) => void lines.push(line))
    await env.DB.exec('ALTER TABLE audit RENAME TO audit_away')
    try {
      expect((await other.request('GET', '/api/admin/providers')).status).toBe(200)
      const body = { target: 'all', paused: true, reason: 'D1 is down' }
      expect((await flip(body, other)).status).toBe(200)
      expect((await flip({ target: 'all', paused: false }, other)).status).toBe(200)
      await vi.waitFor(() => expect(lines.length).toBeGreaterThanOrEqual(3))
      const lost = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
      const expected = ['admin_providers_read', 'switch_paused', 'switch_resumed'].map((action) => ({
        event: 'not_in_trail',
        action,
        actor: other.id,
      }))
      expect(lost.filter(({ event }) => event === 'not_in_trail')).toMatchObject(expected)
    } finally {
      await env.DB.exec('ALTER TABLE audit_away RENAME TO audit')
      log.mockRestore()
    }
    // Reading is written down as soon as it can be.
    await other.request('GET', '/api/admin/providers')
    await readInTrail(other)
  })

  test('K2 works while D1 hangs: nobody waits for the trail for long', async () => {
    const other = await personWith('admin')
    const DB = new Proxy(env.DB, {
      get: (db, name) =>
        name === 'batch'
          ? () => new Promise(() => undefined)
          : (Reflect.get(db, name) as () => unknown).bind(db),
    })
    const headers = { authorization: `Bearer ${other.token}`, 'content-type': 'application/json' }
    const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
      const request = new Request(`http://parley.test${path}`, { ...init, headers })
      return await app.fetch(request, { ...env, DB }, createExecutionContext())
    }
    expect((await ask('/api/admin/providers')).status).toBe(200)
    const body = JSON.stringify({ target: 'all', paused: true, reason: 'D1 hangs' })
    expect((await ask('/api/admin/switches', { method: 'POST', body })).status).toBe(200)
    expect((await object().overview()).pauses).toMatchObject([{ target: 'all' }])
  })

  test('K2 is for admins only', async () => {
    const body = { target: 'all', paused: true, reason: 'a' }
    await problemFrom(await flip(body, moderator), 403, 'forbidden')
    expect((await object().overview()).pauses).toEqual([])
  })
})

describe('POST /api/admin/providers/:name/reset', () => {
  const reset = (name: string, body: unknown, by = admin) =>
    by.request('POST', `/api/admin/providers/${name}/reset`, body)
  const break5 = (model: string) =>
    tell(Array.from({ length: 5 }, () => callReport('server', { provider: 'openai', model })))

  test('K7 closes one model, or all of the provider, and is in the trail', async () => {
    await break5('test-model')
    await break5('other-model')
    const one = resetAnswer.parse(await (await reset('openai', { model: 'other-model' })).json())
    expect(one).toEqual({ provider: 'openai', closed: ['other-model'] })
    expect((await object().sync(null)).breakers).toMatchObject([{ model: 'test-model' }])
    const all = resetAnswer.parse(await (await reset('openai', {})).json())
    expect(all.closed).toEqual(['test-model'])
    expect(await entries('breaker_reset')).toMatchObject([
      { resource: 'provider:openai', details: { model: null, closed: 1 } },
      { resource: 'provider:openai', details: { model: 'other-model', closed: 1 } },
    ])
    expect((await providers()).providers[0]?.models[0]?.breaker).toMatchObject({
      state: 'closed',
      why: 'reset by hand',
    })
  })

  test('K7 closes what is not configured any more', async () => {
    const failures = (of: { provider: string; model: string }) =>
      Array.from({ length: 5 }, () => callReport('server', of))
    await tell(failures({ provider: 'retired', model: 'm' }))
    await break5('retired-model')
    const gone = await reset('retired', {})
    expect(await gone.json()).toEqual({ provider: 'retired', closed: ['m'] })
    const model = await reset('openai', { model: 'retired-model' })
    expect(await model.json()).toEqual({ provider: 'openai', closed: ['retired-model'] })
    expect((await object().sync(null)).breakers).toEqual([])
    expect((await entries('breaker_reset')).slice(0, 2)).toMatchObject([
      { resource: 'provider:openai', details: { model: 'retired-model', closed: 1 } },
      { resource: 'provider:retired', details: { model: null, closed: 1 } },
    ])
    await problemFrom(await reset('retired', {}), 404, 'not_found')
  })

  test('K7 refuses what there is not', async () => {
    for (const name of ['acme', 'no name', '__proto__'])
      await problemFrom(await reset(encodeURIComponent(name), {}), 404, 'not_found')
    const problem = await problemFrom(await reset('openai', { model: 'gpt-9' }), 422, 'validation_failed')
    expect(problem.field).toBe('model')
    await problemFrom(await reset('openai', {}, moderator), 403, 'forbidden')
  })
})

describe('a request that fails on our side', () => {
  test('is told of by its route and code, and one that fails on theirs is not', async () => {
    const broken = new Proxy(env.CONVERSATIONS, {
      get() {
        throw new Error('the reactor is on fire')
      },
    })
    const told: unknown[] = []
    const OPERATIONS = new Proxy(env.OPERATIONS, {
      get(operations, name) {
        if (name !== 'get') return (Reflect.get(operations, name) as () => unknown).bind(operations)
        return () => ({
          sync: (batch: { routeFailures: unknown[] } | null) => {
            told.push(...(batch?.routeFailures ?? []))
            return { version: 0, at: 0, paused: [], breakers: [] }
          },
        })
      },
    })
    const headers = { authorization: `Bearer ${admin.token}` }
    const ask = askerWith({ CONVERSATIONS: broken, OPERATIONS })
    await problemFrom(await ask('/api/conversations/7', { headers }), 404, 'not_found')
    expect(told).toEqual([])
    const response = await ask(`/api/conversations/${crypto.randomUUID()}`, { headers })
    await problemFrom(response, 500, 'internal')
    expect(told).toEqual([
      { route: 'GET /api/conversations/:id', code: 'internal', detail: 'Error', count: 1 },
    ])
  })

  test('the link is one for all of an isolate', () => {
    const own = env as unknown as Env
    expect(createServices(own).operationsLink).toBe(createServices(own).operationsLink)
  })
})
