/**
 * Accounts in the browser library: becoming somebody and ceasing to be, over all tabs, with tokens that live minutes and
 * refresh tokens that serve once; and that nobody ever becomes somebody else by an accident.
 */
import { describe, expect, test } from 'vitest'
import { AccountApi } from '../../src/client/api-account.ts'
import { createParley, memoryStore } from '../../src/client/index.ts'
import { FakeEnvironment, json, problemOf, settle, type FakeRequest } from '../support/fake-environment.ts'

const MINUTE_MS = 60_000
const ADA = { id: 'user:ada', name: 'Ada', email: 'ada@example.com', role: 'user', plan: 'free' }
const SIGN_IN = { email: ADA.email, password: 'correct horse battery' }

/** A server with one account, whose refresh tokens serve once. */
function setUp() {
  const env = new FakeEnvironment()
  const tokenStore = memoryStore()
  let issued = 0
  let valid: string | null = null
  const answer = (user: typeof ADA) => {
    valid = `refresh-${++issued}`
    return json(200, {
      accessToken: `access-${issued}`,
      tokenType: 'Bearer',
      expiresIn: 900,
      refreshToken: valid,
      refreshExpiresIn: 2_592_000,
      user,
    })
  }
  const guest = () =>
    json(201, {
      accessToken: `guest-${++issued}`,
      tokenType: 'Bearer',
      expiresIn: 2_592_000,
      user: { id: `guest:${issued}`, name: 'Guest', role: 'guest' },
    })
  const refresh = (body: unknown) => {
    const { refreshToken } = body as { refreshToken: string }
    return refreshToken === valid ? answer(ADA) : problemOf(401, 'unauthorized')
  }
  const respond = (request: FakeRequest): Response => {
    switch (request.path) {
      case '/api/auth/guest':
        return guest()
      case '/api/auth/login':
        return answer(ADA)
      case '/api/auth/register':
        return answer({ ...ADA, id: request.token === null ? ADA.id : 'guest:1' })
      case '/api/auth/password':
        return answer(ADA)
      case '/api/auth/refresh':
        return refresh(request.body)
      case '/api/auth/logout':
      case '/api/auth/logout-all':
        valid = null
        return new Response(null, { status: 204 })
      default:
        return json(200, {})
    }
  }
  env.respond = respond
  const tab = () => createParley({ environment: env, tokenStore, pendingStore: memoryStore() })
  const asked = (path: string) => env.requests.filter((request) => request.path === `/api/auth/${path}`)
  return { env, tokenStore, tab, asked, respond, endAllSessions: () => void (valid = null) }
}

describe('signing in', () => {
  test('gives every tab the token and the person', async () => {
    const { env, tab, asked } = setUp()
    const [one, two] = [tab(), tab()]
    const heard: string[] = []
    two.session.subscribe(() => heard.push(two.session.snapshot.state))
    await one.account.signIn(SIGN_IN)
    env.storeChanged()
    expect(one.session.snapshot).toEqual({ state: 'account', user: ADA })
    expect(await two.session.token()).toBe('access-1')
    expect(heard).toEqual(['account'])
    expect(asked('login').map(({ token, body }) => ({ token, body }))).toEqual([
      { token: null, body: SIGN_IN },
    ])
    expect(asked('guest')).toEqual([])
  })

  test('a refused sign-in leaves everything as it was', async () => {
    const { env, tab, respond } = setUp()
    const { account, session } = tab()
    await session.token()
    env.respond = (request) =>
      request.path === '/api/auth/login' ? problemOf(401, 'invalid_credentials') : respond(request)
    await expect(account.signIn(SIGN_IN)).rejects.toMatchObject({ code: 'invalid_credentials' })
    expect(session.snapshot).toMatchObject({ state: 'guest', user: { id: 'guest:1' } })
  })

  test('a guest who registers shows who they are, so that they keep their id', async () => {
    const { tab, asked } = setUp()
    const { account, session } = tab()
    await session.token()
    await account.register(SIGN_IN)
    expect(asked('register').map(({ token }) => token)).toEqual(['guest-1'])
    expect(session.user).toMatchObject({ id: 'guest:1', email: ADA.email })
  })

  test('who was nobody registers as nobody', async () => {
    const { tab, asked } = setUp()
    await tab().account.register(SIGN_IN)
    expect(asked('register').map(({ token }) => token)).toEqual([null])
    expect(asked('guest')).toEqual([])
  })
})

