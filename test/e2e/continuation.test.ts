/**
 * Answers that go on after the death of the process that wrote them, at a provider that can go on from a beginning (rule
 * T5): by themselves, with or without a client, killed again and again, and when somebody asks for it after their end.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { isTurnEnded } from '../../src/protocol/server-frames.ts'
import { World } from '../support/parley-world.ts'
import { randomFromEnv } from '../support/random.ts'
import { TestClient } from '../support/test-client.ts'
import { readEvents, type StreamEvent, type TestUser } from '../support/test-user.ts'

/** Words that are all different, so that a doubled, a missing and a misplaced one all show. */
const TEXT = Array.from({ length: 120 }, (_, index) => `${index}-${(index * 7919) % 1009}`).join(' ') + ' 😀.'

/** Of one turn, by itself (rule T5). */
const MAX_ATTEMPTS = 4

/** @param how as directives of the model server, beside the text */
const ask = (name: string, how: string): string => `${name} [[text=${JSON.stringify(TEXT)} size=3 ${how}]]`

const random = randomFromEnv('CONTINUATION_SEED')

let world: World
let owner: TestUser

beforeAll(async () => {
  world = await World.start({
    vars: (baseUrl) => ({
      TURN_WATCHDOG_MS: 500,
      MODEL_CONTINUE: 'on',
      MODEL_PROVIDERS: JSON.stringify([
        { name: 'main', kind: 'openai', baseUrl, models: ['test-model'], continuation: 'prefill' },
      ]),
    }),
  })
  owner = await world.user()
})
beforeEach(() => world.startParley())
afterAll(() => world?.end())

describe('an answer whose process died', () => {
  test.each(['exact', 'tail', 'restate'])(
    'goes on by itself, by the alarm alone, without a doubled or a missing character: resume=%s (T5)',
    async (resume) => {
      const { conversationId, content, client } = await askAndKill(
        resume,
        `resume=${resume} delay=2 gate=${resume} after=60`,
      )
      const left = world.stored(conversationId).turns[0]?.text ?? ''
      expect(TEXT.startsWith(left)).toBe(true)
      await world.model.openGate(resume)
      await world.startParley()

      const stored = await world.untilSettled(owner, conversationId)
      expect(stored.turns).toMatchObject([{ state: 'completed', attempts: 2, text: TEXT }])
      const calls = (await world.model.calls()).filter((call) => call.lastUserMessage === content)
      expect(calls).toHaveLength(2)
      expect(calls[1]?.messages.at(-1)).toEqual({ role: 'assistant', content: left.trimEnd() })

      // Who was there when it died, and who comes only now, hold the same.
      await client.connect()
      await client.next(isTurnEnded)
      expect(client.room.text('m2')).toBe(TEXT)
      expect(client.room.transcript).toEqual(await owner.transcript(conversationId))
      expect(client.room.breaches).toEqual([])
      const events = await eventsOf(conversationId)
      expect(events.at(-1)?.frame.type).toBe('stream_complete')
      await client.drop()
    },
  )

  test('goes on when it is killed again while it recovers, at any moment, and never doubles text (T5)', async () => {
    const { conversationId, client } = await askAndKill('again', 'resume=exact delay=8')
    for (let kill = 0; kill < 2; kill++) {
      world.launchParley()
      // Not a wait for anything: this is the random moment, somewhere from the start to the finished recovery.
      await pause(random.int(300, 2500))
      await world.kill()
      expect(TEXT.startsWith(world.stored(conversationId).turns[0]?.text ?? '?')).toBe(true)
    }
    await world.startParley()
    const stored = await world.untilSettled(owner, conversationId)
    expect(stored.turns).toMatchObject([{ state: 'completed', text: TEXT }])
    await client.connect()
    await client.next(isTurnEnded)
    expect(client.room.text('m2')).toBe(TEXT)
    expect(client.room.breaches).toEqual([])
    await client.drop()
  })

  test('that dies again and again is interrupted, and goes on when its author asks (T4, T5)', async () => {
    const { conversationId, content, client } = await askAndKill(
      'hopeless',
      'resume=exact delay=2 first=3000 gate=hopeless after=60',
    )
    const left = world.stored(conversationId).turns[0]?.text ?? ''
    for (let attempts = 2; attempts <= MAX_ATTEMPTS; attempts++) {
      await world.startParley()
      await untilAttempts(conversationId, attempts)
      await world.kill()
    }
    await world.startParley()
    const stored = await world.untilSettled(owner, conversationId)
    expect(stored.turns).toMatchObject([{ state: 'interrupted', attempts: MAX_ATTEMPTS, text: left }])
    expect(
      (await world.model.calls()).filter((call) => call.lastUserMessage === content).length,
    ).toBeLessThanOrEqual(MAX_ATTEMPTS)

    await client.connect()
    expect(await client.next(isTurnEnded)).toMatchObject({
      type: 'stream_interrupted',
      error: { code: 'interrupted', continuable: true },
    })
    await world.model.openGate('hopeless')
    client.send({ type: 'continue_turn', turnId: 't2' })
    await client.next((frame) => frame.type === 'stream_complete')
    expect(client.room.text('m2')).toBe(TEXT)
    expect(client.room.breaches).toEqual([])
    expect(client.room.transcript).toEqual(await owner.transcript(conversationId))
    await client.drop()
    // Four restarts of everything, on whatever machine.
  }, 300_000)
})

