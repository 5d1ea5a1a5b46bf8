/**
 * Turns that wait for a place with a provider that takes one call at a time, over several conversations: told where they
 * stand, stopped, killed and found again, too late, and overtaken by what is more urgent.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { isTurnEnded } from '../../src/protocol/server-frames.ts'
import { Operator } from '../support/operator.ts'
import { World } from '../support/parley-world.ts'
import { TestClient } from '../support/test-client.ts'
import type { TestUser } from '../support/test-user.ts'

/** Of the installation whose turns do not wait for long. */
const SHORT_MS = 2_000

let world: World
let operator: Operator
let first: TestUser
let second: TestUser

const PROVIDER = { kind: 'openai', models: ['test-model'] }

/**
 * @param timeoutMs how long a turn waits at most
 * @param spares others that have no limits, by name
 */
async function begin(timeoutMs: number, spares: readonly string[] = []): Promise<void> {
  world = await World.start({
    vars: (baseUrl) => ({
      TURN_WATCHDOG_MS: 500,
      QUEUE_TIMEOUT_MS: timeoutMs,
      MODEL_PROVIDERS: JSON.stringify([
        { ...PROVIDER, name: 'main', baseUrl, limits: { concurrent: 1 } },
        ...spares.map((name) => ({ ...PROVIDER, name, baseUrl })),
      ]),
      AGENTS: JSON.stringify([{ id: 'kept', cache: { ttlSeconds: 3_600 } }]),
    }),
  })
  operator = await Operator.in(world)
  first = await world.user()
  second = await world.user()
}

const callsOf = async (tag: string): Promise<number> =>
  (await world.model.calls()).filter((call) => call.lastUserMessage.includes(tag)).length

/** A conversation whose answer has the only place until its gate is opened. */
async function busy(tag: string): Promise<{ client: TestClient; open: () => Promise<void> }> {
  const client = await TestClient.join(first, await first.newConversation())
  await client.say(`busy ${tag} [[text=done gate=${tag}]]`)
  await world.model.wait({ match: `busy ${tag}` })
  return { client, open: () => world.model.openGate(tag) }
}

async function waiting(user: TestUser, content: string, priority?: 'urgent' | 'low') {
  const client = await TestClient.join(user, await user.newConversation())
  await client.accepted(client.ask(content, priority && { priority }))
  const queued = await client.next((frame) => frame.type === 'turn_queued')
  return { client, queued }
}

describe('a turn that waits for a place', () => {
  // A whole restart may lie in between.
  beforeAll(() => begin(600_000))
  beforeEach(() => world.startParley())
  afterAll(() => world?.end())

  test('is told where it stands, and runs when the place is free (Q1 Q9)', async () => {
    const { client, open } = await busy('place')
    const other = await waiting(second, 'then me [[text=hello]]')
    expect(other.queued).toMatchObject({ turnId: 't2', position: 1, state: 'queued' })
    expect(await operator.queue('main')).toMatchObject({ running: 1, waiting: 1 })
    expect(await callsOf('then me')).toBe(0)
    await open()
    expect(await other.client.ended('m2')).toMatchObject({ type: 'stream_complete' })
    expect(other.client.room.breaches).toEqual([])
    await client.ended('m2')
    // Now that the queue knows how long a call takes, it says how long one has to wait.
    const again = await busy('estimate')
    const told = await waiting(second, 'how long [[text=hello]]')
    await told.client.next((frame) => frame.type === 'turn_queued' && typeof frame.etaMs === 'number')
    await again.open()
    await told.client.ended('m2')
    for (const each of [client, other.client, again.client, told.client]) await each.drop()
  })

  test('can be stopped, and is never asked (T2)', async () => {
    const { client, open } = await busy('stopped')
    const other = await waiting(second, 'never mind [[text=no]]')
    other.client.send({ type: 'stop_stream', turnId: 't2' })
    expect(await other.client.ended('m2')).toMatchObject({ type: 'stream_stopped', length: 0 })
    while ((await operator.queue('main'))?.waiting !== 0) await pause(20)
    await open()
    await client.ended('m2')
    expect(await callsOf('never mind')).toBe(0)
    await client.drop()
    await other.client.drop()
  })

  test('outlives the death of everything, and runs once (Q1 Q4 T4)', async () => {
    await busy('killed')
    const other = await waiting(second, 'still here [[text=yes]]')
    await world.kill()
    await world.startParley()
    // The one that had the place had said nothing: it runs again, and then the one that waited does.
    await world.model.wait({ match: 'busy killed', count: 2 })
    await world.model.openGate('killed')
    const stored = await world.untilSettled(second, other.client.conversationId)
    expect(stored.turns).toMatchObject([{ state: 'completed', attempts: 1, text: 'yes' }])
    expect(await callsOf('still here')).toBe(1)
    await other.client.connect()
    await other.client.next(isTurnEnded)
    expect(other.client.room.breaches).toEqual([])
    await other.client.drop()
  })

  test('lets an urgent one of another conversation go first (Q2)', async () => {
    const { client, open } = await busy('urgent')
    const low = await waiting(second, 'no hurry [[text=low]]', 'low')
    const urgent = await waiting(await world.user(), 'at once [[text=urgent]]', 'urgent')
    await low.client.next((frame) => frame.type === 'turn_queued' && frame.position === 2)
    await open()
    await Promise.all([low.client.ended('m2'), urgent.client.ended('m2')])
    const order = (await world.model.calls()).map((call) => call.lastUserMessage.slice(0, 8))
    expect(order.slice(-2)).toEqual(['at once ', 'no hurry'])
    for (const each of [client, low.client, urgent.client]) await each.drop()
  })
})

