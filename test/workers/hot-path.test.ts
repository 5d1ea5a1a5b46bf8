/**
 * Knowing who asks, and whether they may, costs no query of D1: for guests, accounts, people of an external provider and
 * machines whom this isolate has seen before. Counted over the whole isolate, the objects of conversations included.
 */
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, inject, test, vi, type MockInstance } from 'vitest'
import { createdKeyAnswer } from '../../src/protocol/accounts.ts'
import { conversation, type Message } from '../../src/protocol/message.ts'
import { ticketAnswer } from '../../src/protocol/http.ts'
import { tellAll } from './limited-people.ts'
import { sharedConversation } from './shared-conversation.ts'
import { Account, send } from './worker-account.ts'
import { Guest, message, model, unique } from './worker-guest.ts'

const D1 = Object.getPrototypeOf(env.DB) as D1Database

let queries: MockInstance<D1Database['prepare']>
beforeEach(() => void (queries = vi.spyOn(D1, 'prepare')))
afterEach(() => queries.mockRestore())

const external = async (): Promise<string> => {
  const claims = JSON.stringify({ sub: crypto.randomUUID(), name: 'Ada' })
  return await (await fetch(`${inject('identityUrl')}/sign`, { method: 'POST', body: claims })).text()
}

const machine = async (): Promise<string> => {
  const body = { name: 'CI', scopes: ['chat', 'read'] }
  const response = await (await Account.register()).request('POST', '/api/keys', body)
  return createdKeyAnswer.parse(await response.json()).key
}

const PEOPLE: [string, () => Promise<string>][] = [
  ['a guest', async () => (await Guest.arrive()).token],
  ['an account', async () => (await Account.register()).session.accessToken],
  ['an external provider', external],
  ['a machine', machine],
]

describe.each(PEOPLE)('a valid token of %s', (_, arrive) => {
  const withConversation = async () => {
    const token = await arrive()
    // First sight, and something to ask about.
    const response = await send('POST', '/api/conversations', { token, body: { title: 'A title' } })
    const { id } = conversation.parse(await response.json())
    queries.mockClear()
    return { token, id, path: `/api/conversations/${id}` }
  }

  test.each(['', '/messages', '/members'])('reads a conversation without a query: …/:id%s', async (rest) => {
    const { token, path } = await withConversation()
    expect((await send('GET', path + rest, { token })).status).toBe(200)
    expect(queries).not.toHaveBeenCalled()
  })

  test('has a message accepted and answered without a query', async () => {
    const { token, id } = await withConversation()
    const gate = unique()
    const chat = send('POST', '/api/chat', {
      token,
      body: { conversationId: id, message: message(gate, `gate=${gate} text=ok`) },
    })
    // The model is asked for an answer, so the message is accepted. D1 hears of the turn when it is over.
    await model.wait({ match: gate })
    expect(queries).not.toHaveBeenCalled()
    await model.openGate(gate)
    expect(await (await chat).json<{ message: Message }>()).toMatchObject({
      message: { status: 'completed' },
    })
    // What D1 is told afterwards must not be counted by the next test.
    await tellAll(id)
  })

  test('has a socket opened without a query', async () => {
    const { token, path } = await withConversation()
    const { ticket } = ticketAnswer.parse(await (await send('POST', '/api/auth/ticket', { token })).json())
    const headers = { upgrade: 'websocket' }
    const byTicket = await send('GET', `${path}/ws?ticket=${ticket}`, { headers })
    const offer = { ...headers, 'sec-websocket-protocol': `parley, ${token}` }
    const byToken = await send('GET', `${path}/ws`, { headers: offer })
    expect([byTicket.status, byToken.status]).toEqual([101, 101])
    expect(queries).not.toHaveBeenCalled()
    for (const { webSocket } of [byTicket, byToken]) {
      webSocket?.accept()
      webSocket?.close()
    }
  })
})

test('a stranger is refused without a query, and so is a member who may not', async () => {
  const { member, id } = await sharedConversation('viewer')
  const stranger = await Guest.arrive()
  queries.mockClear()
  expect((await stranger.request('GET', `/api/conversations/${id}`)).status).toBe(404)
  expect((await stranger.request('GET', '/api/admin/users')).status).toBe(403)
  const chat = await member.request('POST', '/api/chat', { conversationId: id, message: message(unique()) })
  expect(chat.status).toBe(403)
  expect(queries).not.toHaveBeenCalled()
})

test('queries are seen where there are some: by the Worker, and by a conversation', async () => {
  const guest = await Guest.arrive()
  queries.mockClear()
  await guest.request('GET', '/api/conversations')
  const byWorker = queries.mock.calls.length
  expect(byWorker).toBeGreaterThan(0)
  await guest.createConversation('A title')
  expect(queries.mock.calls.length).toBeGreaterThan(byWorker)
})
