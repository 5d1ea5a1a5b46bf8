/**
 * Every way in which a provider can fail, end to end: the right state of the turn, the partial text kept, the right code and
 * retryable flag by socket, REST and SSE (T3, E1), nothing of the provider's own words, and a room that goes on.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { textOf } from '../../src/protocol/message.ts'
import type { ServerFrame } from '../../src/protocol/server-frames.ts'
import { expectedText } from '../support/model-text.ts'
import { World } from '../support/parley-world.ts'
import { TestClient } from '../support/test-client.ts'
import { problemOf, readEvents, type TestUser } from '../support/test-user.ts'

/** Patience with a silent provider: long enough for a busy machine, short enough to be waited for. */
const PATIENCE_MS = 2_500

let world: World
let owner: TestUser

beforeAll(async () => {
  const vars = {
    FIRST_TOKEN_TIMEOUT_MS: PATIENCE_MS,
    CHUNK_GAP_TIMEOUT_MS: PATIENCE_MS,
    // Repeats have tests of their own; here each fault is to come through.
    MODEL_RETRIES: 0,
    // Each fault is asked for; none of them shall keep the next one from being heard of.
    BREAKER: JSON.stringify({ minCalls: 100_000, failuresInRow: 100_000, refusalsInRow: 100_000 }),
  }
  world = await World.start({ vars })
  owner = await world.user()
})
afterAll(() => world?.end())

interface Fault {
  readonly name: string
  readonly directives: string
  readonly status: number
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly retryAfterMs?: number
  /** Tokens that came before the fault, and stay. */
  readonly kept: number
}

/** @param code with `!`: a repeat does not help */
function fault(name: string, directives: string, status: number, code: string, more?: Partial<Fault>): Fault {
  const base = { code: code.replace('!', '') as ErrorCode, retryable: !code.endsWith('!'), kept: 0 }
  return { name, directives, status, ...base, ...more }
}

/** After twelve of twenty tokens. */
const mid = { kept: 12 }
const faults: readonly Fault[] = [
  fault('answers 401', 'status=401', 502, 'model_auth!'),
  fault('answers 403', 'status=403', 502, 'model_auth!'),
  fault('answers 400', 'status=400', 502, 'model_rejected!'),
  fault('answers 404', 'status=404', 502, 'model_rejected!'),
  fault('answers 409', 'status=409', 502, 'model_error'),
  fault('answers 413', 'status=413', 502, 'model_context_length!'),
  fault('answers 422', 'status=422', 502, 'model_rejected!'),
  fault('answers 503 with a web page', 'status=503 html', 503, 'model_overloaded'),
  fault('answers 529', 'status=529', 503, 'model_overloaded'),
  fault('says nothing', 'empty', 502, 'model_error'),
  fault('cuts a tool call in half', 'tokens=20 tool-call after=12', 502, 'model_error', { kept: 12 }),
  fault('answers 429', 'status=429 retry-after=7', 503, 'model_rate_limited', { retryAfterMs: 7000 }),
  fault('was not paid', 'status=429 code=insufficient_quota retry-after=7', 503, 'model_quota!'),
  fault('answers 500', 'status=500', 502, 'model_error'),
  // The address is that of something else: no waiting helps.
  fault('answers with a web page', 'html', 502, 'model_error!'),
  fault('hangs before its headers', 'hang=before-headers', 504, 'model_timeout'),
  fault('hangs before the first token', 'hang=after-headers', 504, 'model_timeout'),
  fault('hangs in mid-answer', 'tokens=20 hang=mid after=12', 504, 'model_timeout', mid),
  fault('ends within a line of JSON', 'tokens=20 half-json after=12', 502, 'model_error', mid),
  fault('breaks the connection', 'tokens=20 close after=12', 502, 'model_unreachable', mid),
  fault('closes early', 'tokens=20 end after=12', 502, 'model_error', mid),
  fault('closes before the first token', 'tokens=20 end after=0', 502, 'model_error'),
  fault('sends an error in mid-answer', 'tokens=20 error-in-stream after=12', 502, 'model_error', mid),
]

describe('a provider that fails ends the turn as failed, with the text so far (T3)', () => {
  test.each(faults)('it $name: $code, by socket, REST and SSE', async (fault) => {
    const content = (way: string) => `${fault.name}, by ${way} [[${fault.directives}]]`
    await Promise.all([
      bySocket(fault, content('socket')),
      byRest(fault, content('REST')),
      bySse(fault, content('SSE')),
    ])
    for (const way of ['socket', 'REST', 'SSE']) expect(await callsOf(content(way)), 'it asks once').toBe(1)
  })
})

