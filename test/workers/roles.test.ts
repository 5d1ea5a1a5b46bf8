/**
 * Every route and every role: who is let through and who is not, written out here once more and asked of the Worker with real
 * tokens. A route that is not in this table, or declares something else, fails; so does one that declares nothing.
 */
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import { app } from '../../src/app.ts'
import { makeKey } from '../../src/auth/api-keys.ts'
import type { Env } from '../../src/env.ts'
import { actionOf } from '../../src/http/permit.ts'
import { createServices } from '../../src/services.ts'
import { askerWith, problemFrom } from './http-checks.ts'
import { personWith } from './people.ts'
import { Guest } from './worker-guest.ts'

/** A letter for each: guest, user, moderator, admin; keys of a machine with the scopes chat, read, both (b), none (n). */
const CALLERS = ['g', 'u', 'm', 'a', 'c', 'r', 'b', 'n'] as const
type Caller = (typeof CALLERS)[number]

/** What each route declares, and whom it lets through. */
const ROUTES: Readonly<Record<string, readonly [action: string, callers: string]>> = {
  'GET /api/health': ['public', ''],
  'GET /api/health/ready': ['public', ''],
  'POST /api/auth/guest': ['public', ''],
  'POST /api/auth/register': ['public', ''],
  'POST /api/auth/login': ['public', ''],
  'POST /api/auth/refresh': ['public', ''],
  'GET /api/conversations/:id/ws': ['public', ''],
  'GET /api/erasures/:id': ['public', ''],
  'GET /api/shares/:token': ['public', ''],

  'POST /api/auth/logout': ['account:sessions', 'uma'],
  'POST /api/auth/logout-all': ['account:sessions', 'uma'],
  'POST /api/auth/password': ['account:password', 'uma'],
  'POST /api/auth/ticket': ['socket:ticket', 'gumacb'],

  'GET /api/me': ['account:read', 'gumarb'],
  'PATCH /api/me': ['account:update', 'uma'],
  'DELETE /api/me': ['account:erase', 'guma'],
  'GET /api/me/export': ['account:export', 'guma'],
  'GET /api/me/sessions': ['account:sessions', 'uma'],
  'DELETE /api/me/sessions/:id': ['account:sessions', 'uma'],
  'GET /api/keys': ['keys:manage', 'uma'],
  'POST /api/keys': ['keys:manage', 'uma'],
  'DELETE /api/keys/:id': ['keys:manage', 'uma'],
  'GET /api/webhooks': ['webhooks:manage', 'uma'],
  'POST /api/webhooks': ['webhooks:manage', 'uma'],
  'DELETE /api/webhooks/:id': ['webhooks:manage', 'uma'],
  'POST /api/webhooks/:id/rotate': ['webhooks:manage', 'uma'],
  'POST /api/webhooks/:id/test': ['webhooks:manage', 'uma'],
  'GET /api/webhooks/:id/deliveries': ['webhooks:manage', 'uma'],

  'GET /api/conversations': ['conversation:list', 'gumarb'],
  'POST /api/conversations': ['conversation:create', 'gumacb'],
  'GET /api/conversations/:id': ['conversation:read', 'gumarb'],
  'PATCH /api/conversations/:id': ['conversation:rename', 'gumacb'],
  'DELETE /api/conversations/:id': ['conversation:delete', 'gumacb'],
  'GET /api/conversations/:id/messages': ['conversation:read', 'gumarb'],
  'GET /api/conversations/:id/messages/:messageId/stream': ['conversation:read', 'gumarb'],
  'POST /api/conversations/:id/stop': ['conversation:write', 'gumacb'],
  'POST /api/conversations/:id/continue': ['conversation:write', 'gumacb'],
  'POST /api/chat': ['conversation:write', 'gumacb'],
  'POST /api/chat/stream': ['conversation:write', 'gumacb'],

  'GET /api/conversations/:id/members': ['conversation:read', 'gumarb'],
  'POST /api/conversations/:id/members': ['conversation:members', 'guma'],
  'PATCH /api/conversations/:id/members/:userId': ['conversation:members', 'guma'],
  'DELETE /api/conversations/:id/members/:userId': ['conversation:leave', 'gumacb'],
  'GET /api/conversations/:id/invites': ['conversation:members', 'guma'],
  'POST /api/conversations/:id/invites': ['conversation:members', 'guma'],
  'DELETE /api/conversations/:id/invites/:inviteId': ['conversation:members', 'guma'],
  'POST /api/invites/accept': ['invite:accept', 'guma'],
  'GET /api/conversations/:id/shares': ['conversation:share', 'guma'],
  'POST /api/conversations/:id/shares': ['conversation:share', 'guma'],
  'DELETE /api/conversations/:id/shares/:shareId': ['conversation:share', 'guma'],

  'GET /api/usage': ['usage:read', 'gumarb'],
  'GET /api/admin/usage': ['admin:usage:read', 'a'],
  'GET /api/admin/audit': ['admin:audit:read', 'a'],
  'GET /api/queue': ['admin:queue:read', 'a'],
  'POST /api/queue/dead-letters/:id/requeue': ['admin:queue:update', 'a'],
  'GET /api/admin/users': ['admin:users:read', 'ma'],
  'PATCH /api/admin/users/:id': ['admin:users:update', 'a'],
  'POST /api/admin/users/:id/suspend': ['admin:users:suspend', 'ma'],
  'POST /api/admin/users/:id/unsuspend': ['admin:users:suspend', 'ma'],
  'GET /api/admin/incidents': ['admin:incidents:read', 'ma'],
  'GET /api/admin/incidents/:id': ['admin:incidents:read', 'ma'],
  'GET /api/admin/incidents/:id/post-mortem': ['admin:incidents:read', 'ma'],
  'POST /api/admin/incidents/:id/acknowledge': ['admin:incidents:handle', 'ma'],
  'POST /api/admin/incidents/:id/resolve': ['admin:incidents:handle', 'ma'],
  'POST /api/admin/incidents/:id/notes': ['admin:incidents:handle', 'ma'],
  'GET /api/admin/errors': ['admin:incidents:read', 'ma'],
  'GET /api/admin/providers': ['admin:operations:read', 'ma'],
  'POST /api/admin/providers/:name/reset': ['admin:operations:switch', 'a'],
  'POST /api/admin/switches': ['admin:operations:switch', 'a'],
  'GET /api/admin/webhooks': ['admin:webhooks:manage', 'a'],
  'POST /api/admin/webhooks': ['admin:webhooks:manage', 'a'],
  'DELETE /api/admin/webhooks/:id': ['admin:webhooks:manage', 'a'],
  'POST /api/admin/webhooks/:id/rotate': ['admin:webhooks:manage', 'a'],
  'POST /api/admin/webhooks/:id/test': ['admin:webhooks:manage', 'a'],
  'GET /api/admin/webhooks/:id/deliveries': ['admin:webhooks:manage', 'a'],
}

