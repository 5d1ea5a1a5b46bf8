/**
 * Bad input over HTTP, against the real server: each gets an error that names what is wrong, nothing is created by it, and
 * the room that it was aimed at goes on (E1–E4). What is wrong on a socket is in bad-frames.test.ts.
 */
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { problem } from '../../src/protocol/http.ts'
import { signed, tampered, TEST_SECRET, unsigned } from '../support/forged-tokens.ts'
import { World } from '../support/parley-world.ts'
import { upgrade } from '../support/raw-upgrade.ts'
import { storedTables } from '../support/stored-conversation.ts'
import { TestClient } from '../support/test-client.ts'
import type { RequestOptions, TestUser } from '../support/test-user.ts'

let world: World
let owner: TestUser
let room: string
let insider: TestClient

beforeAll(async () => {
  world = await World.start({ vars: { AUTH_SECRET: TEST_SECRET } })
  owner = await world.user()
  room = await owner.newConversation()
  insider = await TestClient.join(owner, room)
})
afterEach(async () => {
  // Whatever was tried: the room goes on, has lost nothing, and was told nothing of it.
  const { answerId } = await insider.say('still here? [[text="Yes."]]')
  expect(await insider.ended(answerId)).toMatchObject({ type: 'stream_complete' })
  expect(insider.room.transcript).toEqual(await owner.transcript(room))
  expect(insider.room.breaches).toEqual([])
  expect(insider.frames.filter((frame) => frame.type === 'error')).toEqual([])
})
afterAll(() => world?.end())

const MESSAGE_FAULTS: readonly (readonly [string, string, string])[] = [
  ['an empty message', '', 'is empty'],
  ['a blank message', ' \n\t\u00a0\u2003', 'is empty'],
  ['a message over 32,000 characters', 'x'.repeat(32_001), '32000 characters'],
  ['a NUL', 'a\u0000b', 'NUL'],
  ['half a surrogate pair', 'a\ud800b', 'surrogate'],
  ['the other half', 'a\udc00b', 'surrogate'],
]

