/**
 * What every request has in common: its id, its headers, its line in the log, and how it fails; and the chat routes as
 * a program uses them. The Worker is asked as it is, or the app with a configuration of its own.
 */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { app } from '../../src/app.ts'
import type { Env } from '../../src/env.ts'
import { ERRORS } from '../../src/errors.ts'
import { problem, type Problem } from '../../src/protocol/http.ts'
import { MAX_CONTENT_CHARS } from '../../src/protocol/limits.ts'
import { conversation } from '../../src/protocol/message.ts'
import { Guest, ask, message, model, unique } from './worker-guest.ts'

/** Asks the app with these variables instead of those of the tests. */
async function askWith(
  variables: Record<string, unknown>,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const context = createExecutionContext()
  const own = { ...env, ...variables } as unknown as Env
  const response = await app.fetch(new Request(`http://parley.test${path}`, init), own, context)
  await waitOnExecutionContext(context)
  return response
}

/** Checks that it is a problem as promised. */
async function problemFrom(response: Response, status: number, code: string): Promise<Problem> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const body = problem.strict().parse(await response.json())
  expect({ status: response.status, code: body.code }).toEqual({ status, code })
  expect(body).toMatchObject({
    status,
    type: 'about:blank',
    title: ERRORS[code as keyof typeof ERRORS].title,
  })
  expect(body.requestId).toBe(response.headers.get('x-request-id'))
  return body
}

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

afterEach(() => void vi.restoreAllMocks())

describe('a request id', () => {
  test.each(['abc', 'A-1_2=3', 'x'.repeat(128)])('that is sane is kept: %s', async (id) => {
    const response = await ask('/api/health', { headers: { 'x-request-id': id } })
    expect(response.headers.get('x-request-id')).toBe(id)
  })

  test.each(['a b', 'a/b', '<script>', 'x'.repeat(129), 'a;b', ''])(
    'that is not is replaced: %s',
    async (id) => {
      const response = await ask('/api/health', { headers: { 'x-request-id': id } })
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    },
  )

  test('is that of the problem, and reaches the model provider', async () => {
    const missing = await ask('/api/nowhere', { headers: { 'x-request-id': 'my-id' } })
    expect((await problemFrom(missing, 404, 'not_found')).requestId).toBe('my-id')
    const guest = await Guest.arrive()
    const [tag, id] = [unique(), unique()]
    await guest.request('POST', '/api/chat', { message: message(tag, 'text=ok') }, { 'x-request-id': id })
    expect((await model.wait({ match: tag }))[0]?.requestId).toBe(id)
  })
})

