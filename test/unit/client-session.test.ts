/**
 * The session (one token for all tabs, renewed in time, replaced when refused) and the typed REST calls on top of it.
 */
import { describe, expect, test } from 'vitest'
import { createParley, memoryStore, ParleyError } from '../../src/client/index.ts'
import { AT, CONVERSATION_ID } from '../support/conversation-model.ts'
import { FakeEnvironment, json, problemOf, type FakeRequest } from '../support/fake-environment.ts'

const DAY_S = 86_400
const CONVERSATION = {
  id: CONVERSATION_ID,
  title: 'T',
  ownerId: 'u1',
  createdAt: AT,
  lastActivityAt: AT,
  messageCount: 0,
}

function setUp() {
  const env = new FakeEnvironment()
  const tokenStore = memoryStore()
  let made = 0
  const guest = () => {
    const user = { id: `u${made + 1}`, name: 'Guest', role: 'guest' }
    return json(200, { accessToken: `token-${++made}`, tokenType: 'Bearer', expiresIn: DAY_S, user })
  }
  env.respond = (request) => (request.path === '/api/auth/guest' ? guest() : json(200, CONVERSATION))
  const tab = () => createParley({ environment: env, tokenStore, pendingStore: memoryStore() })
  const guests = () => env.requests.filter((request) => request.path === '/api/auth/guest')
  return { env, tokenStore, tab, guests, guest }
}

describe('session', () => {
  test('a token is fetched once, however many calls need it, and shared by the next tab', async () => {
    const { tab, guests } = setUp()
    const { session } = tab()
    expect(await Promise.all([session.token(), session.token(), session.token()])).toEqual(
      Array(3).fill('token-1'),
    )
    expect(await tab().session.token()).toBe('token-1')
    expect(guests()).toHaveLength(1)
    expect(session.user).toMatchObject({ id: 'u1' })
  })

  test('near its end a token is renewed with itself, which keeps the person', async () => {
    const { env, tab, guests } = setUp()
    const { session } = tab()
    await session.token()
    await env.advance(DAY_S * 1000 * 0.79)
    expect(await session.token()).toBe('token-1')
    await env.advance(DAY_S * 1000 * 0.02)
    expect(await session.token()).toBe('token-2')
    expect(guests().map((request) => request.token)).toEqual([null, 'token-1'])
  })

  test('a renewal that fails leaves the token in use while it is valid', async () => {
    const { env, tab } = setUp()
    const { session } = tab()
    await session.token()
    await env.advance(DAY_S * 1000 * 0.9)
    env.respond = () => {
      throw new TypeError('no network')
    }
    expect(await session.token()).toBe('token-1')
    await env.advance(DAY_S * 1000 * 0.1)
    await expect(session.token()).rejects.toMatchObject({ code: 'network', retryable: true })
  })

  test('an expired token is not presented; a refused renewal makes a new guest', async () => {
    const { env, tab, guests, guest } = setUp()
    const { session } = tab()
    await session.token()
    await env.advance(DAY_S * 1000)
    await session.token()
    expect(guests().map((request) => request.token)).toEqual([null, null])
    await env.advance(DAY_S * 1000 * 0.9)
    env.respond = (request) => (request.token ? problemOf(401, 'unauthorized') : guest())
    expect(await session.token()).toBe('token-3')
  })

  test('a token that another tab replaced already is not replaced again', async () => {
    const { tab, guests } = setUp()
    const [one, two] = [tab().session, tab().session]
    const refused = await one.token()
    expect(await one.replace(refused)).toBe('token-2')
    expect(await two.replace(refused)).toBe('token-2')
    expect(guests()).toHaveLength(2)
  })

  test('a stored session that cannot be read is as good as none', async () => {
    const { tokenStore, tab } = setUp()
    tokenStore.setItem('parley.session', '{"accessToken":7}')
    expect(await tab().session.token()).toBe('token-1')
  })

  test('an answer that is not a session is a clear error', async () => {
    const { env, tab } = setUp()
    env.respond = () => json(200, { hello: 'world' })
    await expect(tab().session.token()).rejects.toMatchObject({ code: 'bad_answer' })
  })
})

