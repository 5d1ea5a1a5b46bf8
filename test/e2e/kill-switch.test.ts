/**
 * The kill switch, thrown by an operator while people are in their rooms: what is asked from then on is refused without a
 * trace, or answered by somebody else; what runs is ended if wanted; and all of it comes back.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Operator } from '../support/operator.ts'
import { World } from '../support/parley-world.ts'
import { TestClient } from '../support/test-client.ts'
import type { TestUser } from '../support/test-user.ts'

/** How long the effect of a switch is waited for: it is a second, and the machine may be slow. */
const PATIENCE_MS = 15_000

let world: World
let operator: Operator
let user: TestUser
let room: TestClient

beforeAll(async () => {
  world = await World.start({
    vars: (baseUrl) => ({
      MODEL_CONTINUE: 'on',
      MODEL_PROVIDERS: JSON.stringify([
        { name: 'main', kind: 'openai', baseUrl, models: ['main-model'], continuation: 'prefill' },
        { name: 'spare', kind: 'openai', baseUrl, models: ['spare-model'], continuation: 'prefill' },
      ]),
    }),
  })
  operator = await Operator.in(world)
  user = await world.user()
  room = await TestClient.join(user, await user.newConversation())
})
afterAll(() => world?.end())

interface Said {
  /** What became of it: who answered, or the code of the refusal. */
  readonly result: string
  readonly degraded: object | undefined
}

let count = 0
/** Asks in the room, and waits for what becomes of it. */
async function say(): Promise<Said> {
  const from = room.frames.length
  const id = room.ask(`message ${++count} [[text=ok]]`)
  const frame = await room.next(
    (each) =>
      (each.type === 'error' && each.id === id) ||
      each.type === 'stream_complete' ||
      each.type === 'stream_failed',
    from,
  )
  if (frame.type === 'error') return { result: frame.code, degraded: undefined }
  if (frame.type === 'stream_failed') return { result: frame.error.code, degraded: undefined }
  if (frame.type !== 'stream_complete') throw new Error(`unexpected: ${frame.type}`)
  return { result: frame.model, degraded: frame.degraded }
}

/** Throws a switch, and asks until it has taken effect. @returns what was said then */
async function switched(
  target: 'all' | `provider:${string}` | `model:${string}`,
  paused: boolean,
  wanted: string,
) {
  await operator.switch({ target, paused, ...(paused && { reason: 'It says odd things.' }) })
  const since = performance.now()
  for (;;) {
    const said = await say()
    const ms = Math.round(performance.now() - since)
    if (said.result === wanted) {
      console.log(`${target} ${paused ? 'paused' : 'resumed'}: in effect after at most ${ms} ms`)
      return said
    }
    if (ms > PATIENCE_MS) throw new Error(`${target} has no effect: still ${said.result}`)
    await pause(50)
  }
}

describe('the kill switch', () => {
  test.each(['provider:main', 'model:main-model'] as const)(
    'K2 %s: the room is answered by another, marked as such, and then by the one that is meant again',
    async (target) => {
      expect((await say()).result).toBe('main-model')
      expect(await switched(target, true, 'spare-model')).toEqual({
        result: 'spare-model',
        degraded: { provider: 'spare', reason: 'paused', instead: 'main' },
      })
      expect(await switched(target, false, 'main-model')).toEqual({
        result: 'main-model',
        degraded: undefined,
      })
      expect(room.room.breaches).toEqual([])
    },
  )

  test('K2 all turns: messages are refused over sockets and HTTP, and nothing is left of them', async () => {
    await switched('all', true, 'paused')
    const before = await user.transcript(room.conversationId)
    expect((await say()).result).toBe('paused')
    const body = { message: 'by HTTP [[text=ok]]' }
    for (const path of ['/api/chat', '/api/chat/stream']) {
      expect(
        await user.problem('POST', path, { body: { ...body, conversationId: room.conversationId } }),
      ).toMatchObject({
        code: 'paused',
        retryable: true,
        detail: expect.stringContaining('It says odd things.'),
      })
      expect(await user.problem('POST', path, { body }), 'a new conversation').toMatchObject({
        code: 'paused',
      })
    }
    expect(await user.transcript(room.conversationId)).toEqual(before)
    expect((await user.conversations()).map(({ id }) => id)).toEqual([room.conversationId])
    expect((await world.model.calls()).filter((call) => call.lastUserMessage.includes('by HTTP'))).toEqual([])

    await switched('all', false, 'main-model')
    expect(room.room.transcript).toEqual(await user.transcript(room.conversationId))
    expect(room.room.breaches).toEqual([])
  })

  test('K2 it outlives the death of everything', async () => {
    await switched('all', true, 'paused')
    await world.kill()
    await world.startParley()
    await room.connect()
    expect((await say()).result).toBe('paused')
    await switched('all', false, 'main-model')
  })

  test('K2 with stopRunning an answer that is being written ends, keeps its text, and can go on', async () => {
    const from = room.frames.length
    const text = 'one two three four five'
    const { answerId, turnId } = await room.say(
      `running [[text=${JSON.stringify(text)} size=4 delay=1 gate=running after=3 resume=exact]]`,
    )
    await room.until((view) => view.text(answerId) !== '')
    await operator.switch({ target: 'provider:main', paused: true, reason: 'Enough.', stopRunning: true })
    const since = performance.now()
    const ended = await room.next((frame) => frame.type === 'stream_failed', from)
    console.log(`stopRunning: the call ended after ${Math.round(performance.now() - since)} ms`)
    expect(ended).toMatchObject({
      turnId,
      error: { code: 'paused', detail: expect.stringContaining('Enough.'), continuable: true },
    })
    const [call] = await world.model.wait({ match: 'running', state: 'aborted' })
    expect(call?.aborted).toBe(true)
    const kept = room.room.text(answerId) ?? ''
    expect(kept).not.toBe('')
    expect(text.startsWith(kept)).toBe(true)

    // By somebody who is not paused.
    await world.model.openGate('running')
    room.send({ type: 'continue_turn', turnId })
    expect(
      await room.next((frame) => frame.type === 'stream_complete' && frame.turnId === turnId, from),
    ).toMatchObject({ model: 'spare-model', degraded: { provider: 'spare', instead: 'main' } })
    expect(room.room.text(answerId)).toBe(text)
    expect(room.room.breaches).toEqual([])
    await switched('provider:main', false, 'main-model')
  })
})