describe('headers', () => {
  const SECURE = {
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  }

  test('that secure it are on every response, good or bad', async () => {
    const guest = await Guest.arrive()
    const id = await guest.createConversation()
    const responses = [
      await ask('/api/health'),
      await ask('/api/nowhere'),
      await ask('/api/conversations'),
      await ask('/api/conversations', { method: 'OPTIONS', headers: { origin: 'https://a.example' } }),
      await guest.request('POST', '/api/conversations', '{'),
      await guest.request('DELETE', `/api/conversations/${id}`),
      await guest.request('POST', '/api/chat/stream', { message: message(unique(), 'text=ok') }),
      await guest.request('POST', '/api/chat', { message: 'x'.repeat(2 ** 20) }),
      await ask(`/api/conversations/${id}/ws?ticket=x`, { headers: { upgrade: 'websocket' } }),
      await askWith({ MAX_QUEUED_TURNS: 'many' }, '/api/health'),
    ]
    for (const { url, status, headers } of responses) {
      for (const [name, value] of Object.entries(SECURE)) {
        expect({ url, status, [name]: headers.get(name) }).toEqual({ url, status, [name]: value })
      }
      expect(headers.get('x-request-id')).toBeTruthy()
    }
  })

  test('of CORS are sent to configured origins only', async () => {
    const origins = { CORS_ORIGINS: 'https://a.example,https://b.example' }
    const from = async (origin: string, variables = origins) =>
      (await askWith(variables, '/api/health', { headers: { origin } })).headers.get(
        'access-control-allow-origin',
      )
    expect(await from('https://a.example')).toBe('https://a.example')
    expect(await from('https://b.example')).toBe('https://b.example')
    for (const origin of [
      'https://c.example',
      'http://a.example',
      'https://a.example.evil.example',
      'null',
    ]) {
      expect(await from(origin)).toBeNull()
    }
    expect(await from('https://a.example', { CORS_ORIGINS: '' })).toBeNull()
  })

  test('of CORS answer a preflight before anyone is asked who they are', async () => {
    const preflight = await askWith({ CORS_ORIGINS: 'https://a.example' }, '/api/chat', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://a.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://a.example')
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization')
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull()
  })

  test('of CORS are on errors too, so that a page can read what went wrong', async () => {
    const headers = { origin: 'https://a.example' }
    const response = await askWith({ CORS_ORIGINS: 'https://a.example' }, '/api/conversations', { headers })
    expect(response.status).toBe(401)
    expect(response.headers.get('access-control-allow-origin')).toBe('https://a.example')
    expect(response.headers.get('access-control-expose-headers')?.toLowerCase()).toContain('x-request-id')
  })
})

describe('the log', () => {
  test('has one line for a request, without its query and without a secret', async () => {
    const guest = await Guest.arrive()
    const id = await guest.createConversation()
    const ticket = await guest.ticket()
    const lines: string[] = []
    for (const level of ['info', 'warn', 'error'] as const) {
      vi.spyOn(console, level).mockImplementation((line: string) => void lines.push(line))
    }
    await guest.request('GET', `/api/conversations/${id}?secret=hunter2`, undefined, { 'x-request-id': 'r1' })
    await guest.upgrade(id, ticket)
    await ask('/api/conversations', { headers: { authorization: 'Bearer wrong.token.here' } })
    await ask('/api/nowhere')
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(entries.map(({ event, method, path, status }) => ({ event, method, path, status }))).toEqual([
      { event: 'request', method: 'GET', path: `/api/conversations/${id}`, status: 200 },
      { event: 'request', method: 'GET', path: `/api/conversations/${id}/ws`, status: 101 },
      { event: 'request', method: 'GET', path: '/api/conversations', status: 401 },
      { event: 'request', method: 'GET', path: '/api/nowhere', status: 404 },
    ])
    expect(entries[0]).toMatchObject({
      requestId: 'r1',
      userId: guest.userId,
      ms: expect.any(Number) as number,
    })
    expect(entries[1]).toMatchObject({ userId: guest.userId })
    for (const secret of [guest.token, ticket, 'hunter2', 'wrong.token']) {
      expect(lines.join('\n')).not.toContain(secret)
    }
  })
})

describe('a body', () => {
  const LIMIT = 1024 * 1024
  const tooMuch = 'x'.repeat(LIMIT + 1)

  test('is taken up to the limit, and not beyond, whether its length is told or not', async () => {
    const guest = await Guest.arrive()
    const headers = { authorization: `Bearer ${guest.token}`, 'content-type': 'application/json' }
    const send = (body: BodyInit): Promise<Response> => ask('/api/chat', { method: 'POST', headers, body })
    const streamed = (text: string): ReadableStream<Uint8Array> =>
      new Blob([text]).stream() as ReadableStream<Uint8Array>
    const body = (chars: number): string => JSON.stringify({ message: 'x'.repeat(chars - 14) })
    for (const make of [(text: string) => text, streamed]) {
      await problemFrom(await send(make(tooMuch)), 413, 'payload_too_large')
      const fits = await problemFrom(await send(make(body(LIMIT))), 422, 'validation_failed')
      expect(fits.field).toBe('message')
    }
  })

  test('may be smaller by configuration', async () => {
    const response = await askWith(
      { MAX_BODY_BYTES: '2000' },
      '/api/chat',
      json({ message: 'x'.repeat(2_000) }),
    )
    await problemFrom(response, 413, 'payload_too_large')
  })

  test.each([
    ['', 'invalid_json'],
    ['{', 'invalid_json'],
    ['{"message":"a"', 'invalid_json'],
    ['null', 'validation_failed'],
    ['[]', 'validation_failed'],
    ['"Hi"', 'validation_failed'],
    ['{"message":5}', 'validation_failed'],
  ] as const)('that is not what it should be is refused: %j', async (body, code) => {
    const guest = await Guest.arrive()
    const response = await guest.request('POST', '/api/chat', body)
    await problemFrom(response, ERRORS[code].status, code)
  })

  test('must say that it is JSON', async () => {
    const guest = await Guest.arrive()
    const send = (type: string): Promise<Response> =>
      guest.request('POST', '/api/conversations', '{"title":"a"}', { 'content-type': type })
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      'text/json',
    ]) {
      await problemFrom(await send(type), 415, 'unsupported_media_type')
    }
    for (const type of [
      'application/json',
      'Application/JSON; charset=utf-8',
      'application/json ;charset=utf-8',
    ]) {
      expect((await send(type)).status).toBe(201)
    }
  })

  test('may be left out where nothing in it is needed', async () => {
    const guest = await Guest.arrive()
    expect((await guest.request('POST', '/api/conversations')).status).toBe(201)
    const chat = await problemFrom(await guest.request('POST', '/api/chat'), 422, 'validation_failed')
    expect(chat.field).toBe('message')
  })
})

