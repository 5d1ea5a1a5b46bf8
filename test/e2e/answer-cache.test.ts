/**
 * Answers that are kept, for agents that allow it: the same question is answered once, for one person or for everyone, and
 * an old answer is better than none while the provider is down.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chatAnswer, type ChatAnswer } from '../../src/protocol/http.ts'
import { textOf } from '../../src/protocol/message.ts'
import { spawnModelServer, type ModelServerProcess } from '../support/model-server-process.ts'
import { World } from '../support/parley-world.ts'
import type { TestUser } from '../support/test-user.ts'

const TTL_SECONDS = 1

let world: World
let provider: ModelServerProcess
let one: TestUser
let other: TestUser

beforeAll(async () => {
  provider = await spawnModelServer()
  world = await World.start({
    vars: {
      MODEL_RETRIES: 0,
      MODEL_PROVIDERS: JSON.stringify([
        {
          name: 'main',
          kind: 'openai',
          baseUrl: provider.client.baseUrl,
          models: ['test-model'],
          limits: { concurrent: 4 },
        },
      ]),
      AGENTS: JSON.stringify([
        { id: 'mine', instructions: 'Be brief.', cache: { ttlSeconds: 3_600 } },
        { id: 'ours', instructions: 'Be brief.', cache: { ttlSeconds: 3_600, public: true } },
        { id: 'brief', instructions: 'Be brief.', cache: { ttlSeconds: TTL_SECONDS } },
      ]),
    },
  })
  one = await world.user()
  other = await world.user()
})
afterAll(async () => {
  await world?.end()
  await provider?.stop()
})

interface Answered extends ChatAnswer {
  readonly cache: string | null
  readonly text: string
}

async function chat(
  user: TestUser,
  agentId: string,
  message: string,
  conversationId?: string,
): Promise<Answered> {
  const body = { agentId, message, ...(conversationId !== undefined && { conversationId }) }
  const response = await user.request('POST', '/api/chat', { body })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  const answer = chatAnswer.parse(await response.json())
  return { ...answer, cache: response.headers.get('x-cache'), text: textOf(answer.message) }
}

const callsOf = async (tag: string): Promise<number> =>
  (await provider.client.calls()).filter((call) => call.lastUserMessage.includes(tag)).length

describe('an answer that is kept', () => {
  test('is had again by who asked, without a call, and by nobody else', async () => {
    const question = 'capital of France [[text=Paris]]'
    expect(await chat(one, 'mine', question)).toMatchObject({ cache: 'miss', text: 'Paris' })
    const again = await chat(one, 'mine', `  ${question}\r\n`)
    expect(again).toMatchObject({
      cache: 'hit',
      text: 'Paris',
      message: { cached: true, finishReason: 'stop' },
    })
    expect(again.message.degraded).toBeUndefined()
    expect(await callsOf('capital of France')).toBe(1)

    expect((await chat(other, 'mine', question)).cache).toBe('miss')
    expect((await chat(one, 'ours', question)).cache).toBe('miss')
    expect(await callsOf('capital of France')).toBe(3)
    expect((await chat(one, 'default', question)).cache).toBeNull()
  })

  test('is everyone’s, where the agent says so', async () => {
    const question = 'opening hours [[text="Nine to five"]]'
    expect((await chat(one, 'ours', question)).cache).toBe('miss')
    expect(await chat(other, 'ours', question)).toMatchObject({ cache: 'hit', text: 'Nine to five' })
    expect(await callsOf('opening hours')).toBe(1)
  })

  test('is none where something was said before', async () => {
    const question = 'and then [[text="It depends"]]'
    const { conversationId } = await chat(one, 'mine', 'a beginning [[text=Yes]]')
    expect((await chat(one, 'mine', question, conversationId)).cache).toBe('miss')
    const second = await chat(one, 'mine', 'another beginning [[text=No]]')
    expect((await chat(one, 'mine', question, second.conversationId)).cache).toBe('miss')
    expect(await callsOf('and then')).toBe(2)
  })

  test('is not one that broke off', async () => {
    const question = 'length [[text=cut finish=length]]'
    expect((await chat(one, 'mine', question)).cache).toBe('miss')
    expect((await chat(one, 'mine', question)).cache).toBe('miss')
  })

  test('that is old is asked for anew while somebody can answer, and given, marked as such, while nobody can', async () => {
    const question = 'today [[text=Monday]]'
    expect((await chat(one, 'brief', question)).cache).toBe('miss')
    await pause(TTL_SECONDS * 1_000 + 200)
    expect((await chat(one, 'brief', question)).cache).toBe('miss')
    await pause(TTL_SECONDS * 1_000 + 200)
    await provider.stop()
    const stale = await chat(one, 'brief', question)
    expect(stale).toMatchObject({
      cache: 'stale',
      text: 'Monday',
      message: { cached: true, degraded: { provider: 'cache', reason: 'model_unreachable' } },
    })
    const [stored] = (await one.messages(stale.conversationId)).slice(-1)
    expect(stored).toEqual(stale.message)
    // One that is not old needs nobody; one that was never given is refused honestly.
    expect((await chat(one, 'mine', 'capital of France [[text=Paris]]')).cache).toBe('hit')
    expect(
      await one.problem('POST', '/api/chat', { body: { agentId: 'mine', message: 'never asked' } }),
    ).toMatchObject({ retryable: true })
  })
})
