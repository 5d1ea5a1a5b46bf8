/**
 * Turns survive the death of the process that ran them: in the middle of an answer, and before its first token. Objects
 * are killed for real; the watchdog's alarm is called by the test, because nobody waits for it here. A stub whose object
 * died stays broken, so each call takes a new one.
 */
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test, vi } from 'vitest'
import { expectedText } from '../support/model-text.ts'
import { endings } from './frame-reading.ts'
import { readSse } from './sse-reading.ts'
import { answered, newConversation } from './started-conversation.ts'
import { alarmOf, message, model, stubOf, unique } from './worker-guest.ts'

/** The text that is stored of the answer that is being written. */
function storedText(id: string): Promise<string> {
  return runInDurableObject(stubOf(id), (_, { storage }) =>
    storage.sql
      .exec<{ delta: string }>('SELECT delta FROM chunks ORDER BY slot')
      .toArray()
      .map((row) => row.delta)
      .join(''),
  )
}

/** A turn that has said 40 of 100 tokens, all of them stored, and waits at a gate; killed there. */
async function killedInTheMiddle(queued: readonly string[] = []) {
  const all = await newConversation('A title')
  const gate = unique()
  const content = message(gate, `tokens=100 gate=${gate} after=40`)
  const socket = await all.guest.join(all.id)
  await socket.chat(content)
  const partial = expectedText(content, 40)
  await vi.waitUntil(async () => (await storedText(all.id)) === partial, { timeout: 4_000 })
  for (const text of queued) await socket.chat(text)
  await abortAllDurableObjects()
  return { ...all, gate, content, socket, partial }
}

/** A turn that was killed before a word of it was stored. */
async function killedBeforeTheFirstToken(directives = 'text="Hello again"') {
  const all = await newConversation('A title')
  const gate = unique()
  const content = message(gate, `${directives} gate=${gate}`)
  const socket = await all.guest.join(all.id)
  await socket.chat(content)
  await model.wait({ match: gate })
  await abortAllDurableObjects()
  return { ...all, gate, content, socket }
}

