/**
 * The typed calls of the browser library that go beside conversations: keys of machines, and what strangers may see without
 * becoming anybody.
 */
import { describe, expect, test } from 'vitest'
import { AccountApi } from '../../src/client/api-account.ts'
import { IncidentsApi } from '../../src/client/api-incidents.ts'
import { AdminApi } from '../../src/client/api-admin.ts'
import { WebhooksApi } from '../../src/client/api-webhooks.ts'
import { MembersApi } from '../../src/client/api-members.ts'
import { createParley, memoryStore } from '../../src/client/index.ts'
import { FakeEnvironment, json, problemOf, type FakeRequest } from '../support/fake-environment.ts'

/** A server that makes guests. */
function setUp() {
  const env = new FakeEnvironment()
  const respond = (request: FakeRequest): Response =>
    request.path === '/api/auth/guest'
      ? json(201, {
          accessToken: 'guest-1',
          tokenType: 'Bearer',
          expiresIn: 2_592_000,
          user: { id: 'guest:1', name: 'Guest', role: 'guest' },
        })
      : json(200, {})
  env.respond = respond
  const parley = createParley({ environment: env, tokenStore: memoryStore(), pendingStore: memoryStore() })
  return { env, parley, respond }
}

test('keys of machines: each call names its route, its method and its body', async () => {
  const { env, parley, respond } = setUp()
  const key = {
    id: 'k1',
    name: 'Report',
    scopes: ['read'],
    createdAt: '2026-11-20T10:00:00.000Z',
    expiresAt: null,
  }
  env.respond = (request) => {
    if (!request.path.startsWith('/api/keys')) return respond(request)
    if (request.method === 'GET') return json(200, { keys: [key] })
    return request.method === 'POST'
      ? json(201, { ...key, key: 'pk_x' })
      : new Response(null, { status: 204 })
  }
  const api = new AccountApi(parley.caller)
  expect(await api.keys()).toEqual([key])
  const body = { name: 'Report', scopes: ['read' as const], expiresInDays: 30 }
  expect(await api.createKey(body)).toEqual({ ...key, key: 'pk_x' })
  await api.revokeKey('k/1')
  const calls = env.requests.filter(({ path }) => path.startsWith('/api/keys'))
  expect(calls.map(({ method, path, body: sent }) => [method, path, sent])).toEqual([
    ['GET', '/api/keys', undefined],
    ['POST', '/api/keys', body],
    ['DELETE', '/api/keys/k%2F1', undefined],
  ])
})

test('incidents: each call names its route, its method and its body', async () => {
  const { env, parley, respond } = setUp()
  const at = '2026-11-20T10:00:00.000Z'
  const incident = {
    id: 'i1',
    rule: 'error_rate',
    kind: 'error_rate',
    subject: 'openai',
    severity: 'critical',
    title: 'Many calls fail: openai',
    state: 'open',
    level: 1,
    openedAt: at,
    acknowledgedAt: null,
    acknowledgedBy: null,
    resolvedAt: null,
    resolvedBy: null,
    reopened: 0,
    value: 50,
    summary: 'half of them',
    peak: { value: 50, at, summary: 'half of them' },
  }
  const page = { incidents: [incident], next: null }
  const counted = { from: at, to: at, group: 'minute', rows: [], truncated: false }
  env.respond = (request) => {
    if (!request.path.startsWith('/api/admin')) return respond(request)
    if (request.path.endsWith('/post-mortem')) return new Response('# Draft')
    if (request.path.startsWith('/api/admin/errors')) return json(200, counted)
    if (request.path.endsWith('?state=open')) return json(200, page)
    return json(200, { ...incident, timeline: [] })
  }
  const api = new IncidentsApi(parley.caller)
  expect(await api.list({ state: 'open' })).toEqual(page)
  expect(await api.get('i1')).toEqual({ ...incident, timeline: [] })
  await api.acknowledge('i1')
  await api.resolve('i1')
  await api.resolve('i1', 'over')
  await api.addNote('i/1', 'look')
  expect(await api.postMortem('i1')).toBe('# Draft')
  expect(await api.errors({ group: 'minute' })).toEqual(counted)
  const calls = env.requests.filter(({ path }) => path.startsWith('/api/admin'))
  expect(calls.map(({ method, path, body }) => [method, path.slice('/api/admin'.length), body])).toEqual([
    ['GET', '/incidents?state=open', undefined],
    ['GET', '/incidents/i1', undefined],
    ['POST', '/incidents/i1/acknowledge', undefined],
    ['POST', '/incidents/i1/resolve', {}],
    ['POST', '/incidents/i1/resolve', { note: 'over' }],
    ['POST', '/incidents/i%2F1/notes', { text: 'look' }],
    ['GET', '/incidents/i1/post-mortem', undefined],
    ['GET', '/errors?group=minute', undefined],
  ])
})

