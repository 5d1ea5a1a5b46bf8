/**
 * Headers that every response has, good or bad: those that make a browser careful, and those of CORS, for the origins that
 * are configured and no others.
 */
import { describe, expect, test } from 'vitest'
import { askWith } from './http-checks.ts'
import { Guest, ask, message, unique } from './worker-guest.ts'

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