describe('refreshing', () => {
  test('happens before the end of a token, and rotates the refresh token', async () => {
    const { env, tab, asked } = setUp()
    const { account, session } = tab()
    await account.signIn(SIGN_IN)
    await env.advance(11 * MINUTE_MS)
    expect(await session.token()).toBe('access-1')
    await env.advance(2 * MINUTE_MS)
    expect(await session.token()).toBe('access-2')
    await env.advance(13 * MINUTE_MS)
    expect(await session.token()).toBe('access-3')
    expect(asked('refresh').map(({ body }) => body)).toEqual([
      { refreshToken: 'refresh-1' },
      { refreshToken: 'refresh-2' },
    ])
  })

  test('of tabs that all need a token at once exactly one refreshes', async () => {
    const { env, tab, asked } = setUp()
    const tabs = Array.from({ length: 5 }, tab)
    await tabs[0]?.account.signIn(SIGN_IN)
    await env.advance(20 * MINUTE_MS)
    const tokens = await Promise.all(tabs.flatMap(({ session }) => [session.token(), session.token()]))
    expect(new Set(tokens)).toEqual(new Set(['access-2']))
    expect(asked('refresh')).toHaveLength(1)
  })

  test('tabs that cannot wait for each other keep the session that one of them got', async () => {
    const { env, tab, respond } = setUp()
    // No locks, as on a page without TLS.
    env.exclusively = (_name, run) => run()
    const [one, two] = [tab(), tab()]
    await one.account.signIn(SIGN_IN)
    await env.advance(20 * MINUTE_MS)
    // The second answer is made, and comes, when the first tab has stored its own.
    let stored: Promise<string> | null = null
    env.respond = async (request) => {
      if (request.path !== '/api/auth/refresh' || stored === null) return respond(request)
      await stored
      return respond(request)
    }
    const first = one.session.token()
    stored = first
    const second = two.session.token()
    expect(await Promise.all([first, second])).toEqual(['access-2', 'access-2'])
    expect(two.session.snapshot.state).toBe('account')
  })

  test('without a network the token is used while it lives, and nobody is signed out', async () => {
    const { env, tab, respond } = setUp()
    const { account, session } = tab()
    await account.signIn(SIGN_IN)
    env.respond = () => {
      throw new TypeError('no network')
    }
    await env.advance(13 * MINUTE_MS)
    expect(await session.token()).toBe('access-1')
    await env.advance(5 * MINUTE_MS)
    await expect(session.token()).rejects.toMatchObject({ code: 'network', retryable: true })
    expect(session.snapshot.state).toBe('account')
    env.respond = respond
    expect(await session.token()).toBe('access-2')
  })

  test('a refused one ends the session in every tab, and nobody becomes a guest by it', async () => {
    const { env, tab, asked, endAllSessions } = setUp()
    const [one, two] = [tab(), tab()]
    await one.account.signIn(SIGN_IN)
    endAllSessions()
    await env.advance(20 * MINUTE_MS)
    for (const { session } of [one, two, one]) {
      await expect(session.token()).rejects.toMatchObject({ code: 'signed_out', retryable: false })
    }
    await expect(two.api.listConversations()).rejects.toMatchObject({ code: 'signed_out' })
    expect(two.session.snapshot).toMatchObject({ state: 'ended', reason: 'refused', email: ADA.email })
    expect(asked('refresh')).toHaveLength(1)
    expect(asked('guest')).toEqual([])

    await two.account.continueAsGuest()
    expect(one.session.snapshot.state).toBe('guest')
    expect(await one.session.token()).toMatch(/^guest-/)
  })

  test('a suspended account is said to be one', async () => {
    const { env, tab, respond } = setUp()
    const { account, session } = tab()
    await account.signIn(SIGN_IN)
    await env.advance(20 * MINUTE_MS)
    env.respond = (request) =>
      request.path === '/api/auth/refresh' ? problemOf(403, 'suspended') : respond(request)
    await expect(session.token()).rejects.toMatchObject({ code: 'signed_out' })
    expect(session.snapshot).toMatchObject({ state: 'ended', reason: 'suspended' })
  })

  test('a suspension that a call meets ends the session in every tab, for guests, too', async () => {
    for (const enter of [true, false]) {
      const { env, tab, asked } = setUp()
      const [one, two] = [tab(), tab()]
      if (enter) await one.account.signIn(SIGN_IN)
      else await one.session.token()
      env.respond = () => problemOf(403, 'suspended')
      await expect(one.api.listConversations()).rejects.toMatchObject({ code: 'suspended' })
      const email = enter ? ADA.email : null
      expect(two.session.snapshot).toMatchObject({ state: 'ended', reason: 'suspended', email })
      await expect(two.session.token()).rejects.toMatchObject({ code: 'signed_out' })
      expect(asked('guest')).toHaveLength(enter ? 0 : 1)
    }
  })

  test('a suspension of the one before says nothing of who sits here now', async () => {
    const { env, tab, respond } = setUp()
    const { account, api, session } = tab()
    await session.token()
    env.respond = (request) => (request.token === 'guest-1' ? problemOf(403, 'suspended') : respond(request))
    const late = api.listConversations().catch((error: unknown) => error)
    await account.signIn(SIGN_IN)
    await late
    expect(session.snapshot).toEqual({ state: 'account', user: ADA })
  })

  test('can be asked for, to learn what has changed', async () => {
    const { tab, asked } = setUp()
    const { account, session } = tab()
    await account.signIn(SIGN_IN)
    await session.renew()
    expect(await session.token()).toBe('access-2')
    expect(asked('refresh')).toHaveLength(1)
  })

  test('a token that the server refuses is replaced by refreshing, never by a guest', async () => {
    const { env, tab, asked, respond } = setUp()
    const { account, caller } = tab()
    await account.signIn(SIGN_IN)
    env.respond = (request) =>
      request.token === 'access-1' ? problemOf(401, 'unauthorized') : respond(request)
    await caller.done({ method: 'GET', path: '/api/anything' })
    expect(asked('refresh')).toHaveLength(1)
    expect(asked('guest')).toEqual([])
  })
})

