/**
 * Guessing ids: on every route that takes one, another tenant's is answered like one that nobody has, after the same work, so
 * that not even the time tells them apart. Time itself is no test on a busy machine; what takes it is: queries, and calls of
 * objects. A route that is not in the table fails.
 */
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import { createdKeyAnswer, sessionsAnswer } from '../../src/protocol/accounts.ts'
import { webhookSecretAnswer } from '../../src/protocol/webhooks.ts'
import { app } from '../../src/app.ts'
import { askerWith } from './http-checks.ts'
import { invite, share } from './shared-conversation.ts'
import { answered } from './started-conversation.ts'
import { Account } from './worker-account.ts'
import { problemOf } from './worker-guest.ts'

/** The body that each route takes; null: none. */
const BODIES: Readonly<Record<string, object | null>> = {
  'POST /api/chat': { message: 'Hi' },
  'POST /api/chat/stream': { message: 'Hi' },
  'GET /api/conversations/:id': null,
  'PATCH /api/conversations/:id': { title: 'Mine' },
  'DELETE /api/conversations/:id': null,
  'GET /api/conversations/:id/messages': null,
  'GET /api/conversations/:id/messages/:messageId/stream': null,
  'POST /api/conversations/:id/stop': { turnId: 't2' },
  'POST /api/conversations/:id/continue': { turnId: 't2' },
  'GET /api/conversations/:id/ws': null,
  'GET /api/conversations/:id/members': null,
  'POST /api/conversations/:id/members': { userId: 'user:me', role: 'editor' },
  'PATCH /api/conversations/:id/members/:userId': { role: 'viewer' },
  'DELETE /api/conversations/:id/members/:userId': null,
  'GET /api/conversations/:id/invites': null,
  'POST /api/conversations/:id/invites': { role: 'editor' },
  'DELETE /api/conversations/:id/invites/:inviteId': null,
  'GET /api/conversations/:id/shares': null,
  'POST /api/conversations/:id/shares': { mode: 'live' },
  'DELETE /api/conversations/:id/shares/:shareId': null,
  'DELETE /api/keys/:id': null,
  'DELETE /api/me/sessions/:id': null,
  'GET /api/webhooks/:id/deliveries': null,
  'POST /api/webhooks/:id/rotate': null,
  'POST /api/webhooks/:id/test': null,
  'DELETE /api/webhooks/:id': null,
}

/** Whoever holds these has what they lead to; and what only those in charge may ask for, who may know of everybody. */
const OPEN_TO_HOLDERS = ['GET /api/erasures/:id', 'GET /api/shares/:token']
const FOR_THOSE_IN_CHARGE = /^\w+ \/api\/(?:admin|queue)\//

const work: string[] = []

/** Notes how often objects and D1 are asked. */
function counted<T extends object>(binding: T, name: string, method: string): T {
  return new Proxy(binding, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (property === method) work.push(name)
        return (value as (...args: unknown[]) => unknown).apply(target, args)
      }
    },
  })
}

const ask = askerWith({
  DB: counted(env.DB, 'D1', 'prepare'),
  CONVERSATIONS: counted(env.CONVERSATIONS, 'conversation', 'get'),
  LIMITER: counted(env.LIMITER, 'limiter', 'get'),
  TICKETS: counted(env.TICKETS, 'ticket', 'get'),
})

/** By the name of the parameter: what is there, of somebody else. */
let theirs: Readonly<Record<string, string>>
let stranger: Account

beforeAll(async () => {
  const { guest: owner, id } = await answered()
  const ada = await Account.register()
  const made = await ada.request('POST', '/api/keys', { name: 'CI', scopes: ['chat'] })
  const url = 'https://receiver.example/hook'
  const hook = await ada.request('POST', '/api/webhooks', { url, events: ['turn.completed'] })
  const { sessions } = sessionsAnswer.parse(await (await ada.request('GET', '/api/me/sessions')).json())
  theirs = {
    conversation: id,
    messageId: 'm2',
    userId: owner.userId,
    inviteId: (await invite(owner, id, { role: 'editor' })).id,
    shareId: (await share(owner, id, { mode: 'live' })).id,
    key: createdKeyAnswer.parse(await made.json()).id,
    session: sessions[0]?.id ?? '',
    webhook: webhookSecretAnswer.parse(await hook.json()).id,
  }
  stranger = await Account.register()
  // What an isolate does once is done.
  await open('GET /api/conversations/:id', theirs)
})

/** Asks as the stranger. */
async function open(route: string, ids: Readonly<Record<string, string>>) {
  const [method = '', path = ''] = route.split(' ')
  const address = path
    .replace('/conversations/:id', `/conversations/${ids['conversation']}`)
    .replace('/keys/:id', `/keys/${ids['key']}`)
    .replace('/webhooks/:id', `/webhooks/${ids['webhook']}`)
    .replace('/sessions/:id', `/sessions/${ids['session']}`)
    .replace(/:(\w+)/g, (_, name: string) => ids[name] ?? '')
  const body = BODIES[route] && {
    ...BODIES[route],
    ...(!path.includes(':') && { conversationId: ids['conversation'] }),
  }
  const token = stranger.session.accessToken
  const headers: Record<string, string> = path.endsWith('/ws')
    ? { upgrade: 'websocket', 'sec-websocket-protocol': `parley, ${token}` }
    : { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  work.length = 0
  const response = await ask(address, { method, headers, ...(body && { body: JSON.stringify(body) }) })
  const names = [...response.headers.keys()].filter((name) => name !== 'x-request-id')
  return { status: response.status, names, problem: await problemOf(response), work: work.toSorted() }
}

describe('E3 id guessing', () => {
  test('is looked at for every route that takes an id', () => {
    const routes = app.routes
      .filter(({ method, path }) => method !== 'ALL' && path.includes(':'))
      .map(({ method, path }) => `${method} ${path}`)
      .filter((route) => !OPEN_TO_HOLDERS.includes(route) && !FOR_THOSE_IN_CHARGE.test(route))
    const named = Object.keys(BODIES).filter((route) => route.includes(':'))
    expect([...new Set(routes)].toSorted()).toEqual(named.toSorted())
  })

  test.each(Object.keys(BODIES))('tells nothing, and takes the same work: %s', async (route) => {
    const nobodys = {
      ...theirs,
      conversation: crypto.randomUUID(),
      key: '0'.repeat(24),
      session: crypto.randomUUID(),
      webhook: crypto.randomUUID(),
    }
    const [foreign, unknown] = [await open(route, theirs), await open(route, nobodys)]
    expect(foreign).toMatchObject({ status: 404, problem: { code: 'not_found' } })
    expect(foreign).toEqual(unknown)
  })

  test('whose work is seen where there is some', async () => {
    expect((await open('GET /api/conversations/:id', theirs)).work).toEqual(['conversation', 'limiter'])
    expect((await open('DELETE /api/keys/:id', theirs)).work).toContain('D1')
  })
})