describe('REST calls', () => {
  test('each names its route, its method and its body', async () => {
    const { env, tab } = setUp()
    const { api } = tab()
    const guest = env.respond
    const calls: FakeRequest[] = []
    env.respond = (request) => {
      if (request.path.startsWith('/api/auth/guest')) return guest(request)
      calls.push(request)
      if (request.method === 'DELETE') return new Response(null, { status: 204 })
      if (request.path.includes('/messages')) return json(200, { messages: [], before: null })
      if (request.path.endsWith('/stop')) return json(200, { turnId: 't2', state: 'stopped', stopped: true })
      if (request.path.startsWith('/api/conversations?')) return json(200, { conversations: [], next: null })
      return json(200, CONVERSATION)
    }
    await api.createConversation({ title: 'T' })
    await api.listConversations({ limit: 5, cursor: 'a b' })
    await api.getConversation(CONVERSATION_ID)
    await api.renameConversation(CONVERSATION_ID, 'New')
    await api.listMessages(CONVERSATION_ID, { before: 'm9' })
    await api.stopTurn(CONVERSATION_ID, 't2')
    await api.deleteConversation(CONVERSATION_ID)
    const at = `/api/conversations/${CONVERSATION_ID}`
    expect(calls.map(({ method, path, body }) => ({ method, path, body }))).toEqual([
      { method: 'POST', path: '/api/conversations', body: { title: 'T' } },
      { method: 'GET', path: '/api/conversations?limit=5&cursor=a+b', body: undefined },
      { method: 'GET', path: at, body: undefined },
      { method: 'PATCH', path: at, body: { title: 'New' } },
      { method: 'GET', path: `${at}/messages?before=m9`, body: undefined },
      { method: 'POST', path: `${at}/stop`, body: { turnId: 't2' } },
      { method: 'DELETE', path: at, body: undefined },
    ])
    expect(calls.every((call) => call.token === 'token-1')).toBe(true)
  })

  test('E1: a problem becomes an error with its code, field and hints', async () => {
    const { env, tab, guest } = setUp()
    env.respond = (request) =>
      request.path === '/api/auth/guest'
        ? guest()
        : problemOf(429, 'queue_full', { field: 'message', retryable: true, retryAfterMs: 1500 })
    const error = await tab()
      .api.getConversation(CONVERSATION_ID)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ParleyError)
    expect(error).toMatchObject({
      code: 'queue_full',
      status: 429,
      message: 'queue_full happened',
      field: 'message',
      retryable: true,
      retryAfterMs: 1500,
      requestId: 'r1',
    })
  })

  test("a proxy's page, a wrong shape and no network are told apart", async () => {
    const { env, tab, guest } = setUp()
    const { api } = tab()
    const failWith = async (respond: () => Response) => {
      env.respond = (request) => (request.path === '/api/auth/guest' ? guest() : respond())
      return await api.getConversation(CONVERSATION_ID).catch((thrown: unknown) => thrown)
    }
    expect(await failWith(() => new Response('<h1>Bad gateway</h1>', { status: 502 }))).toMatchObject({
      code: 'bad_answer',
      status: 502,
      retryable: true,
    })
    expect(await failWith(() => json(200, { id: 1 }))).toMatchObject({ code: 'bad_answer', status: 200 })
    const gone = await failWith(() => {
      throw new TypeError('fetch failed')
    })
    expect(gone).toMatchObject({ code: 'network', status: 0, retryable: true })
  })

  test('a refused token is replaced once, and the call made again', async () => {
    const { env, tab, guest } = setUp()
    const { api, session } = tab()
    await session.token()
    env.respond = (request) => {
      if (request.path === '/api/auth/guest') return guest()
      return request.token === 'token-1' ? problemOf(401, 'unauthorized') : json(200, CONVERSATION)
    }
    expect(await api.getConversation(CONVERSATION_ID)).toEqual(CONVERSATION)
    env.respond = (request) => (request.path === '/api/auth/guest' ? guest() : problemOf(401, 'unauthorized'))
    await expect(api.getConversation(CONVERSATION_ID)).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test('S1 S2: a chat stream yields checked frames with the id to resume from', async () => {
    const { env, tab, guest } = setUp()
    const accepted = {
      type: 'message_accepted',
      id: 'k',
      messageId: 'm1',
      turnId: 't2',
      answerId: 'm2',
      duplicate: false,
    }
    const text = `: ping\n\nid: 1:0\nevent: message_accepted\ndata: ${JSON.stringify(accepted)}\n\nevent: later\nid: 2:0\ndata: {"type":"later"}\n\n`
    env.respond = (request) => (request.path === '/api/auth/guest' ? guest() : new Response(text))
    const events = []
    for await (const event of tab().api.streamChat({ message: 'hi', idempotencyKey: 'k' })) events.push(event)
    expect(events).toEqual([{ id: '1:0', frame: accepted }])
  })
})