test('operations: each call names its route, its method and its body', async () => {
  const { env, parley, respond } = setUp()
  const state = { target: 'all', paused: false, pause: null }
  env.respond = (request) => {
    if (!request.path.startsWith('/api/admin/')) return respond(request)
    if (request.method === 'GET') return json(200, { providers: [], pauses: [], recentMs: 300_000 })
    return json(200, request.path.endsWith('/switches') ? state : { provider: 'a', closed: [] })
  }
  const api = new AdminApi(parley.caller)
  expect(await api.providers()).toEqual({ providers: [], pauses: [], recentMs: 300_000 })
  expect(await api.switch({ target: 'all', paused: false })).toEqual(state)
  expect(await api.resetBreaker('a', 'm')).toEqual({ provider: 'a', closed: [] })
  await api.resetBreaker('a')
  const calls = env.requests.filter(({ path }) => path.startsWith('/api/admin/'))
  expect(calls.map(({ method, path, body: sent }) => [method, path, sent])).toEqual([
    ['GET', '/api/admin/providers', undefined],
    ['POST', '/api/admin/switches', { target: 'all', paused: false }],
    ['POST', '/api/admin/providers/a/reset', { model: 'm' }],
    ['POST', '/api/admin/providers/a/reset', {}],
  ])
})

test('webhooks: each call names its route, its method and its body, for oneself and for operators', async () => {
  const { env, parley, respond } = setUp()
  const webhook = {
    id: 'wh_1',
    url: 'https://hooks.example/',
    events: ['turn.completed'],
    createdAt: '2026-11-20T10:00:00.000Z',
    disabled: null,
    lastSuccessAt: null,
    lastFailureAt: null,
  }
  const delivery = {
    eventId: 'e1',
    type: 'ping',
    at: '2026-11-20T10:00:00.000Z',
    attempt: 1,
    outcome: 'delivered',
    failure: null,
    status: 200,
    durationMs: 3,
  }
  env.respond = (request) => {
    if (!request.path.includes('/webhooks')) return respond(request)
    if (request.method === 'DELETE') return new Response(null, { status: 204 })
    if (request.path.endsWith('/deliveries')) return json(200, { deliveries: [delivery] })
    if (request.path.endsWith('/test')) return json(200, delivery)
    return json(200, request.method === 'GET' ? { webhooks: [webhook] } : { ...webhook, secret: 'whsec_x' })
  }
  const api = WebhooksApi.mine(parley.caller)
  const body = { url: 'https://hooks.example/', events: ['turn.completed' as const] }
  expect(await api.list()).toEqual([webhook])
  expect(await api.create(body)).toEqual({ ...webhook, secret: 'whsec_x' })
  expect((await api.rotate('wh_1')).secret).toBe('whsec_x')
  expect(await api.test('wh_1')).toEqual(delivery)
  expect(await api.deliveries('wh/1')).toEqual([delivery])
  await api.remove('wh_1')
  await WebhooksApi.ofOperators(parley.caller).list()
  const calls = env.requests.filter(({ path }) => path.includes('/webhooks'))
  expect(calls.map(({ method, path, body: sent }) => [method, path, sent])).toEqual([
    ['GET', '/api/webhooks', undefined],
    ['POST', '/api/webhooks', body],
    ['POST', '/api/webhooks/wh_1/rotate', undefined],
    ['POST', '/api/webhooks/wh_1/test', undefined],
    ['GET', '/api/webhooks/wh%2F1/deliveries', undefined],
    ['DELETE', '/api/webhooks/wh_1', undefined],
    ['GET', '/api/admin/webhooks', undefined],
  ])
})

describe('what strangers may see', () => {
  const BRANCH = {
    title: 'T',
    mode: 'live',
    sharedAt: '2026-11-20T10:00:00.000Z',
    isWhole: true,
    messages: [],
  }

  test('makes nobody a guest', async () => {
    const { env, parley } = setUp()
    env.respond = () => json(200, BRANCH)
    expect(await new MembersApi(parley.caller).shared('shr_x')).toEqual(BRANCH)
    expect(env.requests.map(({ path, token }) => ({ path, token }))).toEqual([
      { path: '/api/shares/shr_x', token: null },
    ])
  })

  test('is shown to somebody whose token is not good any more, and changes nobody', async () => {
    const { env, parley } = setUp()
    await parley.session.token()
    env.respond = ({ token }) => (token === null ? json(200, BRANCH) : problemOf(401, 'unauthorized'))
    expect(await new MembersApi(parley.caller).shared('shr_x')).toEqual(BRANCH)
    expect(parley.session.user?.id).toBe('guest:1')
  })
})
