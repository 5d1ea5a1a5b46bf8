/**
 * How a request fails: each kind of problem with its status and its code, and with nothing that was not meant to be told.
 * The Worker is asked as it is, or the app with a configuration of its own.
 */
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { app } from '../../src/app.ts'
import type { Env } from '../../src/env.ts'
import { MAX_CONTENT_CHARS } from '../../src/protocol/limits.ts'
import { askWith, problemFrom } from './http-checks.ts'
import { Guest, ask, message, unique } from './worker-guest.ts'

afterEach(() => void vi.restoreAllMocks())

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
          if (/order by/i.test(sql)) throw new TypeError('sprocket is not a function')
          return db.prepare(sql)
        }
      },
    })
    const lines: string[] = []
    vi.spyOn(console, 'error').mockImplementation((line: string) => void lines.push(line))
    const headers = { authorization: `Bearer ${guest.token}` }
    const response = await askWith({ DB }, '/api/conversations', { headers })
    const body = await problemFrom(response, 500, 'internal')
    expect(JSON.stringify(body)).not.toContain('sprocket')
    expect(body.detail).toContain(body.requestId)
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { event: 'request_failed', error: 'sprocket is not a function', requestId: body.requestId },
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
          if (broken) throw new Error('D1_ERROR: no such host sprocket')
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
    expect(JSON.stringify(body)).not.toContain('sprocket')
    broken = false
    expect((await send()).status).toBe(201)
  })
})