describe('signing out', () => {
  test('here: the server is told, and every tab of this browser is out', async () => {
    const { tab, asked } = setUp()
    const [one, two] = [tab(), tab()]
    await one.account.signIn(SIGN_IN)
    await one.account.signOut('here')
    expect(asked('logout').map(({ token }) => token)).toEqual(['access-1'])
    expect(two.session.snapshot).toMatchObject({ state: 'ended', reason: 'chosen' })
    await expect(two.session.token()).rejects.toMatchObject({ code: 'signed_out' })
  })

  test('here works without a network; everywhere says that it did not', async () => {
    const { env, tab } = setUp()
    const { account, session } = tab()
    await account.signIn(SIGN_IN)
    env.respond = () => {
      throw new TypeError('no network')
    }
    await expect(account.signOut('everywhere')).rejects.toMatchObject({ code: 'network' })
    expect(session.snapshot.state).toBe('account')
    await account.signOut('here')
    expect(session.snapshot.state).toBe('ended')
  })

  test('while a refresh is under way: what it brings does not sign in again', async () => {
    const { env, tab, respond } = setUp()
    const { account, session } = tab()
    await account.signIn(SIGN_IN)
    await env.advance(20 * MINUTE_MS)
    const gate = Promise.withResolvers<void>()
    env.respond = async (request) => {
      if (request.path === '/api/auth/refresh') await gate.promise
      return respond(request)
    }
    const token = session.token()
    const out = account.end('chosen')
    await settle()
    gate.resolve()
    await Promise.all([token, out])
    expect(session.snapshot.state).toBe('ended')
  })
})

test('a new password is a new session', async () => {
  const { tab, asked } = setUp()
  const { account, session } = tab()
  await account.signIn(SIGN_IN)
  const body = { currentPassword: SIGN_IN.password, newPassword: 'another horse battery' }
  await account.changePassword(body)
  expect(asked('password').map(({ token, body }) => ({ token, body }))).toEqual([{ token: 'access-1', body }])
  expect(await session.token()).toBe('access-2')
})

test('a wrong password is no reason to doubt the token', async () => {
  const { env, tab, asked, respond } = setUp()
  const { account, caller, session } = tab()
  await account.signIn(SIGN_IN)
  env.respond = (request) =>
    request.path === '/api/me' ? problemOf(401, 'invalid_credentials') : respond(request)
  const erase = new AccountApi(caller).erase({ password: 'wrong' })
  await expect(erase).rejects.toMatchObject({ code: 'invalid_credentials' })
  expect(asked('refresh')).toEqual([])
  expect(session.snapshot.state).toBe('account')
})
