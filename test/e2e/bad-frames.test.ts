/**
 * Bad input on sockets, against the real server: who gets one, and what is sent on it. A bad frame closes nothing, neither
 * the socket that it came on nor the room for others (E2), and no message is lost by it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PRINCIPAL_HEADER } from '../../src/protocol/principal.ts'
import type { FrameOf } from '../../src/protocol/server-frames.ts'
import { signed, tampered, TEST_SECRET, unsigned } from '../support/forged-tokens.ts'
import { World } from '../support/parley-world.ts'
import { upgrade } from '../support/raw-upgrade.ts'
import { TestClient } from '../support/test-client.ts'
import type { TestUser } from '../support/test-user.ts'

const QUEUE = 2

let world: World
let owner: TestUser
let conversationId: string

beforeAll(async () => {
  world = await World.start({ vars: { AUTH_SECRET: TEST_SECRET, MAX_QUEUED_TURNS: QUEUE } })
  owner = await world.user()
})
beforeEach(async () => {
  conversationId = await owner.newConversation()
})
afterAll(() => world?.end())

const socketPath = (ticket: string) => `/api/conversations/${conversationId}/ws?ticket=${ticket}`

describe('a socket is refused with 401 for', () => {
  const forgeries: readonly (readonly [string, () => string | Promise<string>])[] = [
    ['no ticket', () => ''],
    ['nonsense', () => 'nonsense'],
    ['an access token', () => owner.token],
    ['an expired ticket', () => signed({ aud: 'ticket', sub: owner.id, expiresIn: -1 })],
    ['alg: none', () => unsigned({ aud: 'ticket', sub: owner.id })],
    [
      'a foreign signature',
      () => signed({ aud: 'ticket', sub: owner.id }, 'another-secret-0123456789-abcdefgh'),
    ],
    ['changed claims', () => tampered({ aud: 'ticket', sub: 'guest:me' }, { sub: owner.id })],
  ]
  test.each(forgeries)('%s (W1)', async (_name, forge) => {
    const refused = await upgrade(world.url, socketPath(await forge()))
    expect(refused).toMatchObject({ status: 401, problem: { code: 'unauthorized' } })
  })

  test('a ticket that was used before, though it has not expired (W1)', async () => {
    const ticket = await owner.ticket()
    expect(await upgrade(world.url, socketPath(ticket))).toMatchObject({ status: 101 })
    expect(await upgrade(world.url, socketPath(ticket))).toMatchObject({ status: 401 })
  })

  test('all but one of many that use one ticket at once (W1)', async () => {
    const ticket = await owner.ticket()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => upgrade(world.url, socketPath(ticket))),
    )
    expect(answers.filter(({ status }) => status === 101)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(answers.length - 1)
  })

  test('no address or header that says who one is, instead of a ticket', async () => {
    const stranger = await world.user()
    const principal = { userId: owner.id, name: 'Guest', role: 'admin', kind: 'user' }
    const headers = { [PRINCIPAL_HEADER]: JSON.stringify(principal) }
    const path = socketPath(await stranger.ticket())
    expect(await upgrade(world.url, path, headers)).toMatchObject({ status: 404 })
    const good = await upgrade(world.url, socketPath(await signed({ aud: 'ticket', sub: owner.id })))
    expect(good.status).toBe(101)
  })

  test('nothing that is not a WebSocket: 400', async () => {
    const refused = await owner.problem('GET', socketPath(await owner.ticket()))
    expect(refused).toMatchObject({ status: 400, code: 'bad_request' })
  })
})

const chat = (fields: object) => JSON.stringify({ type: 'stream_chat', id: 'bad-1', ...fields })
const BLANK = new Uint8Array(16)

/** Name, what is sent, and what the error says. */
const badFrames: readonly (readonly [string, string | Uint8Array<ArrayBuffer>, Partial<FrameOf<'error'>>])[] =
  [
    ['no JSON', 'hello', { code: 'invalid_json' }],
    ['half a JSON object', '{"type":"stream_chat"', { code: 'invalid_json' }],
    ['nothing', '', { code: 'invalid_json' }],
    ['a list', '[]', { code: 'invalid_frame', field: 'type' }],
    ['null', 'null', { code: 'invalid_frame', field: 'type' }],
    ['binary', BLANK, { code: 'invalid_frame' }],
    ['no type', '{"id":"bad-1"}', { code: 'invalid_frame', field: 'type', id: 'bad-1' }],
    ['an unknown type', '{"type":"drop_tables"}', { code: 'invalid_frame', field: 'type' }],
    ['a frame of the server', '{"type":"stream_complete"}', { code: 'invalid_frame', field: 'type' }],
    ['65,537 bytes', chat({ content: 'x' }).padEnd(65_537), { code: 'frame_too_large' }],
    [
      '64 KiB in characters of three bytes',
      chat({ content: '世'.repeat(25_000) }),
      { code: 'frame_too_large' },
    ],
    ['2 MiB', 'x'.repeat(2 * 1024 * 1024), { code: 'frame_too_large' }],
    ['an unknown field', chat({ content: 'a', model: 'gpt' }), { code: 'validation_failed', field: 'model' }],
    ['no content', chat({}), { code: 'validation_failed', field: 'content', id: 'bad-1' }],
    ['empty content', chat({ content: '' }), { code: 'validation_failed', field: 'content', id: 'bad-1' }],
    [
      'blank content',
      chat({ content: ' \n ' }),
      { code: 'validation_failed', field: 'content', id: 'bad-1' },
    ],
    [
      '32,001 characters',
      chat({ content: 'x'.repeat(32_001) }),
      { code: 'validation_failed', field: 'content' },
    ],
    ['a NUL', chat({ content: 'a\u0000b' }), { code: 'validation_failed', field: 'content' }],
    ['half a surrogate pair', chat({ content: 'a\ud83db' }), { code: 'validation_failed', field: 'content' }],
    ['no id', '{"type":"stream_chat","content":"a"}', { code: 'validation_failed', field: 'id' }],
    ['an id with a space', chat({ content: 'a', id: 'a b' }), { code: 'validation_failed', field: 'id' }],
    [
      'an unknown priority',
      chat({ content: 'a', priority: 'now' }),
      { code: 'validation_failed', field: 'priority' },
    ],
    [
      'an unknown parent',
      chat({ content: 'a', parentId: 'm77' }),
      { code: 'validation_failed', field: 'parentId' },
    ],
    [
      'an unknown agent',
      chat({ content: 'a', agentId: 'nobody' }),
      { code: 'validation_failed', field: 'agentId' },
    ],
    ['an unknown turn', '{"type":"stop_stream","turnId":"t99"}', { code: 'not_found', field: 'turnId' }],
    [
      'a turn id that is none',
      '{"type":"stop_stream","turnId":"x"}',
      { code: 'validation_failed', field: 'turnId' },
    ],
    [
      'a negative seq',
      '{"type":"join_conversation","after":-1}',
      { code: 'validation_failed', field: 'after' },
    ],
  ]

