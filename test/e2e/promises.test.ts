/**
 * The promises of the design, each by its number, against the whole system: `wrangler dev`, a model server, real sockets.
 * Promises 1 and 5 are about the death of the process: what is proved of them at random moments is in kill.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isTurnEnded, type FrameOf, type ServerFrame } from '../../src/protocol/server-frames.ts'
import { CuttableLink } from '../support/cuttable-link.ts'
import { expectedText } from '../support/model-text.ts'
import { World } from '../support/parley-world.ts'
import { openTurns } from '../support/stored-conversation.ts'
import { TestClient } from '../support/test-client.ts'
import { readEvents, type TestUser } from '../support/test-user.ts'

let world: World
let owner: TestUser

beforeAll(async () => {
  world = await World.start({ vars: { TURN_WATCHDOG_MS: 500 } })
  owner = await world.user()
})
afterAll(() => world?.end())

const isChunk = (frame: ServerFrame): frame is FrameOf<'stream_chunk'> => frame.type === 'stream_chunk'

async function newRoom(): Promise<{ conversationId: string; client: TestClient }> {
  const conversationId = await owner.newConversation()
  return { conversationId, client: await TestClient.join(owner, conversationId) }
}

describe('promise 1: an accepted message is never lost', () => {
  test('it is on the disk by the time that its acknowledgement arrives (O2)', async () => {
    const { conversationId, client } = await newRoom()
    const { messageId, turnId } = await client.say('kept [[gate=p1]]', { id: 'kept-1' })
    expect(world.stored(conversationId).clientIds).toEqual(['kept-1'])
    await world.kill()
    await world.startParley()
    const messages = await owner.messages(conversationId)
    expect(messages[0]).toMatchObject({ id: messageId, turnId, clientId: 'kept-1', role: 'user' })
    await world.model.openGate('p1')
    await client.connect()
    await client.next(isTurnEnded)
    expect(client.room.breaches).toEqual([])
  })

  test('its sender hears the acknowledgement before anything of its turn (O2, O3)', async () => {
    const { client } = await newRoom()
    const { answerId } = await client.say('in order')
    await client.ended(answerId)
    const types = client.frames.map((frame) => frame.type).filter((type) => type !== 'conversation_updated')
    const once = types.filter((type, index) => type !== 'stream_chunk' || types[index - 1] !== type)
    expect(once).toEqual([
      'conversation_joined',
      'message_accepted',
      'message_created',
      'stream_start',
      'stream_chunk',
      'stream_complete',
    ])
  })
})

describe('promise 2: the same client message id is the same turn, and makes no second model call', () => {
  test('whichever way it comes, while it runs and after it ended, also after a restart (I3)', async () => {
    const { conversationId, client } = await newRoom()
    const content = 'once [[gate=p2 tokens=20]]'
    const first = await client.say(content, { id: 'same' })
    const second = await TestClient.join(owner, conversationId)
    expect(await second.say(content, { id: 'same' })).toEqual({ ...first, duplicate: true })
    const byHttp = owner.chat({ message: content, conversationId, idempotencyKey: 'same' })
    await world.model.openGate('p2')
    expect(await byHttp).toMatchObject({ turnId: first.turnId, message: { id: first.answerId } })
    await client.ended(first.answerId)

    await world.kill()
    await world.startParley()
    await client.connect()
    const from = client.frames.length
    client.ask(content, { id: 'same' })
    expect(await client.accepted('same', from)).toEqual({ ...first, duplicate: true })
    expect(await callsOf(content)).toBe(1)
    expect(await owner.messages(conversationId)).toHaveLength(2)
  })

  test('a hundred times at once (I3)', async () => {
    const { conversationId, client } = await newRoom()
    const content = 'flood [[tokens=5]]'
    const body = { message: content, conversationId, idempotencyKey: 'flood' }
    const answers = Array.from({ length: 20 }, () => owner.chat(body))
    for (let i = 0; i < 80; i++) client.ask(content, { id: 'flood' })
    const turns = new Set((await Promise.all(answers)).map((answer) => answer.turnId))
    const { turnId, answerId } = await client.accepted('flood')
    await client.ended(answerId)
    expect([...turns]).toEqual([turnId])
    expect(await callsOf(content)).toBe(1)
    expect(await owner.messages(conversationId)).toHaveLength(2)
  })

  test('without a conversation id it is also the same conversation (I4)', async () => {
    const body = { message: 'where [[tokens=5]]', idempotencyKey: 'new-conversation' }
    const answers = await Promise.all([owner.chat(body), owner.chat(body), owner.chat(body)])
    expect(new Set(answers.map((answer) => answer.conversationId)).size).toBe(1)
    expect(await callsOf(body.message)).toBe(1)
  })
})

describe('promise 3: who disconnects and comes back sees what an undisturbed client sees', () => {
  const moments = ['accepted', 'called', 'first text', 'more text', 'ended'] as const

  test.each(moments)('lost its network when: %s (R3, R4, R7)', async (moment) => {
    const gate = `p3-${moments.indexOf(moment)}`
    const conversationId = await owner.newConversation()
    const undisturbed = await TestClient.join(owner, conversationId)
    const link = await CuttableLink.to(world.url)
    const disturbed = await TestClient.join(owner.by(link.url), conversationId)
    const content = `come back [[tokens=120 delay=2 after=${moment === 'more text' ? 60 : 0} gate=${gate}]]`
    const { turnId, answerId } = await disturbed.say(content)
    const hasText = (chars: number) => disturbed.until((room) => room.text(answerId).length >= chars)
    if (moment === 'called') await world.model.wait({ match: gate })
    if (moment === 'more text') await hasText(200)
    if (moment === 'first text' || moment === 'ended') await world.model.openGate(gate)
    if (moment === 'first text') await hasText(1)
    if (moment === 'ended') await disturbed.ended(answerId)

    link.cut()
    await disturbed.closed
    await disturbed.connect()
    if (moment === 'accepted' || moment === 'called' || moment === 'more text') {
      expect(disturbed.room.turns, 'an answer is on its way (R7)').toMatchObject([{ turnId }])
    }
    await world.model.openGate(gate)
    await Promise.all([disturbed.ended(answerId), undisturbed.ended(answerId)])
    expect(disturbed.room.text(answerId)).toBe(expectedText(content))
    expect(disturbed.room.transcript).toEqual(undisturbed.room.transcript)
    expect(undisturbed.room.transcript).toEqual(await owner.transcript(conversationId))
    expect([disturbed.room.breaches, undisturbed.room.breaches]).toEqual([[], []])
    await link.close()
  })

  test('an SSE response that is cut again and again gives the whole text once (S2, S3)', async () => {
    const conversationId = await owner.newConversation()
    const content = 'sse [[tokens=400 delay=3]]'
    let response = await owner.request('POST', '/api/chat/stream', {
      body: { message: content, conversationId },
    })
    let [text, id, answerId, cuts] = ['', '', '', 0]
    const seqs: number[] = []
    for (let ended = false; !ended;) {
      let events = 0
      for await (const event of readEvents(response)) {
        id = event.id
        const { frame } = event
        if ('seq' in frame) seqs.push(frame.seq)
        if (frame.type === 'message_accepted') answerId = frame.answerId
        if (isChunk(frame)) {
          expect(frame.offset).toBe(text.length)
          text += frame.delta
        }
        ended = isTurnEnded(frame)
        if (++events === 4 && !ended) break
      }
      if (ended) break
      cuts++
      const path = `/api/conversations/${conversationId}/messages/${answerId}/stream`
      response = await owner.request('GET', path, { headers: { 'last-event-id': id } })
    }
    expect(cuts).toBeGreaterThan(1)
    expect(text).toBe(expectedText(content))
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
    expect(new Set(seqs).size).toBe(seqs.length)
  })
})

describe('promise 4: disconnecting is not stopping', () => {
  test('the answer is finished when all have left, by whatever way they came (T1)', async () => {
    const { conversationId, client } = await newRoom()
    const content = 'alone [[tokens=60 after=20 gate=p4a]]'
    const { answerId } = await client.say(content)
    const body = { message: 'also alone [[tokens=10]]', conversationId }
    const streaming = await owner.request('POST', '/api/chat/stream', { body })
    const waiting = new AbortController()
    const plain = owner
      .request('POST', '/api/chat', {
        body: { ...body, message: 'me too [[tokens=10]]' },
        signal: waiting.signal,
      })
      .catch((error: unknown) => error)
    await client.until((room) => room.turns.length >= 3)
    await streaming.body?.cancel()
    waiting.abort()
    expect(await plain).toBeInstanceOf(Error)
    await client.drop()

    await world.model.openGate('p4a')
    const [call] = await world.model.wait({ match: 'me too', state: 'finished' })
    expect(call).toMatchObject({ aborted: false })
    await world.untilSettled(owner, conversationId)
    const messages = await owner.messages(conversationId)
    expect(messages.map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => 'completed'))
    expect(messages.find(({ id }) => id === answerId)?.parts[0]?.text).toBe(expectedText(content))
  })

  test('only stop stops: the model call is aborted, the text so far is kept, a second stop changes nothing (T2)', async () => {
    const { conversationId, client } = await newRoom()
    const content = 'stop me [[tokens=60 after=20 gate=never-opened]]'
    const { turnId, answerId } = await client.say(content)
    const sofar = expectedText(content, 20)
    await client.until((room) => room.text(answerId) === sofar)
    client.send({ type: 'stop_stream', turnId })
    expect(await client.ended(answerId)).toMatchObject({ type: 'stream_stopped', length: sofar.length })
    await world.model.wait({ match: content, state: 'aborted' })

    const path = `/api/conversations/${conversationId}/stop`
    const again = await owner.request('POST', path, { body: { turnId } })
    expect(await again.json()).toEqual({ turnId, state: 'stopped', stopped: false })
    client.send({ type: 'stop_stream', turnId })
    const next = await client.say('and on [[text="Yes."]]')
    await client.ended(next.answerId)
    expect(client.frames.filter((frame) => frame.type === 'stream_stopped')).toHaveLength(1)
    expect(client.frames.filter((frame) => frame.type === 'error')).toEqual([])
    const stored = (await owner.messages(conversationId)).find(({ id }) => id === answerId)
    expect(stored).toMatchObject({ status: 'stopped', parts: [{ text: sofar }] })
  })
})

describe('promise 5: a turn whose process died never streams for ever', () => {
  test('its stored text is kept, it is interrupted, clients are told, and the room goes on (T4)', async () => {
    const { conversationId, client } = await newRoom()
    const content = 'die [[tokens=300 delay=3 after=250 gate=never-opened]]'
    const { answerId } = await client.say(content)
    await client.until((room) => room.text(answerId).length >= 900)
    await world.kill()
    const [left] = world.stored(conversationId).turns
    await world.startParley()
    await client.connect()
    const end = await client.ended(answerId)
    expect(end).toMatchObject({ type: 'stream_interrupted', error: { code: 'interrupted', retryable: true } })
    expect(client.room.text(answerId)).toBe(left?.text)
    expect(expectedText(content).startsWith(left?.text ?? '-')).toBe(true)
    expect(openTurns(world.stored(conversationId))).toEqual([])
    const next = await client.say('and on [[text="Yes."]]')
    await client.ended(next.answerId)
    expect(client.room.transcript).toEqual(await owner.transcript(conversationId))
    expect(client.room.breaches).toEqual([])
  })
})

describe('promise 6: all viewers get the same live deltas', () => {
  test('plain and compact, the asker and those who watch (W3, O4)', async () => {
    const { conversationId, client } = await newRoom()
    const watching = await TestClient.join(owner, conversationId)
    const compact = new TestClient(owner, conversationId)
    await compact.connect({ compact: true })
    const content = `watch [[text="${'Ünïcödé 🙂 '.repeat(40)}" delay=3]]`
    const { answerId } = await client.say(content)
    const all = [client, watching, compact]
    await Promise.all(all.map((each) => each.ended(answerId)))
    const deltas = all.map((each) => each.frames.filter(isChunk))
    expect(deltas[0]?.length).toBeGreaterThan(5)
    expect(deltas[1]).toEqual(deltas[0])
    expect(deltas[2]).toEqual(deltas[0])
    for (const each of all) {
      expect(each.room.text(answerId)).toBe(expectedText(content))
      expect(each.room.breaches).toEqual([])
    }
  })
})

async function callsOf(content: string): Promise<number> {
  return (await world.model.calls()).filter((call) => call.lastUserMessage === content).length
}