const declared = (route: string): unknown[] =>
  app.routes
    .filter(({ method, path }) => `${method} ${path}` === route)
    .map(({ handler }) => actionOf(handler))
    .filter((action) => action !== undefined)

/** Somebody new each time: some routes end sessions, and one ends its caller. */
async function tokenOf(caller: Caller): Promise<string> {
  if (caller === 'g') return (await Guest.arrive()).token
  if (caller === 'u') return (await personWith('user')).token
  if (caller === 'm') return (await personWith('moderator')).token
  if (caller === 'a') return (await personWith('admin')).token
  const owner = await personWith('user')
  const { id, text, hash } = await makeKey()
  const scopes = { c: 'chat', r: 'read', b: 'chat read', n: '' }[caller]
  const key = { id, ownerId: owner.id, name: 'CI', hash, scopes, createdAt: Date.now(), expiresAt: null }
  const from = { requestId: 'r', address: null, agent: null }
  const entry = { action: 'key_created', actor: { userId: owner.id, role: 'user' }, ...from } as const
  await createServices(env as unknown as Env).identity.keys.create(key, 10, entry)
  return text
}

/** Ids that nobody has. */
const addressOf = (path: string): string =>
  path
    .replace('/admin/users/:id', `/admin/users/user:${crypto.randomUUID()}`)
    .replace(':messageId', 'm1')
    .replace(/\/:\w+/g, () => `/${crypto.randomUUID()}`)

