/**
 * Chosen moments of death, each of which promise 5 and rule T4 have a sentence for: before the first token, a second time
 * while recovering, with messages waiting, under an SSE response, right after an acknowledged change.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { isTurnEnded, type ServerFrame } from '../../src/protocol/server-frames.ts'
import { expectedText } from '../support/model-text.ts'
import { World } from '../support/parley-world.ts'
import { randomFromEnv } from '../support/random.ts'
import { TestClient } from '../support/test-client.ts'
import { readEvents, type StreamEvent, type TestUser } from '../support/test-user.ts'

/** An answer that begins and does not end: what is killed has always text and never an end. */
const UNFINISHED = '[[tokens=400 delay=3 after=300 gate=never-opened]]'

const random = randomFromEnv('RECOVERY_SEED')

let world: World
let owner: TestUser

beforeAll(async () => {
  world = await World.start({ vars: { TURN_WATCHDOG_MS: 500 } })
  owner = await world.user()
})
beforeEach(() => world.startParley())
afterAll(() => world?.end())

describe('a turn that died before its first token', () => {
  test('is tried once more, by the alarm alone, with one more model call at most (T4)', async () => {
    const { conversationId, content } = await askAndKill('first-token [[gate=ft tokens=20]]')
    await world.startParley()
    // No request was made: it is the alarm that calls the model again.
    await world.model.wait({ match: content, count: 2 })
    await world.model.openGate('ft')
    const stored = await world.untilSettled(owner, conversationId)
    expect(stored.turns).toMatchObject([{ state: 'completed', attempts: 2, text: expectedText(content) }])
    expect(await callsOf(content)).toBe(2)
  })

  test('and dies again without a token is interrupted, and the model is not called a third time (T4)', async () => {
    const { conversationId, content, client } = await askAndKill('twice [[gate=never]]')
    await world.startParley()
    await world.model.wait({ match: content, count: 2 })
    await world.kill()
    await world.startParley()
    const stored = await world.untilSettled(owner, conversationId)
    expect(stored.turns).toMatchObject([{ state: 'interrupted', attempts: 2, text: '' }])
    expect(await callsOf(content)).toBe(2)

    await client.connect()
    await client.next((frame) => frame.type === 'stream_interrupted')
    expect(client.room.transcript).toEqual(await owner.transcript(conversationId))
    expect(client.room.breaches).toEqual([])
    const again = await client.say('and now? [[text="I am well."]]')
    expect(await client.ended(again.answerId)).toMatchObject({ type: 'stream_complete' })
  })

  test('keeps its client informed: it returns, hears that the turn is open, then its text (R7, O5)', async () => {
    const { client, content } = await askAndKill('returning [[gate=ret tokens=20]]')
    await world.startParley()
    await client.connect()
    expect(client.room.turns).toMatchObject([{ state: 'streaming', position: 0 }])
    await world.model.openGate('ret')
    const end = await client.next(isTurnEnded)
    expect(end).toMatchObject({ type: 'stream_complete' })
    expect(client.room.text('m2')).toBe(expectedText(content))
    const starts = client.frames.filter((frame) => frame.type === 'stream_start')
    expect(starts).toMatchObject([
      { attempt: 1, offset: 0 },
      { attempt: 2, offset: 0 },
    ])
    expect(client.room.breaches).toEqual([])
  })
})

describe('a second kill during recovery', () => {
  const delays = Array.from({ length: 4 }, (_, number) => [random.int(0, 1800), number] as const)

  test.each(delays)(
    '%i ms after the start: the stored text survives both (promise 5)',
    async (delayMs, number) => {
      const content = `second kill ${number} ${UNFINISHED}`
      const conversationId = await owner.newConversation()
      const client = await TestClient.join(owner, conversationId)
      await client.say(content)
      await untilTextIsStored(conversationId)
      await world.kill()
      const left = world.stored(conversationId).turns[0]

      world.launchParley()
      // Not a wait for anything: this is the random moment, somewhere from the first process to the finished recovery.
      await pause(delayMs)
      await world.kill()
      expect(world.stored(conversationId).turns[0]?.text).toBe(left?.text)

      await world.startParley()
      await client.connect()
      await client.next(isTurnEnded)
      expect(world.stored(conversationId).turns).toMatchObject([{ state: 'interrupted', text: left?.text }])
      expect(client.room.transcript).toEqual(await owner.transcript(conversationId))
      expect(client.room.breaches).toEqual([])
      expect(await callsOf(content)).toBe(1)
      await client.drop()
    },
  )
})