describe('a death in the middle of an answer', () => {
  test('T4 the alarm ends the turn as interrupted with the stored text, without any client', async () => {
    const { guest, id, gate, partial, socket } = await killedInTheMiddle()
    expect(await socket.closed).toBe(1006)
    expect(await runDurableObjectAlarm(stubOf(id))).toBe(true)
    const answer = (await guest.messages(id)).at(-1)
    expect(answer).toMatchObject({
      id: 'm2',
      status: 'interrupted',
      parts: [{ text: partial }],
      error: { code: 'interrupted', retryable: true },
    })
    const calls = await model.wait({ match: gate, state: 'aborted' })
    expect(calls.map((call) => call.aborted)).toEqual([true])
  })

  test('T4 the alarm is set within the time of the watchdog while a turn runs', async () => {
    const { guest, id } = await newConversation('A title')
    const gate = unique()
    const socket = await guest.join(id)
    const before = Date.now()
    await socket.chat(message(gate, `gate=${gate} text=ok`))
    const alarm = await alarmOf(id)
    const watchdogMs = 120_000
    expect(alarm).toBeGreaterThanOrEqual(before + watchdogMs)
    expect(alarm).toBeLessThanOrEqual(Date.now() + watchdogMs)
    // While the turn runs the alarm leaves it alone, and is set again.
    expect(await runDurableObjectAlarm(stubOf(id))).toBe(true)
    expect(await alarmOf(id)).not.toBeNull()
    await model.openGate(gate)
    await socket.next('stream_complete')
    expect(await model.wait({ match: gate })).toHaveLength(1)
  })

  test('T4 a turn that follows soon is looked after by the alarm that is set already', async () => {
    const { guest, id } = await answered()
    const first = await alarmOf(id)
    const gate = unique()
    const socket = await guest.join(id)
    await socket.chat(message(gate, `gate=${gate} text=ok`))
    await model.wait({ match: gate })
    expect(await alarmOf(id)).toBe(first)
    await runDurableObjectAlarm(stubOf(id))
    expect(await alarmOf(id)).toBeGreaterThan(first ?? Infinity)
    await abortAllDurableObjects()
    expect(await runDurableObjectAlarm(stubOf(id))).toBe(true)
    expect(await model.wait({ match: gate, count: 2 })).toHaveLength(2)
    await model.openGate(gate)
  })

  test('T4 whoever asks first finds the turn ended too, without the alarm', async () => {
    const { guest, id, partial } = await killedInTheMiddle()
    expect((await guest.messages(id)).at(-1)).toMatchObject({
      status: 'interrupted',
      parts: [{ text: partial }],
    })
  })

  test('R4 a client that held it all gets nothing twice; one that held more is cut back', async () => {
    const { guest, id, partial } = await killedInTheMiddle()
    await runDurableObjectAlarm(stubOf(id))
    for (const offset of [0, 7, partial.length, partial.length + 30]) {
      const socket = await guest.connect(id)
      const joined = await socket.join({ after: 2, have: { messageId: 'm2', offset } })
      expect(joined).toMatchObject({ reset: false, seq: 3, turns: [] })
      const ended = await socket.next('stream_interrupted')
      expect(ended).toMatchObject({ messageId: 'm2', length: partial.length, error: { code: 'interrupted' } })
      const from = Math.min(offset, partial.length)
      const expected =
        offset === partial.length
          ? []
          : [{ type: 'stream_chunk', messageId: 'm2', offset: from, delta: partial.slice(from) }]
      expect(socket.all('stream_chunk')).toEqual(expected)
    }
  })

  test('T4 O7 the turns that waited behind it run', async () => {
    const [first, second] = [unique(), unique()]
    const { guest, id } = await killedInTheMiddle([message(first, 'text=one'), message(second, 'text=two')])
    await runDurableObjectAlarm(stubOf(id))
    const socket = await guest.join(id, { after: 0 })
    await socket.until((frames) => endings(frames).length === 3)
    expect(endings(socket.received).map((frame) => frame.type)).toEqual([
      'stream_interrupted',
      'stream_complete',
      'stream_complete',
    ])
    expect((await guest.messages(id)).map((each) => each.status)).toEqual([
      'completed',
      'interrupted',
      'completed',
      'completed',
      'completed',
      'completed',
    ])
    for (const tag of [first, second]) expect(await model.wait({ match: tag })).toHaveLength(1)
  })

  test('T2 stopping it afterwards changes nothing', async () => {
    const { guest, id } = await killedInTheMiddle()
    const response = await guest.request('POST', `/api/conversations/${id}/stop`, { turnId: 't2' })
    expect(await response.json()).toEqual({ turnId: 't2', state: 'interrupted', stopped: false })
  })

  test('I3 the message sent again afterwards is the same turn: it is not run again', async () => {
    const { guest, id, content, gate } = await killedInTheMiddle()
    const [asked] = await guest.messages(id)
    const socket = await guest.join(id)
    const again = await socket.chat(content, { id: asked?.clientId })
    expect(again).toMatchObject({ duplicate: true, turnId: 't2' })
    expect(await model.wait({ match: gate })).toHaveLength(1)
  })

  test('C4 a stream that was cut by it ends without an end, and resumes', async () => {
    const { guest, id } = await newConversation('A title')
    const gate = unique()
    const content = message(gate, `tokens=100 gate=${gate} after=40`)
    const response = await guest.request('POST', '/api/chat/stream', { conversationId: id, message: content })
    const seen: string[] = []
    const reading = readSse(response, (event) => {
      seen.push(event.id)
      return false
    })
    const broken = expect(reading).rejects.toThrow()
    const partial = expectedText(content, 40)
    await vi.waitUntil(async () => (await storedText(id)) === partial, { timeout: 4_000 })
    await abortAllDurableObjects()
    await broken
    const rest = await readSse(
      await guest.request('GET', `/api/conversations/${id}/messages/m2/stream`, undefined, {
        'last-event-id': seen.at(-1) ?? '',
      }),
    )
    expect(rest.map((event) => event.event)).toEqual(['stream_interrupted'])
  })
})

