/**
 * What somebody tries who wants to keep access that has ended: sockets of a revoked key, rooms beyond those that are
 * remembered, a connection that is opened while its owner is suspended, a plan that was taken away.
 */
import { describe, expect, test } from 'vitest'
import { createdKeyAnswer } from '../../src/protocol/accounts.ts'
import { ticketAnswer } from '../../src/protocol/http.ts'
import { PRINCIPAL_HEADER, type Principal } from '../../src/protocol/principal.ts'
import { problemFrom } from './http-checks.ts'
import { limiterOf } from './limited-people.ts'
import { personWith } from './people.ts'
import { share, sharedConversation } from './shared-conversation.ts'
import { answered, newConversation } from './started-conversation.ts'
import { TestSocket } from './test-socket.ts'
import { Account, send } from './worker-account.ts'
import { Guest, ask, message, stubOf, unique } from './worker-guest.ts'

/** As in limits/person-limits.ts. */
const MOST_CONNECTIONS = 256

/** A key with a conversation of its own, and a socket there. */
async function machineOf(owner: Account, body: object = {}) {
  const made = await owner.request('POST', '/api/keys', { name: 'CI', scopes: ['chat', 'read'], ...body })
  const { id, key } = createdKeyAnswer.parse(await made.json())
  const created = await send('POST', '/api/conversations', { token: key, body: {} })
  const { id: conversationId } = await created.json<{ id: string }>()
  return { id, key, conversationId, socket: await socketOf(key, conversationId) }
}

async function socketOf(token: string, conversationId: string): Promise<TestSocket> {
  const { ticket } = ticketAnswer.parse(await (await send('POST', '/api/auth/ticket', { token })).json())
  const response = await ask(`/api/conversations/${conversationId}/ws?ticket=${ticket}`, {
    headers: { upgrade: 'websocket' },
  })
  if (!response.webSocket) throw new Error(`no socket: ${response.status}`)
  const socket = new TestSocket(response.webSocket)
  await socket.join()
  return socket
}

/** A socket as the Worker opens it, which has asked the limiter a moment ago. */
async function connectAs(guest: Guest, id: string): Promise<TestSocket> {
  const { userId, name } = guest
  const principal: Principal = { userId, name, role: 'guest', kind: 'guest' }
  const headers = { upgrade: 'websocket', [PRINCIPAL_HEADER]: JSON.stringify(principal) }
  const response = await stubOf(id).fetch('http://parley.test/', { headers })
  if (!response.webSocket) throw new Error(`no socket: ${response.status}`)
  return new TestSocket(response.webSocket)
}

describe('a service key', () => {
  test('A10 takes its sockets along when it is revoked, and opens no others', async () => {
    const ada = await Account.register()
    const { id, key, socket, conversationId } = await machineOf(ada)
    expect((await ada.request('DELETE', `/api/keys/${id}`)).status).toBe(204)
    expect(await socket.closed).toBe(4401)
    await problemFrom(await send('POST', '/api/auth/ticket', { token: key }), 401, 'unauthorized')
    await problemFrom(
      await send('GET', `/api/conversations/${conversationId}`, { token: key }),
      401,
      'unauthorized',
    )
  })

  test('A10 a ticket for one that was revoked opens nothing', async () => {
    const ada = await Account.register()
    const { id, key, conversationId } = await machineOf(ada)
    const { ticket } = ticketAnswer.parse(
      await (await send('POST', '/api/auth/ticket', { token: key })).json(),
    )
    await ada.request('DELETE', `/api/keys/${id}`)
    const response = await ask(`/api/conversations/${conversationId}/ws?ticket=${ticket}`, {
      headers: { upgrade: 'websocket' },
    })
    await problemFrom(response, 401, 'unauthorized')
  })

  test('G4 is suspended with its owner at once, sockets and all, and reinstated with them', async () => {
    const [admin, ada] = [await personWith('admin'), await Account.register()]
    const { key, socket } = await machineOf(ada)
    await admin.request('POST', `/api/admin/users/${ada.userId}/suspend`, { reason: 'spam' })
    expect(await socket.closed).toBe(4403)
    await problemFrom(await send('GET', '/api/conversations', { token: key }), 403, 'suspended')
    await admin.request('POST', `/api/admin/users/${ada.userId}/unsuspend`)
    expect((await send('GET', '/api/conversations', { token: key })).status).toBe(200)
  })

  test('L6 goes on when its owner signs out everywhere', async () => {
    const ada = await Account.register()
    const { key } = await machineOf(ada)
    await ada.request('POST', '/api/auth/logout-all')
    const body = { message: message(unique(), 'text=ok') }
    expect((await send('POST', '/api/chat', { token: key, body })).status).toBe(200)
  })

  test('M7 that expires says so in its tickets: a socket is not for ever', async () => {
    const ada = await Account.register()
    const made = await ada.request('POST', '/api/keys', { name: 'CI', scopes: ['chat'], expiresInDays: 1 })
    const { key, expiresAt } = createdKeyAnswer.parse(await made.json())
    const { ticket } = ticketAnswer.parse(
      await (await send('POST', '/api/auth/ticket', { token: key })).json(),
    )
    const claims = JSON.parse(
      atob(ticket.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''),
    ) as {
      proof?: { exp?: number }
    }
    expect(claims.proof?.exp).toBe(Math.floor(Date.parse(expiresAt ?? '') / 1000))
  })
})