describe('problems', () => {
  test('401 without a token, or with one that is none', async () => {
    for (const authorization of ['', 'Bearer', 'Bearer x', 'Basic dXNlcjpwYXNz', 'Bearer a.b.c']) {
      const response = await ask('/api/conversations', { headers: { authorization } })
      await problemFrom(response, 401, 'unauthorized')
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
    }
  })

  test('404 for an address that is none', async () => {
    for (const path of ['/api', '/api/', '/api/chats', '/api/auth', '/api/health/deep']) {
      await problemFrom(await ask(path), 404, 'not_found')
    }
  })

  test.each([
    [{ message: '' }, 'message'],
    [{ message: '  \n' }, 'message'],
    [{ message: 'a'.repeat(MAX_CONTENT_CHARS + 1) }, 'message'],
    [{ message: 'a\u0000' }, 'message'],
    [{ message: '\ud83d' }, 'message'],
    [{ message: 'a', conversationId: '7' }, 'conversationId'],
    [{ message: 'a', idempotencyKey: 'a b' }, 'idempotencyKey'],
    [{ message: 'a', priority: 'asap' }, 'priority'],
    [{ message: 'a', temperature: 2 }, 'temperature'],
  ])('E1 422 names the field at fault, and nothing is made: %#', async (body, field) => {
    const guest = await Guest.arrive()
    const response = await guest.request('POST', '/api/chat', body)
    expect(await problemFrom(response, 422, 'validation_failed')).toMatchObject({ field, retryable: false })
    const listed = await guest.request('GET', '/api/conversations')
    expect(await listed.json()).toEqual({ conversations: [], next: null })
  })

  test.each([
    [{ agentId: 'spy' }, 'agentId'],
    [{ model: 'gpt-9' }, 'model'],
  ])('E1 422 for an agent or a model that is not offered: %j', async (choice, field) => {
    const guest = await Guest.arrive()
    const conversationId = await guest.createConversation()
    const response = await guest.request('POST', '/api/chat', { conversationId, message: 'a', ...choice })
    expect(await problemFrom(response, 422, 'validation_failed')).toMatchObject({ field })
    expect(await guest.messages(conversationId)).toEqual([])
  })

  test('I3 409 for a key that was used for another message', async () => {
    const guest = await Guest.arrive()
    const id = await guest.createConversation()
    const send = (text: string): Promise<Response> =>
      guest.request('POST', '/api/chat', { conversationId: id, message: text, idempotencyKey: 'k1' })
    expect((await send(message('one', 'text=ok'))).status).toBe(200)
    await problemFrom(await send(message('two', 'text=ok')), 409, 'conflict')
  })

  test('E4 500 tells the request id, and nothing of what happened; the log has both', async () => {
    const guest = await Guest.arrive()
    const DB = new Proxy(env.DB, {
      get(db, name) {
        if (name !== 'prepare') return Reflect.get(db, name) as unknown
        return (sql: string) => {
          if (/order by/i.test(sql)) throw new TypeError('hunter2 is not a function')
          return db.prepare(sql)
        }
      },
    })
    const lines: string[] = []
    vi.spyOn(console, 'error').mockImplementation((line: string) => void lines.push(line))
    const headers = { authorization: `Bearer ${guest.token}` }
    const response = await askWith({ DB }, '/api/conversations', { headers })
    const body = await problemFrom(response, 500, 'internal')
    expect(JSON.stringify(body)).not.toContain('hunter2')
    expect(body.detail).toContain(body.requestId)
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { event: 'request_failed', error: 'hunter2 is not a function', requestId: body.requestId },
    ])
  })

  test.each([
    ['status=500', 502, 'model_error', true],
    ['status=401', 502, 'model_auth', false],
    ['status=404', 502, 'model_rejected', false],
    ['status=429 retry-after=3', 503, 'model_rate_limited', true],
    ['hang=before-headers', 504, 'model_timeout', true],
  ])('T3 a provider that fails is told as such: %s is %i', async (fault, status, code, retryable) => {
    const guest = await Guest.arrive()
    const response = await guest.request('POST', '/api/chat', { message: message(unique(), fault) })
    expect(await problemFrom(response, status, code)).toMatchObject({ retryable })
    expect(response.headers.get('retry-after')).toBe(code === 'model_rate_limited' ? '3' : null)
  })

  test('503 for a configuration that is wrong names the variable, and the secret is not said', async () => {
    const wrong = await askWith({ TURN_WATCHDOG_MS: 'hunter2' }, '/api/health')
    const body = await problemFrom(wrong, 503, 'misconfigured')
    expect(body.detail).toContain('TURN_WATCHDOG_MS')
    const weak = await askWith({ ENVIRONMENT: 'production', AUTH_SECRET: 'hunter2' }, '/api/health')
    expect((await problemFrom(weak, 503, 'misconfigured')).detail).toContain('AUTH_SECRET')
    const none = await askWith({ ENVIRONMENT: 'production' }, '/api/health')
    expect((await problemFrom(none, 503, 'misconfigured')).detail).toContain('AUTH_SECRET')
    expect(JSON.stringify(body)).not.toContain('hunter2')
  })

  test('503 while the database does not answer, and no longer', async () => {
    let broken = true
    const DB = new Proxy(env.DB, {
      get(db, name) {
        const value = Reflect.get(db, name) as (...args: unknown[]) => unknown
        return (...args: unknown[]) => {
          if (broken) throw new Error('D1_ERROR: no such host hunter2')
          return value.apply(db, args)
        }
      },
    })
    const context = createExecutionContext()
    const own = { ...env, DB } as unknown as Env
    const send = async (): Promise<Response> =>
      await app.fetch(new Request('http://parley.test/api/auth/guest', { method: 'POST' }), own, context)
    const body = await problemFrom(await send(), 503, 'unavailable')
    expect(body.retryable).toBe(true)
    expect(JSON.stringify(body)).not.toContain('hunter2')
    broken = false
    expect((await send()).status).toBe(201)
  })
})