describe('a turn that need not wait', () => {
  beforeAll(() => begin(600_000, ['spare']))
  afterAll(() => world?.end())

  test('because its answer is known is answered while others wait (Q14)', async () => {
    const message = { agentId: 'kept', message: 'known before [[text=known]]' }
    const cacheOf = async (): Promise<string | null> =>
      (await second.request('POST', '/api/chat', { body: message })).headers.get('x-cache')
    expect(await cacheOf()).toBe('miss')
    const { client, open } = await busy('cached')
    expect(await cacheOf()).toBe('hit')
    await open()
    await client.ended('m2')
    await client.drop()
  })

  test('because its provider is paused is answered by another, while that one still has its hands full (Q13)', async () => {
    const { client, open } = await busy('paused')
    const others = await Promise.all(
      [1, 2, 3].map(async (n) => waiting(await world.user(), `move on ${n} [[text=moved]]`)),
    )
    await operator.switch({ target: 'provider:main', paused: true, reason: 'maintenance' })
    for (const other of others) {
      expect(await other.client.ended('m2')).toMatchObject({
        type: 'stream_complete',
        degraded: { provider: 'spare', reason: 'paused', instead: 'main' },
      })
      expect(other.client.room.breaches).toEqual([])
    }
    expect(await operator.queue('main')).toMatchObject({ running: 1, waiting: 0 })
    await operator.switch({ target: 'provider:main', paused: false })
    await open()
    expect(await client.ended('m2')).toMatchObject({ type: 'stream_complete' })
    for (const each of [client, ...others.map((other) => other.client)]) await each.drop()
  })
})

describe('a turn that waits in vain', () => {
  beforeAll(() => begin(SHORT_MS))
  afterAll(() => world?.end())

  test('fails honestly, keeps its message, and can be tried again (Q7)', async () => {
    const { client, open } = await busy('late')
    const other = await waiting(second, 'patience [[text="at last"]]')
    expect(await other.client.ended('m2')).toMatchObject({
      type: 'stream_failed',
      error: { code: 'queue_timeout', retryable: true },
    })
    await open()
    await client.ended('m2')
    other.client.send({ type: 'continue_turn', turnId: 't2' })
    await other.client.next((frame) => frame.type === 'stream_complete')
    expect(other.client.room.text('m2')).toBe('at last')
    expect(await callsOf('patience')).toBe(1)
    expect(other.client.room.breaches).toEqual([])
    await client.drop()
    await other.client.drop()
  })
})