describe('messages that waited behind the killed turn', () => {
  test('run after it, in order, without any client (T4, O7)', async () => {
    const running = `running ${UNFINISHED}`
    const conversationId = await owner.newConversation()
    const client = await TestClient.join(owner, conversationId)
    await client.say(running)
    const waiting = ['second [[text="Two."]]', 'third [[text="Three."]]']
    for (const content of waiting) await client.say(content)
    await untilTextIsStored(conversationId)
    await world.kill()
    const left = world.stored(conversationId)
    expect(left.turns.map(({ state }) => state)).toEqual(['streaming', 'queued', 'queued'])

    await world.startParley()
    const stored = await world.untilSettled(owner, conversationId)
    expect(stored.turns).toMatchObject([
      { state: 'interrupted', attempts: 1, text: left.turns[0]?.text },
      { state: 'completed', attempts: 1, text: 'Two.' },
      { state: 'completed', attempts: 1, text: 'Three.' },
    ])
    const asked = (await world.model.calls()).map((call) => call.lastUserMessage)
    expect(asked.filter((content) => waiting.includes(content))).toEqual(waiting)

    await client.connect()
    await client.ended('m6')
    expect(client.room.transcript).toEqual(await owner.transcript(conversationId))
    expect(client.room.breaches).toEqual([])
  })

  test('also wait for the second attempt of one that had no token yet (T4, O7)', async () => {
    const conversationId = await owner.newConversation()
    const client = await TestClient.join(owner, conversationId)
    await client.say('held [[gate=held text="One."]]')
    await client.say('behind [[text="Two."]]')
    await world.model.wait({ match: 'held' })
    await world.kill()
    await world.startParley()
    await world.model.wait({ match: 'held', count: 2 })
    expect(await callsOf('behind [[text="Two."]]')).toBe(0)
    await world.model.openGate('held')
    const stored = await world.untilSettled(owner, conversationId)
    expect(stored.turns).toMatchObject([
      { state: 'completed', attempts: 2, text: 'One.' },
      { state: 'completed', attempts: 1, text: 'Two.' },
    ])
  })
})

describe('what was answered before the kill', () => {
  test('an SSE stream that was cut is resumed to the stored text (C4, S3)', async () => {
    const conversationId = await owner.newConversation()
    const body = { message: `sse ${UNFINISHED}`, conversationId }
    const response = await owner.request('POST', '/api/chat/stream', { body })
    const seen: StreamEvent[] = []
    const killed = untilTextIsStored(conversationId).then(() => world.kill())
    await expect(async () => {
      for await (const event of readEvents(response)) seen.push(event)
    }).rejects.toThrow()
    await killed
    expect(seen.some(({ frame }) => isTurnEnded(frame))).toBe(false)

    await world.startParley()
    const path = `/api/conversations/${conversationId}/messages/m2/stream`
    const headers = { 'last-event-id': seen.at(-1)?.id }
    for await (const event of readEvents(await owner.request('GET', path, { headers }))) seen.push(event)
    expect(isTurnEnded(seen.at(-1)?.frame as ServerFrame)).toBe(true)
    expect(textOfEvents(seen)).toBe(world.stored(conversationId).turns[0]?.text)
  })

  test('the same idempotency key finds the killed turn, and asks no model again (I4, promise 2)', async () => {
    const body = { message: `keyed ${UNFINISHED}`, idempotencyKey: 'killed-chat' }
    const lost = owner.chat(body).catch((error: unknown) => error)
    await world.model.wait({ match: 'keyed' })
    const [listed] = await owner.conversations()
    await untilTextIsStored(listed?.id ?? '')
    await world.kill()
    expect(await lost).toBeInstanceOf(Error)

    await world.startParley()
    expect(await owner.problem('POST', '/api/chat', { body })).toMatchObject({
      status: 503,
      code: 'interrupted',
      retryable: true,
    })
    expect(await callsOf(body.message)).toBe(1)
    expect(world.stored(listed?.id ?? '').clientIds).toEqual(['killed-chat'])
  })

  test('a new name and a removal are durable when they are answered (promise 1)', async () => {
    const [renamed, removed] = [await owner.newConversation(), await owner.newConversation()]
    await owner.request('PATCH', `/api/conversations/${renamed}`, { body: { title: 'Kept' } })
    expect((await owner.request('DELETE', `/api/conversations/${removed}`)).status).toBe(204)
    await world.kill()
    await world.startParley()
    const titles = new Map((await owner.conversations()).map(({ id, title }) => [id, title]))
    expect(titles.get(renamed)).toBe('Kept')
    expect(titles.has(removed)).toBe(false)
    expect(await owner.problem('GET', `/api/conversations/${removed}`)).toMatchObject({ status: 404 })
  })
})

/** Sends a message whose model call is held at a gate, and kills everything while it is. */
async function askAndKill(
  content: string,
): Promise<{ conversationId: string; content: string; client: TestClient }> {
  const conversationId = await owner.newConversation()
  const client = await TestClient.join(owner, conversationId)
  await client.say(content)
  await world.model.wait({ match: content })
  await world.kill()
  return { conversationId, content, client }
}

async function callsOf(content: string): Promise<number> {
  return (await world.model.calls()).filter((call) => call.lastUserMessage === content).length
}

/** Until some text of the first turn is on the disk; looks at the disk, which nothing announces. */
async function untilTextIsStored(conversationId: string): Promise<void> {
  while (!world.stored(conversationId).turns[0]?.text) await pause(10)
}

/** The text that the events of one turn tell, by rules O4 and O6. */
function textOfEvents(events: readonly StreamEvent[]): string {
  let text = ''
  for (const { frame } of events) {
    if (frame.type === 'stream_start') text = text.slice(0, frame.offset)
    if (frame.type === 'stream_chunk') text = text.slice(0, frame.offset) + frame.delta
    if (isTurnEnded(frame)) text = text.slice(0, frame.length)
  }
  return text
}