describe('a death before the first token was stored', () => {
  test('T4 O5 the turn runs once more, and every client starts its text again', async () => {
    const { guest, id, gate } = await killedBeforeTheFirstToken()
    await runDurableObjectAlarm(stubOf(id))
    await model.wait({ match: gate, count: 2 })
    const socket = await guest.join(id, { after: 2, have: { messageId: 'm2', offset: 5 } })
    expect(socket.all('conversation_joined')[0]?.turns).toMatchObject([{ turnId: 't2', state: 'streaming' }])
    const start = await socket.next('stream_start')
    expect(start).toMatchObject({ seq: 3, attempt: 2, offset: 0, messageId: 'm2' })
    await model.openGate(gate)
    await socket.next('stream_complete')
    expect(socket.all('stream_chunk')[0]?.offset).toBe(0)
    expect((await guest.messages(id)).at(-1)).toMatchObject({
      status: 'completed',
      parts: [{ text: 'Hello again' }],
    })
    expect(await model.wait({ match: gate })).toHaveLength(2)
  })

  test('R5 text that was shown and never stored is void: the new attempt is sent from its beginning', async () => {
    const { guest, id, gate, content } = await killedBeforeTheFirstToken('tokens=60 after=20')
    const lost = expectedText(content, 20)
    await runInDurableObject(stubOf(id), (_, { storage }) => void storage.sql.exec('DELETE FROM chunks'))
    await runDurableObjectAlarm(stubOf(id))
    await model.wait({ match: gate, count: 2, state: 'streaming', tokens: 20 })
    const socket = await guest.connect(id)
    await socket.join({ after: 2, have: { messageId: 'm2', offset: lost.length } })
    await model.openGate(gate)
    await socket.next('stream_complete')
    expect(socket.types).toEqual(['conversation_joined', 'stream_start', 'stream_chunk', 'stream_complete'])
    let text = ''
    for (const chunk of socket.all('stream_chunk')) {
      expect(chunk.offset).toBe(text.length)
      text += chunk.delta
    }
    expect(text).toBe(expectedText(content))
  })

  test('T4 a second death is the last: the turn is interrupted, and the model is not called a third time', async () => {
    const { guest, id, gate } = await killedBeforeTheFirstToken()
    await runDurableObjectAlarm(stubOf(id))
    await model.wait({ match: gate, count: 2 })
    await abortAllDurableObjects()
    await runDurableObjectAlarm(stubOf(id))
    expect((await guest.messages(id)).at(-1)).toMatchObject({ status: 'interrupted', parts: [{ text: '' }] })
    const socket = await guest.join(id, { after: 0 })
    await socket.next('stream_interrupted')
    expect(socket.all('stream_start').map((frame) => frame.attempt)).toEqual([1, 2])
    expect(await model.wait({ match: gate })).toHaveLength(2)
  })

  test('T4 a death during recovery harms nothing', async () => {
    const { guest, id, gate } = await killedBeforeTheFirstToken()
    await Promise.all(
      [runDurableObjectAlarm(stubOf(id)), abortAllDurableObjects()].map((each) => each.catch(() => {})),
    )
    await abortAllDurableObjects()
    await guest.messages(id)
    await model.openGate(gate)
    const socket = await guest.join(id, { after: 0 })
    await socket.until((frames) => endings(frames).length === 1)
    const answer = (await guest.messages(id)).at(-1)
    expect(['completed', 'interrupted']).toContain(answer?.status)
    expect((await model.wait({ match: gate })).length).toBeLessThanOrEqual(2)
  })

  test('T1 who waits by HTTP waits on, and gets the answer of the second attempt', async () => {
    const { guest, id } = await newConversation('A title')
    const gate = unique()
    const waiting = guest.chat({ conversationId: id, message: message(gate, `text=finally gate=${gate}`) })
    await model.wait({ match: gate })
    await abortAllDurableObjects()
    await model.wait({ match: gate, count: 2 })
    await model.openGate(gate)
    expect((await waiting).message).toMatchObject({ status: 'completed', parts: [{ text: 'finally' }] })
  })

  test('R7 a client that returns meanwhile hears that its answer is on its way', async () => {
    const { guest, id, gate } = await killedBeforeTheFirstToken()
    const socket = await guest.connect(id)
    const joined = await socket.join({ after: 2 })
    expect(joined.turns).toMatchObject([{ turnId: 't2', messageId: 'm2', state: 'streaming' }])
    await model.openGate(gate)
    await socket.next('stream_complete')
  })
})
