/**
 * `kill -9` of everything at random moments, before, in and after an answer, then a start on the same folder: promises 1,
 * 3 and 5, with clients that come back and with nobody there.
 *
 * What was stored at the moment of death is read from the disk and says what must become of the turn. Repeat a run with
 * the seed that it prints: `KILL_SEED=… KILL_ROUNDS=… npm run test:e2e -- kill`.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { expectedText } from '../support/model-text.ts'
import { World } from '../support/parley-world.ts'
import { openProductClient } from '../support/product-client.ts'
import { randomFromEnv } from '../support/random.ts'
import { openTurns, type StoredConversation } from '../support/stored-conversation.ts'
import { TestClient } from '../support/test-client.ts'
import type { TestUser } from '../support/test-user.ts'
import type { FrameOf } from '../../src/protocol/server-frames.ts'

const random = randomFromEnv('KILL_SEED')
const ROUNDS = Number(process.env['KILL_ROUNDS'] ?? 36)

/** Short, so that a turn without any client is taken up soon. */
const WATCHDOG_MS = 500

const ZONES = ['before', 'in', 'after'] as const
type Zone = (typeof ZONES)[number]

interface Round {
  readonly number: number
  readonly zone: Zone
  readonly attended: boolean
  /** What the model is to do. */
  readonly directives: string
  /** The event after which the process is killed (`streaming`: once so many tokens were sent), */
  readonly moment: 'sent' | 'accepted' | 'called' | 'streaming' | 'finished' | 'completed'
  readonly tokens: number
  /** and this much chance, in ms. */
  readonly jitterMs: number
}

function planRound(number: number): Round {
  const zone = ZONES[number % ZONES.length] ?? 'in'
  const attended = Math.floor(number / ZONES.length) % 2 === 0
  const base = { number, zone, attended, tokens: 1, jitterMs: 0 }
  if (zone === 'before') {
    const directives = `gate=gate-${number} tokens=60 seed=${number}`
    const moment = random.pick(['sent', 'accepted', 'called'] as const)
    // Acceptance takes some 3 ms; the longest are in the wait for the first token.
    return { ...base, directives, moment, jitterMs: random.int(0, moment === 'sent' ? 4 : 25) }
  }
  if (zone === 'in') {
    const directives = `tokens=400 delay=2 seed=${number}`
    return { ...base, directives, moment: 'streaming', tokens: random.int(1, 390) }
  }
  const directives = `tokens=30 seed=${number}`
  const moment = random.pick(['finished', 'completed'] as const)
  // Between the model's end and the stored end lies about 1 ms; what follows is D1's.
  return { ...base, directives, moment, jitterMs: random.int(0, moment === 'finished' ? 4 : 30) }
}

function titleOf({ number, zone, attended, moment, tokens, jitterMs }: Round): string {
  const when = zone === 'in' ? `${tokens} tokens` : `${moment} + ${jitterMs} ms`
  return `${number}: ${zone} the stream (${when}), ${attended ? 'clients come back' : 'nobody comes back'}`
}

const rounds = Array.from({ length: ROUNDS }, (_, number) => planRound(number))

let world: World
let owner: TestUser
/** What every finished conversation looked like: no later kill may change it. */
const settled = new Map<string, readonly string[]>()
/** What the kills hit, told at the end: a run that never hit a state proved nothing of it. */
const hits = new Map<string, number>()

beforeAll(async () => {
  world = await World.start({ vars: { TURN_WATCHDOG_MS: WATCHDOG_MS } })
  owner = await world.user()
})
beforeEach(() => world.startParley())
afterAll(() => world?.end())