describe('a provider that is odd is understood all the same', () => {
  const text = 'Grüße, 世界! 🙂👩‍👩‍👧 "quoted" \\n'
  const oddities = [
    ['splits events and characters at every byte', 'split=every-byte'],
    ['does so with other line ends and comments', 'split=every-byte crlf comments'],
    ['cuts surrogate pairs', 'size=1 halves'],
    ['never says [DONE]', 'no-done'],
    ['never says [DONE], and does not hang up', 'no-usage hang=trailer'],
    ['thinks first', 'reasoning=20'],
    ['sends one JSON completion in place of a stream', 'json'],
  ] as const

  test.each(oddities)('it %s', async (_name, directives) => {
    const conversationId = await owner.newConversation()
    const client = await TestClient.join(owner, conversationId)
    const { answerId } = await client.say(`[[text=${JSON.stringify(text)} ${directives}]]`)
    expect(await client.ended(answerId)).toMatchObject({ type: 'stream_complete', finishReason: 'stop' })
    expect(client.room.text(answerId)).toBe(text)
    expect(await owner.transcript(conversationId)).toEqual(client.room.transcript)
    expect(client.room.breaches).toEqual([])
  })
})

test('a provider that is well again answers when the same text is sent anew', async () => {
  const conversationId = await owner.newConversation()
  const client = await TestClient.join(owner, conversationId)
  const content = 'patience [[status=500 times=1 text="Here I am."]]'
  const first = await client.say(content)
  expect(await client.ended(first.answerId)).toMatchObject({ type: 'stream_failed' })
  const second = await client.say(content)
  expect(await client.ended(second.answerId)).toMatchObject({ type: 'stream_complete' })
  expect(client.room.text(second.answerId)).toBe('Here I am.')
})

async function bySocket(fault: Fault, content: string): Promise<void> {
  const conversationId = await owner.newConversation()
  const [client, viewer] = [
    await TestClient.join(owner, conversationId),
    await TestClient.join(owner, conversationId),
  ]
  const { answerId } = await client.say(content)
  const kept = expectedText(content, fault.kept)
  const expected = { type: 'stream_failed', length: kept.length, error: errorOf(fault) }
  expect(await client.ended(answerId)).toMatchObject(expected)
  expect(await viewer.ended(answerId)).toMatchObject(expected)
  expect(client.room.text(answerId)).toBe(kept)
  const stored = (await owner.messages(conversationId)).find(({ id }) => id === answerId)
  expect(stored).toMatchObject({ status: 'failed', error: errorOf(fault) })
  expect(stored && textOf(stored)).toBe(kept)
  expectDiscreet(client.frames)

  const next = await client.say('and now? [[text="I am well."]]')
  expect(await viewer.ended(next.answerId)).toMatchObject({ type: 'stream_complete' })
  await client.ended(next.answerId)
  for (const each of [client, viewer]) {
    expect(each.room.transcript).toEqual(await owner.transcript(conversationId))
    expect(each.room.breaches).toEqual([])
  }
}

async function byRest(fault: Fault, content: string): Promise<void> {
  const response = await owner.request('POST', '/api/chat', { body: { message: content } })
  const retryAfter = fault.retryAfterMs === undefined ? null : String(fault.retryAfterMs / 1000)
  expect(response.headers.get('retry-after')).toBe(retryAfter)
  const problem = await problemOf(response)
  expect(problem).toMatchObject({ status: fault.status, ...errorOf(fault) })
  expectDiscreet(problem)
}

async function bySse(fault: Fault, content: string): Promise<void> {
  const response = await owner.request('POST', '/api/chat/stream', { body: { message: content } })
  const frames: ServerFrame[] = []
  for await (const { frame } of readEvents(response)) frames.push(frame)
  const length = expectedText(content, fault.kept).length
  expect(frames.at(-1)).toMatchObject({ type: 'stream_failed', length, error: errorOf(fault) })
  expectDiscreet(frames)
}

function errorOf({ code, retryable, retryAfterMs }: Fault): object {
  return { code, retryable, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

/** What the provider says of keys and addresses is for its operator (model-stream.ts puts some into every error). */
function expectDiscreet(told: unknown): void {
  expect(JSON.stringify(told)).not.toMatch(/sk-secret|internal\.example|Provider says/)
}

async function callsOf(content: string): Promise<number> {
  return (await world.model.calls()).filter((call) => call.lastUserMessage === content).length
}
