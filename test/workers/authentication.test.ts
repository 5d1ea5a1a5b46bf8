/**
 * Who is asking is checked on every route that is not meant for everyone, and once.
 */
import { describe, expect, test, vi } from 'vitest'
import { app } from '../../src/app.ts'
import { actionOf } from '../../src/http/permit.ts'
import { newConversation } from './started-conversation.ts'
import { ask, problemOf } from './worker-guest.ts'

/** Meant for everyone, or with a check of their own (a ticket). */
const OPEN = new Set([
  'GET /api/health',
  'GET /api/health/ready',
  'POST /api/auth/guest',
  'POST /api/auth/register',
  'POST /api/auth/login',
  'POST /api/auth/refresh',
  'GET /api/conversations/:id/ws',
  'GET /api/erasures/:id',
  'GET /api/shares/:token',
])

const routes = [
  ...new Set(
    app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`),
  ),
]

describe('a route', () => {
  test.each(routes)('declares what it asks of its caller: %s', (route) => {
    const handlers = app.routes.filter(({ method, path }) => `${method} ${path}` === route)
    const actions = handlers.map(({ handler }) => actionOf(handler)).filter((action) => action !== undefined)
    expect(actions).toHaveLength(1)
    expect(OPEN.has(route)).toBe(actions[0] === 'public')
  })

  test('that is meant for everyone is there', () => {
    expect(routes.length).toBeGreaterThan(10)
    expect([...OPEN].filter((route) => !routes.includes(route))).toEqual([])
  })

  test.each(routes.filter((route) => !OPEN.has(route)))('refuses who brings no token: %s', async (route) => {
    const [method = '', path = ''] = route.split(' ')
    const response = await ask(path.replace(':id', crypto.randomUUID()).replace(':messageId', 'm1'), {
      method,
    })
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'unauthorized' })
  })

  test.each([
    ['GET', ''],
    ['GET', '/messages'],
    ['GET', '/messages/m1/stream'],
  ])('verifies a token once: %s …/:id%s', async (method, rest) => {
    const { guest, id } = await newConversation()
    const verify = vi.spyOn(crypto.subtle, 'verify')
    try {
      await guest.request(method, `/api/conversations/${id}${rest}`)
      expect(verify).toHaveBeenCalledTimes(1)
    } finally {
      verify.mockRestore()
    }
  })
})