describe.each(['/api/chat', '/api/chat/stream'])('POST %s refuses', (path) => {
  test.each(MESSAGE_FAULTS)('%s: 422, naming the field and the rule (E1)', async (_name, message, rule) => {
    const refused = await owner.problem('POST', path, { body: { message, conversationId: room } })
    expect(refused).toMatchObject({
      status: 422,
      code: 'validation_failed',
      field: 'message',
      retryable: false,
    })
    expect(refused.detail).toContain(rule)
  })

  const FIELD_FAULTS: readonly (readonly [string, object, string])[] = [
    ['no message', {}, 'message'],
    ['a message that is no text', { message: 7 }, 'message'],
    ['an unknown field', { message: 'a', temperature: 1 }, 'temperature'],
    ['a conversation id that is none', { message: 'a', conversationId: '../etc' }, 'conversationId'],
    ['an idempotency key with a space', { message: 'a', idempotencyKey: 'a b' }, 'idempotencyKey'],
    [
      'an idempotency key that is too long',
      { message: 'a', idempotencyKey: 'k'.repeat(129) },
      'idempotencyKey',
    ],
    ['an unknown priority', { message: 'a', priority: 'now' }, 'priority'],
    ['an unknown agent', { message: 'a', agentId: 'nobody' }, 'agentId'],
    ['an unknown model', { message: 'a', model: 'gpt-0' }, 'model'],
  ]
  test.each(FIELD_FAULTS)('%s: 422, naming the field (E1)', async (_name, body, field) => {
    const refused = await owner.problem('POST', path, { body })
    expect(refused).toMatchObject({ status: 422, code: 'validation_failed', field })
  })

  const BODY_FAULTS: readonly (readonly [string, RequestOptions, number, string])[] = [
    ['half a JSON object', { body: '{"message":' }, 400, 'invalid_json'],
    ['no body', { body: '' }, 400, 'invalid_json'],
    ['an array', { body: '[]' }, 422, 'validation_failed'],
    ['null', { body: 'null' }, 422, 'validation_failed'],
    ['a form', form('application/x-www-form-urlencoded'), 415, 'unsupported_media_type'],
    ['plain text', form('text/plain'), 415, 'unsupported_media_type'],
    ['a body of no type', form(undefined), 415, 'unsupported_media_type'],
    ['a body over 1 MiB', { body: oversized() }, 413, 'payload_too_large'],
  ]
  test.each(BODY_FAULTS)('%s', async (_name, options, status, code) => {
    expect(await owner.problem('POST', path, options)).toMatchObject({ status, code, retryable: false })
  })

  test('a body over 1 MiB that does not say its length: 413', async () => {
    const sent = request(world.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${owner.token}`, 'content-type': 'application/json' },
    })
    const answered = new Promise<{ status: number; body: string }>((resolve, reject) => {
      sent.on('error', reject)
      sent.on('response', (response) => {
        void text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
      })
    })
    sent.end(oversized())
    const { status, body } = await answered
    expect(status).toBe(413)
    expect(problem.parse(JSON.parse(body))).toMatchObject({ code: 'payload_too_large' })
  })
})

test('a message of exactly 32,000 characters is accepted, as is one that is longer in bytes than a frame', async () => {
  const longest = '[[text="ok"]]'.padEnd(32_000, '世')
  const { message, conversationId } = await owner.chat({ message: longest })
  expect(message.status).toBe('completed')
  const [asked] = await owner.messages(conversationId)
  expect(asked?.parts[0]?.text).toBe(longest)
})

/** Without order and titles: those of earlier turns reach the list a moment after their end. */
async function idsOf(user: typeof owner): Promise<readonly string[]> {
  return (await user.conversations()).map(({ id }) => id).toSorted()
}

describe('what names nothing', () => {
  test('an unknown conversation is 404 by every way, and nothing is created by asking (E3)', async () => {
    const before = tables()
    const listed = await idsOf(owner)
    const unknown = () => `/api/conversations/${crypto.randomUUID()}`
    const ways: readonly (readonly [string, string, object?])[] = [
      ['GET', unknown()],
      ['PATCH', unknown(), { title: 'New' }],
      ['DELETE', unknown()],
      ['GET', `${unknown()}/messages`],
      ['GET', `${unknown()}/messages/m1/stream`],
      ['POST', `${unknown()}/stop`, { turnId: 't2' }],
      ['POST', '/api/chat', { message: 'hello?', conversationId: crypto.randomUUID() }],
      ['POST', '/api/chat/stream', { message: 'hello?', conversationId: crypto.randomUUID() }],
    ]
    for (const [method, path, body] of ways) {
      const refused = await owner.problem(method, path, body ? { body } : {})
      expect([method, path, refused.status, refused.code]).toEqual([method, path, 404, 'not_found'])
    }
    const socket = await upgrade(world.url, `${unknown()}/ws?ticket=${await owner.ticket()}`)
    expect(socket).toMatchObject({ status: 404, problem: { code: 'not_found' } })
    for (const path of ['/api/conversations/nonsense', '/api/conversations/..%2fx', '/api/nothing']) {
      expect(await owner.problem('GET', path)).toMatchObject({ status: 404, code: 'not_found' })
    }
    expect(tables()).toEqual(before)
    expect(await idsOf(owner)).toEqual(listed)
  })

  const QUERY_FAULTS = [
    ['?limit=0', 'limit'],
    ['?limit=1e1', 'limit'],
    ['?limit=101', 'limit'],
    ['?cursor=nonsense', 'cursor'],
    ['?page=2', 'page'],
  ] as const
  test.each(QUERY_FAULTS)('GET /api/conversations%s: 422', async (query, field) => {
    const refused = await owner.problem('GET', `/api/conversations${query}`)
    expect(refused).toMatchObject({ status: 422, code: 'validation_failed', field })
  })

  test('an unknown turn, message or event id is refused by name', async () => {
    const path = `/api/conversations/${room}`
    const stop = await owner.problem('POST', `${path}/stop`, { body: { turnId: 't999' } })
    expect(stop).toMatchObject({ status: 404, code: 'not_found', field: 'turnId' })
    const stream = await owner.problem('GET', `${path}/messages/m999/stream`)
    expect(stream).toMatchObject({ status: 404, code: 'not_found', field: 'messageId' })
    const { answerId } = await insider.say('for an id [[text="One."]]')
    await insider.ended(answerId)
    const headers = { 'last-event-id': '1;2' }
    const resumed = await owner.problem('GET', `${path}/messages/${answerId}/stream`, { headers })
    expect(resumed).toMatchObject({ status: 422, code: 'validation_failed', field: 'Last-Event-ID' })
  })
})

describe('access tokens', () => {
  const forgeries: readonly (readonly [string, () => string | Promise<string>])[] = [
    ['nonsense', () => 'nonsense'],
    ['one with alg: none', () => unsigned({ aud: 'access', sub: owner.id })],
    ['one with alg: none, in other letters', () => unsigned({ aud: 'access', sub: owner.id }, 'nOnE')],
    ['one that says HS256 and has no signature', () => unsigned({ aud: 'access', sub: owner.id }, 'HS256')],
    [
      'a foreign signature',
      () => signed({ aud: 'access', sub: owner.id }, 'another-secret-0123456789-abcdefgh'),
    ],
    ['a foreign issuer', () => signed({ aud: 'access', sub: owner.id, iss: 'somebody' })],
    ['changed claims', () => tampered({ aud: 'access', sub: 'guest:me' }, { sub: owner.id })],
    ['an expired one', () => signed({ aud: 'access', sub: owner.id, expiresIn: -1 })],
    ['a ticket in its place', () => owner.ticket()],
  ]
  test.each(forgeries)('%s: 401', async (_name, forge) => {
    const headers = { authorization: `Bearer ${await forge()}` }
    const path = `/api/conversations/${room}`
    const response = await owner.request('GET', path, { headers })
    expect(response.headers.get('www-authenticate')).toBe('Bearer')
    expect(problem.parse(await response.json())).toMatchObject({ status: 401, code: 'unauthorized' })
    const renewed = await owner.problem('POST', '/api/auth/ticket', { headers })
    expect(renewed).toMatchObject({ status: 401, code: 'unauthorized' })
  })

  test('none at all: 401', async () => {
    const headers = { authorization: undefined }
    expect(await owner.problem('GET', '/api/conversations', { headers })).toMatchObject({ status: 401 })
  })

  test('one that the server would have made is accepted, so the others fail for their own fault', async () => {
    const headers = { authorization: `Bearer ${await signed({ aud: 'access', sub: owner.id })}` }
    expect((await owner.request('GET', `/api/conversations/${room}`, { headers })).status).toBe(200)
  })
})

function form(type: string | undefined): RequestOptions {
  return { body: 'message=hello', headers: { 'content-type': type } }
}

function oversized(): string {
  return JSON.stringify({ message: 'x'.repeat(1024 * 1024) })
}

/** The objects that hold anything. */
function tables(): [string, readonly string[]][] {
  return [...storedTables(world.persistDir, 'ConversationObject')].filter(([, names]) => names.length > 0)
}