describe('conversations', () => {
  test('are created, described, renamed and deleted', async () => {
    const guest = await Guest.arrive()
    const created = await guest.request('POST', '/api/conversations', { title: ' Plans  for\nMay ' })
    expect(created.status).toBe(201)
    const made = conversation.parse(await created.json())
    expect(made).toMatchObject({ title: 'Plans for May', ownerId: guest.userId, messageCount: 0 })
    const path = `/api/conversations/${made.id}`
    expect(created.headers.get('location')).toBe(path)
    expect(await (await guest.request('GET', path)).json()).toEqual(made)
    const socket = await guest.join(made.id)
    const renamed = await guest.request('PATCH', path, { title: 'June' })
    expect(await renamed.json()).toMatchObject({ id: made.id, title: 'June' })
    expect(await socket.next('conversation_updated')).toMatchObject({
      seq: 1,
      conversation: { title: 'June' },
    })
    const deleted = await guest.request('DELETE', path)
    expect({ status: deleted.status, body: await deleted.text() }).toEqual({ status: 204, body: '' })
    await problemFrom(await guest.request('DELETE', path), 404, 'not_found')
  })

  test.each([{}, { title: '' }, { title: '   ' }, { title: 'x'.repeat(201) }, { title: 'a', ownerId: 'me' }])(
    'E1 keep their title when a new one is none: %#',
    async (body) => {
      const guest = await Guest.arrive()
      const path = `/api/conversations/${await guest.createConversation('Mine')}`
      await problemFrom(await guest.request('PATCH', path, body), 422, 'validation_failed')
      expect(await (await guest.request('GET', path)).json()).toMatchObject({ title: 'Mine' })
    },
  )
})

