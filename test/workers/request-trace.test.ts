/**
 * How a request is followed: by its id, from the caller to the provider of the model and back, and by its one line in the
 * log, which holds no secret.
 */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { problemFrom } from './http-checks.ts'
import { Guest, ask, message, model, unique } from './worker-guest.ts'

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