/** What the Worker does besides verifying, as far as it could be seen from outside. */
const deeds: string[] = []

function watched<T extends object>(binding: T, note: (name: string, args: unknown[]) => string | null): T {
  return new Proxy(binding, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        const deed = note(String(name), args)
        if (deed !== null) deeds.push(deed)
        return (value as (...args: unknown[]) => unknown).apply(target, args)
      }
    },
  })
}

const ask = askerWith({
  CONVERSATIONS: watched(env.CONVERSATIONS, (name) => `conversation ${name}`),
  ERASURES: watched(env.ERASURES, (name) => `erasure ${name}`),
  // Looking up a machine's key is part of verifying it.
  DB: watched(env.DB, (name, [sql]) =>
    typeof sql === 'string' && /^\s*SELECT|service_keys/i.test(sql) ? null : `D1 ${name} ${String(sql)}`,
  ),
})

async function asked(route: string, caller: Caller, body: string): Promise<Response> {
  const [method = '', path = ''] = route.split(' ')
  const headers = { authorization: `Bearer ${await tokenOf(caller)}`, 'content-type': 'application/json' }
  deeds.length = 0
  return await ask(addressOf(path), { method, headers, ...(method !== 'GET' && { body }) })
}

/** The first token of an isolate sees to the database and its secret. */
beforeAll(async () => void (await ask('/api/auth/guest', { method: 'POST' })))

describe('the table of routes', () => {
  const routes = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path}`)

  test('names every route that there is, and no other', () => {
    expect([...new Set(routes)].toSorted()).toEqual(Object.keys(ROUTES).toSorted())
  })

  test.each(Object.entries(ROUTES))('%s declares what it asks for, once', (route, [action]) => {
    expect(declared(route)).toEqual([action])
  })
})

describe('a role', () => {
  const guarded = Object.entries(ROUTES).filter(([, [action]]) => action !== 'public')

  test.each(guarded)('is let through or refused: %s', async (route, [, allowed]) => {
    for (const caller of CALLERS) {
      // No body of any route: who may not ask hears so before it is looked at.
      const response = await asked(route, caller, '{"broken')
      const told = { caller, status: response.status }
      if (allowed.includes(caller)) {
        expect([401, 403], JSON.stringify(told)).not.toContain(response.status)
        await response.body?.cancel()
      } else {
        expect(told).toEqual({ caller, status: 403 })
        await problemFrom(response, 403, 'forbidden')
        expect(deeds).toEqual([])
      }
    }
  })

  test.each(Object.entries(ROUTES).filter(([, [action]]) => action === 'public'))(
    'is not asked for: %s',
    async (route) => {
      const [method = '', path = ''] = route.split(' ')
      const headers = { 'content-type': 'application/json' }
      const init = { method, headers, ...(method !== 'GET' && { body: '{"broken' }) }
      expect([401, 403]).not.toContain((await ask(addressOf(path), init)).status)
    },
  )

  test('is asked for by a socket that brings an access token, as by the route of tickets', async () => {
    for (const caller of CALLERS) {
      const headers = { upgrade: 'websocket', 'sec-websocket-protocol': `parley, ${await tokenOf(caller)}` }
      const { status } = await ask(`/api/conversations/${crypto.randomUUID()}/ws`, { headers })
      expect({ caller, status }).toEqual({ caller, status: 'gumacb'.includes(caller) ? 404 : 403 })
    }
  })

  test('that is watched for deeds is seen doing them', async () => {
    await (await asked('GET /api/conversations/:id', 'g', '')).body?.cancel()
    expect(deeds).toContain('conversation get')
    await (await asked('GET /api/admin/users', 'a', '')).body?.cancel()
    expect(deeds.filter((deed) => deed.startsWith('D1'))).not.toEqual([])
  })
})
