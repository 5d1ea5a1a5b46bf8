/**
 * When somebody of the external provider is written down: at first sight, with another role, and when it was long ago; with
 * real tokens of a real HTTP server. Who is let in is external-tokens.test.ts.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Authenticator, SEEN_MS } from '../../src/auth/authenticator.ts'
import { ServiceKeys } from '../../src/auth/api-keys.ts'
import { ExternalTokens } from '../../src/auth/external-tokens.ts'
import { Tokens } from '../../src/auth/tokens.ts'
import { AUDIENCE, IdentityProvider } from '../support/identity-provider.ts'

let provider: IdentityProvider
beforeAll(async () => void (provider = await IdentityProvider.start()))
afterAll(() => provider.close())

function watched() {
  const clock = { nowMs: Date.now() }
  const seen: string[] = []
  const external = new ExternalTokens(
    {
      jwksUrl: `${provider.url}/jwks`,
      issuer: provider.url,
      audience: AUDIENCE,
      roleClaim: 'roles',
      roles: new Map([['chat-admins', 'admin']] as const),
    },
    () => {},
  )
  const state = { fails: false, reports: 0 }
  const authenticator = new Authenticator({
    tokens: new Tokens(async () => ['hunter2m2LpT7wZr5YbN8cDf4GhS6aEu']),
    keys: new ServiceKeys(async () => null),
    external,
    seen: async ({ principal }) => {
      if (state.fails) throw new Error('D1 is down')
      seen.push(principal.role)
    },
    now: () => clock.nowMs,
    report: () => void (state.reports += 1),
  })
  const comes = async (...roles: string[]) => await authenticator.verify(await provider.sign({ roles }))
  return { clock, seen, state, comes }
}

test('A8 once for many requests, and again with each role that is another', async () => {
  const { seen, comes } = watched()
  for (const roles of [[], [], ['chat-admins'], ['chat-admins'], []]) await comes(...roles)
  expect(seen).toEqual(['user', 'admin', 'user'])
})

test('A8 again after a while: elsewhere another token may have been seen since', async () => {
  const { clock, seen, comes } = watched()
  await comes()
  clock.nowMs += SEEN_MS - 1
  await comes()
  expect(seen).toHaveLength(1)
  clock.nowMs += 1
  await comes()
  expect(seen).toHaveLength(2)
})

test('A8 again when it could not be written down, which lets nobody in', async () => {
  const { seen, state, comes } = watched()
  state.fails = true
  await expect(comes()).rejects.toThrow('D1 is down')
  state.fails = false
  await comes()
  expect(seen).toEqual(['user'])
})

test('A8 who was here in this role comes in while it cannot be written down again, and is noted soon after', async () => {
  const { clock, seen, state, comes } = watched()
  await comes('chat-admins')
  clock.nowMs += SEEN_MS
  state.fails = true
  await comes('chat-admins')
  await comes('chat-admins')
  expect([seen, state.reports]).toEqual([['admin'], 1])
  await expect(comes(), 'in another role').rejects.toThrow('D1 is down')
  state.fails = false
  clock.nowMs += 10_000
  await comes('chat-admins')
  expect(seen).toEqual(['admin', 'admin'])
})