describe('a guest', () => {
  test('who shows a valid token stays the same, and one who shows another is refused', async () => {
    const guest = await Guest.arrive()
    const renewed = await guest.request('POST', '/api/auth/guest')
    expect(await renewed.json()).toMatchObject({ user: { id: guest.userId, name: guest.name } })
    const headers = { authorization: 'Bearer a.b.c' }
    await problemFrom(await ask('/api/auth/guest', { method: 'POST', headers }), 401, 'unauthorized')
  })
})

describe('POST /api/chat', () => {
  test('I4 without a conversation makes one; with it, goes on in it', async () => {
    const guest = await Guest.arrive()
    const first = await guest.chat({ message: message(unique(), 'text=one') })
    expect(first).toMatchObject({ turnId: 't2', message: { id: 'm2', parts: [{ text: 'one' }] } })
    const { conversationId } = first
    const second = await guest.chat({ conversationId, message: message(unique(), 'text=two') })
    expect(second).toMatchObject({ conversationId, turnId: 't4', message: { id: 'm4', parentId: 'm3' } })
    const other = await guest.chat({ message: message(unique(), 'text=three') })
    expect(other.conversationId).not.toBe(conversationId)
  })

  test('I4 twenty times at once with one key is one conversation, one turn and one call', async () => {
    const guest = await Guest.arrive()
    const [key, tag] = [unique(), unique()]
    const body = { message: message(tag, 'text=once'), idempotencyKey: key }
    const answers = await Promise.all(Array.from({ length: 20 }, () => guest.chat(body)))
    expect(new Set(answers.map((answer) => answer.conversationId)).size).toBe(1)
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(await model.wait({ match: tag })).toHaveLength(1)
    const listed = await guest.request('GET', '/api/conversations')
    expect((await listed.json<{ conversations: unknown[] }>()).conversations).toHaveLength(1)
  })

  test("I2 I4 another person's key is another's", async () => {
    const [one, other] = [await Guest.arrive(), await Guest.arrive()]
    const body = { message: message(unique(), 'text=ok'), idempotencyKey: 'key-1' }
    const [first, second] = [await one.chat(body), await other.chat(body)]
    expect(first.conversationId).not.toBe(second.conversationId)
  })

  test('asks the model that is named, if it is offered', async () => {
    const guest = await Guest.arrive()
    const tag = unique()
    const answer = await guest.chat({ message: message(tag, 'text=ok'), model: 'other-model' })
    expect(answer.message.model).toBe('other-model')
    expect((await model.wait({ match: tag }))[0]?.model).toBe('other-model')
  })

  test('T2 a turn that is stopped answers with the text so far', async () => {
    const guest = await Guest.arrive()
    const id = await guest.createConversation()
    const tag = unique()
    const waiting = guest.chat({ conversationId: id, message: message(tag, `tokens=10 gate=${tag} after=4`) })
    await model.wait({ match: tag, state: 'streaming', tokens: 4 })
    await guest.request('POST', `/api/conversations/${id}/stop`, { turnId: 't2' })
    expect((await waiting).message.status).toBe('stopped')
  })
})