describe('a frame is answered by an error, and closes nothing, if it is', () => {
  test.each(badFrames)('%s (E1, E2, W2)', async (_name, sent, expected) => {
    const clumsy = await TestClient.join(owner, conversationId)
    const other = await TestClient.join(owner, conversationId)
    const running = await other.say('meanwhile [[tokens=40 delay=2]]')
    clumsy.sendRaw(sent)
    const error = await clumsy.next((frame) => frame.type === 'error')
    expect(error).toMatchObject({ ...expected, retryable: false })

    const next = await clumsy.say('as if nothing had happened [[text="Well."]]')
    for (const client of [clumsy, other]) {
      await client.ended(running.answerId)
      await client.ended(next.answerId)
      expect(client.room.transcript).toEqual(await owner.transcript(conversationId))
      expect(client.room.breaches).toEqual([])
    }
    expect(other.frames.some((frame) => frame.type === 'error')).toBe(false)
    expect(await owner.messages(conversationId)).toHaveLength(4)
    await Promise.all([clumsy.drop(), other.drop()])
  })
})

test('the limit of 32,000 characters is named, and 32,000 are accepted (W2)', async () => {
  const client = await TestClient.join(owner, conversationId)
  client.ask('x'.repeat(32_001), { id: 'too-long' })
  const error = await client.next((frame) => frame.type === 'error')
  expect(error).toMatchObject({ id: 'too-long', detail: expect.stringContaining('32000') as string })
  const { answerId } = await client.say('[[text="ok"]]'.padEnd(32_000, 'x'))
  expect(await client.ended(answerId)).toMatchObject({ type: 'stream_complete' })
})

test('before joining, everything but a join is refused, and nothing is received (R1)', async () => {
  const silent = new TestClient(owner, conversationId)
  await silent.open()
  const other = await TestClient.join(owner, conversationId)
  silent.ask('let me', { id: 'early' })
  expect(await silent.next((frame) => frame.type === 'error')).toMatchObject({
    code: 'not_joined',
    id: 'early',
  })
  const { answerId } = await other.say('for those who joined [[text="Yes."]]')
  await other.ended(answerId)
  silent.send({ type: 'typing' })
  await silent.next((frame) => frame.type === 'error', 1)
  expect(silent.frames.map(({ type }) => type)).toEqual(['error', 'error'])
})

test('when too many messages wait the next is refused, by socket and by HTTP, and is no row (O8)', async () => {
  const client = await TestClient.join(owner, conversationId)
  await client.say('running [[gate=full text="One."]]')
  for (let i = 0; i < QUEUE; i++) await client.say(`waiting ${i} [[text="More."]]`)
  client.ask('one too many [[text="Late."]]', { id: 'refused' })
  const error = await client.next((frame) => frame.type === 'error')
  expect(error).toMatchObject({ code: 'queue_full', id: 'refused', retryable: true })
  const body = { message: 'me too', conversationId, idempotencyKey: 'refused-too' }
  expect(await owner.problem('POST', '/api/chat', { body })).toMatchObject({
    status: 429,
    code: 'queue_full',
  })
  expect(world.stored(conversationId).clientIds).toHaveLength(1 + QUEUE)

  await world.model.openGate('full')
  await client.until((room) => room.turns.length === 0)
  const late = await client.say('one too many [[text="Late."]]', { id: 'refused' })
  expect(late.duplicate).toBe(false)
  await client.ended(late.answerId)
  expect(client.room.text(late.answerId)).toBe('Late.')
})

test('the same id with another content is refused, and the first message stays (I3)', async () => {
  const client = await TestClient.join(owner, conversationId)
  const first = await client.say('one [[text="One."]]', { id: 'same' })
  client.ask('two', { id: 'same' })
  expect(await client.next((frame) => frame.type === 'error')).toMatchObject({ code: 'conflict', id: 'same' })
  const body = { message: 'three', conversationId, idempotencyKey: 'same' }
  expect(await owner.problem('POST', '/api/chat', { body })).toMatchObject({ status: 409, code: 'conflict' })
  await client.ended(first.answerId)
  expect(await owner.messages(conversationId)).toHaveLength(2)
})