describe('kill -9, then a start on the same folder', () => {
  test.each(rounds.map((round) => [titleOf(round), round] as const))(
    '%s (T4, R3, R4, I3)',
    async (_title, round) => {
      const conversationId = await owner.newConversation()
      const client = await TestClient.join(owner, conversationId)
      const viewer = openProductClient(owner, conversationId)
      await viewer.until(({ status }) => status.state === 'open')
      const content = `round ${round.number} [[${round.directives}]]`

      const id = client.ask(content)
      await momentOf(round, client, content)
      if (!round.attended) viewer.close()
      await world.kill()
      const left = world.stored(conversationId)
      tally(left)
      expect(left.clientIds).toEqual(left.turns.length === 1 ? [id] : [])
      const shown = new Set(client.frames.map((frame) => frame.type))
      if (shown.has('message_accepted')) expect(left.clientIds, 'acknowledged, so stored').toEqual([id])
      if (shown.has('stream_complete')) expect(left.turns[0]?.state, 'shown, so stored').toBe('completed')

      await world.model.openGate(`gate-${round.number}`)
      await world.startParley()
      if (round.attended) {
        await client.connect()
        const { answerId, duplicate } = await sendAgain(client, id, content)
        expect(duplicate).toBe(left.turns.length === 1)
        await client.until((room) => isEnded(room.messages.get(answerId)?.status))
        await viewer.until(({ state }) => isEnded(state.messages.find(({ id }) => id === answerId)?.status))
        expect(client.room.breaches).toEqual([])
      } else await world.untilSettled(owner, conversationId)

      expectRecovered(left, world.stored(conversationId), round.attended, content)
      await expectCalls(content, left)

      const transcript = await owner.transcript(conversationId)
      const newcomer = await TestClient.join(owner, conversationId)
      expect(newcomer.room.transcript, 'a newcomer sees what is stored').toEqual(transcript)
      expect(newcomer.room.turns, 'nothing runs').toEqual([])
      if (round.attended) {
        expect(client.room.transcript, 'the client text is the stored text').toEqual(transcript)
        expect(viewer.transcript, 'and that of the product’s client').toEqual(transcript)
      }
      settled.set(conversationId, transcript)
      viewer.close()
      await client.drop()
      await newcomer.drop()
    },
  )

  test('no later kill changes what an earlier one left, and every log is gapless (promise 1, O1)', async () => {
    console.log(`killed while the turn was: ${JSON.stringify(Object.fromEntries(hits))}`)
    expect(settled.size).toBe(ROUNDS)
    for (const [conversationId, transcript] of settled) {
      expect(await owner.transcript(conversationId)).toEqual(transcript)
      const stored = world.stored(conversationId)
      expect(stored.seqs).toEqual(stored.seqs.map((_, index) => index + 1))
      expect(openTurns(stored)).toEqual([])
      expect(new Set(stored.clientIds).size).toBe(stored.clientIds.length)
    }
  })
})

async function momentOf(round: Round, client: TestClient, content: string): Promise<void> {
  const match = content
  if (round.moment === 'accepted') await client.next((frame) => frame.type === 'message_accepted')
  if (round.moment === 'called') await world.model.wait({ match })
  if (round.moment === 'streaming')
    await world.model.wait({ match, state: 'streaming', tokens: round.tokens })
  if (round.moment === 'finished') await world.model.wait({ match, state: 'finished' })
  if (round.moment === 'completed') await client.next((frame) => frame.type === 'stream_complete')
  // Not a wait for anything: this is the random moment.
  if (round.jitterMs > 0) await pause(round.jitterMs)
}

function tally({ turns: [turn] }: StoredConversation): void {
  const hit = !turn
    ? 'not accepted'
    : turn.state === 'streaming' && turn.text === ''
      ? 'without text'
      : turn.state
  hits.set(hit, (hits.get(hit) ?? 0) + 1)
}

/** Rule I3: the same id is the same turn, after a restart, too. */
async function sendAgain(
  client: TestClient,
  id: string,
  content: string,
): Promise<FrameOf<'message_accepted'>> {
  const from = client.frames.length
  client.ask(content, { id })
  return await client.accepted(id, from)
}

/** From what the process left on the disk follows what must be there in the end. */
function expectRecovered(
  left: StoredConversation,
  now: StoredConversation,
  resent: boolean,
  content: string,
): void {
  const before = left.turns[0]
  const after = now.turns[0]
  const whole = expectedText(content)
  expect(now.turns).toHaveLength(before || resent ? 1 : 0)
  if (!before) {
    if (resent) expect(after).toMatchObject({ state: 'completed', attempts: 1, text: whole })
  } else if (before.state !== 'streaming') expect(after).toEqual(before)
  else if (before.text === '') expect(after).toMatchObject({ state: 'completed', attempts: 2, text: whole })
  else {
    expect(after).toMatchObject({ state: 'interrupted', attempts: 1, text: before.text })
    expect(whole.startsWith(before.text)).toBe(true)
  }
}

/** One call for each attempt, and none where the process died between counting the attempt and making the call. */
async function expectCalls(content: string, left: StoredConversation): Promise<void> {
  const calls = (await world.model.calls()).filter((call) => call.lastUserMessage === content)
  const isRetried = left.turns[0]?.state === 'streaming' && left.turns[0].text === ''
  expect(calls.length).toBeLessThanOrEqual(isRetried ? 2 : 1)
}

function isEnded(status: string | undefined): boolean {
  return status !== undefined && status !== 'streaming'
}