describe('somebody who is suspended', () => {
  test('G4 keeps no socket by opening more of them than are remembered', async () => {
    const { member, id } = await sharedConversation('viewer')
    const socket = await member.join(id)
    for (let i = 1; i < MOST_CONNECTIONS; i++)
      await limiterOf(member.userId).connected(`other-${i}`, { kind: 'guest' })
    // One more: the oldest falls out of the list, and could not be found again.
    const { socket: newest } = await newConversationOf(member)
    expect(await socket.closed).toBe(4429)
    await newest.ping()
  })

  test('G4 keeps none that was on its way when it happened', async () => {
    const { guest, id } = await newConversation('A title')
    await limiterOf(guest.userId).suspend('spam')
    const late = await connectAs(guest, id)
    expect(await late.closed).toBe(4403)
  })

  test('M12 reads nothing that is shared with people who have an account', async () => {
    const { guest, id } = await answered('private')
    const { token } = await share(guest, id, { mode: 'live', requireSignIn: true })
    const ada = await Account.register()
    expect((await ada.request('GET', `/api/shares/${token}`)).status).toBe(200)
    await limiterOf(ada.userId).suspend('spam')
    await problemFrom(await ada.request('GET', `/api/shares/${token}`), 403, 'suspended')
  })

  test('M12 neither does whoever has signed out', async () => {
    const { guest, id } = await answered('private')
    const { token } = await share(guest, id, { mode: 'live', requireSignIn: true })
    const ada = await Account.register()
    await ada.request('POST', '/api/auth/logout')
    await problemFrom(await ada.request('GET', `/api/shares/${token}`), 401, 'unauthorized')
  })
})

describe('a plan that was taken away', () => {
  test('G3 does not go on over a socket that was opened with it', async () => {
    const admin = await personWith('admin')
    const guest = await Guest.arrive()
    await admin.request('PATCH', `/api/admin/users/${guest.userId}`, { plan: 'unlimited' })
    const { socket, id } = await newConversationOf(guest)
    await admin.request('PATCH', `/api/admin/users/${guest.userId}`, { plan: 'nothing' })
    expect(await socket.closed).toBe(4401)
    const again = await guest.join(id)
    again.send({ type: 'stream_chat', id: 'c1', content: message(unique(), 'text=ok') })
    expect(await again.next('error')).toMatchObject({ code: 'quota_exceeded' })
  })

  test('G3 nor with a key, whose plan is remembered for a moment', async () => {
    const [admin, ada] = [await personWith('admin'), await Account.register()]
    await admin.request('PATCH', `/api/admin/users/${ada.userId}`, { plan: 'unlimited' })
    const { key, socket } = await machineOf(ada)
    await admin.request('PATCH', `/api/admin/users/${ada.userId}`, { plan: 'nothing' })
    expect(await socket.closed).toBe(4401)
    const body = { message: message(unique(), 'text=ok') }
    await problemFrom(await send('POST', '/api/chat', { token: key, body }), 429, 'quota_exceeded')
  })
})

async function newConversationOf(guest: Guest): Promise<{ id: string; socket: TestSocket }> {
  const id = await guest.createConversation('A title')
  return { id, socket: await guest.join(id) }
}