describe('an answer that broke off', () => {
  test('can be had go on by who asked, in the same message, and costs one more call (T5)', async () => {
    const conversationId = await owner.newConversation()
    const client = await TestClient.join(owner, conversationId)
    // The provider fails in the middle three times over: the first call and both continuations of the chain.
    const content = ask('broken', 'resume=exact close after=30 times=3')
    await client.say(content)
    const failed = await client.next(isTurnEnded)
    expect(failed).toMatchObject({ type: 'stream_failed', error: { continuable: true } })
    const before = client.room.text('m2')
    expect(before).not.toBe('')
    expect(TEXT.startsWith(before)).toBe(true)

    const response = await goOn(conversationId)
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual({ turnId: 't2', messageId: 'm2', continued: true })
    expect(await client.next((frame) => frame.type === 'stream_complete')).toMatchObject({
      length: TEXT.length,
    })
    expect(client.room.text('m2')).toBe(TEXT)
    expect(client.room.breaches).toEqual([])

    const again = await goOn(conversationId)
    expect(again.status).toBe(409)

    // Somebody who saw nothing of all this has the same, once.
    const late = await TestClient.join(owner, conversationId)
    expect(late.room.transcript).toEqual(client.room.transcript)
    const events = await eventsOf(conversationId)
    expect(events.filter(({ frame }) => frame.type === 'stream_failed')).toEqual([])
    expect(events.at(-1)?.frame.type).toBe('stream_complete')
    await late.drop()
    await client.drop()
  })
})

async function askAndKill(name: string, how: string) {
  const content = ask(name, how)
  const conversationId = await owner.newConversation()
  const client = await TestClient.join(owner, conversationId)
  await client.say(content)
  await untilTextIsStored(conversationId)
  await world.kill()
  return { conversationId, content, client }
}

/** Looks at the disk: nothing tells of a stored piece. */
async function untilTextIsStored(conversationId: string): Promise<void> {
  while (!world.stored(conversationId).turns[0]?.text) await pause(20)
}

async function untilAttempts(conversationId: string, attempts: number): Promise<void> {
  while ((world.stored(conversationId).turns[0]?.attempts ?? 0) < attempts) await pause(20)
}

async function goOn(conversationId: string): Promise<Response> {
  return await owner.request('POST', `/api/conversations/${conversationId}/continue`, {
    body: { turnId: 't2' },
  })
}

/** The answer from its beginning, as whoever follows it by HTTP reads it. */
async function eventsOf(conversationId: string): Promise<StreamEvent[]> {
  const response = await owner.request('GET', `/api/conversations/${conversationId}/messages/m2/stream`)
  const events: StreamEvent[] = []
  for await (const event of readEvents(response)) events.push(event)
  return events
}
