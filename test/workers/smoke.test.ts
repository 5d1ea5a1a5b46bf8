import { exports } from 'cloudflare:workers'
import { expect, test } from 'vitest'

test('the worker lives', async () => {
  const response = await exports.default.fetch('http://parley.test/api/health')
  expect(await response.json()).toEqual({ state: 'live' })
})

test('a guest chats', async () => {
  const guest = await exports.default.fetch('http://parley.test/api/auth/guest', { method: 'POST' })
  const { accessToken } = (await guest.json()) as { accessToken: string }
  const response = await exports.default.fetch('http://parley.test/api/chat', {
    method: 'POST',
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ message: '[[text="Hi 😀 there"]]' }),
  })
  expect(await response.json()).toMatchObject({
    message: { parts: [{ text: 'Hi 😀 there' }], status: 'completed' },
  })
})
