/**
 * Turns that go on after their end, or after the death of their process, while something else waits or happens: what
 * readers see, what is kept, and what is counted.
 */
import { expect, test } from 'vitest'
import type { QueueAnswer } from '../../src/admission/admission.ts'
import { AppError } from '../../src/errors.ts'
import { FRIEND, OWNER, PlainRoom, QUEUE_TIMEOUT_MS, settle } from './plain-conversation.ts'

const WAITING: QueueAnswer = { state: 'waiting', position: 1, etaMs: null }
const granted = (grantId: string) =>
  ({ state: 'granted', provider: 'main', grantId, leaseMs: 30_000 }) as const
const broken = (): AppError => new AppError('model_error', 'It broke off.')

/** An answer of which "Hello " is stored, whose process died, and that waits for a place to go on. */
async function parked(room: PlainRoom): Promise<void> {
  room.enter = () => granted('g1')
  await room.ask()
  await room.call.say('Hello ')
  await room.store()
  room.enter = () => WAITING
  await room.restart()
}

/** An answer that broke off after "Hello ". */
async function brokenOff(room: PlainRoom): Promise<void> {
  await room.ask()
  await room.call.say('Hello ', broken())
  expect(room.answer(2)).toEqual({ status: 'failed', text: 'Hello ' })
}

test('T4 nobody overtakes an answer that has begun, and all see it while it waits', () =>
  PlainRoom.run(async (room) => {
    await parked(room)
    const joined = room.join()
    expect(joined.messages?.map(({ id, status }) => `${id} ${status}`)).toEqual([
      'm1 completed',
      'm2 streaming',
    ])
    await room.ask('Me first', { priority: 'urgent' })
    await room.restart()
    expect(room.answer(2)).toEqual({ status: 'streaming', text: 'Hello ' })
    expect(room.asked.filter((each) => !each.endsWith(' 2'))).toEqual([])

    room.join()
    expect(room.conversation.queueNews(2, granted('g2'))).toBe(true)
    await settle()
    expect(room.call.request.prefix).toBe('Hello ')
    room.enter = () => granted('g3')
    await room.call.say('world')
    await room.call.finish()
    await room.call.say('Second')
    await room.call.finish()
    expect([room.answer(2), room.answer(4)]).toEqual([
      { status: 'completed', text: 'Hello world' },
      { status: 'completed', text: 'Second' },
    ])
    expect(room.reports).toEqual([])
    expect(room.frames.filter(({ type }) => type === 'stream_start')).toMatchObject([
      { messageId: 'm2', offset: 6, attempt: 2 },
      { messageId: 'm4', offset: 0, attempt: 1 },
    ])
  }))

test('T2 L7 one that is stopped while it waits to go on keeps its text, and counts what was used for it', () =>
  PlainRoom.run(async (room) => {
    await parked(room)
    room.asked.length = 0
    expect(room.conversation.stop('t2')).toMatchObject({ state: 'stopped', stopped: true })
    expect(room.answer(2)).toEqual({ status: 'stopped', text: 'Hello ' })
    await settle()
    expect(room.asked).toEqual(['leave 2'])
    expect(await room.usage()).toEqual([
      { key: 'c1', messages: 1, inputTokens: room.inputOf('Hi'), outputTokens: expect.any(Number) },
    ])
    expect(room.conversation.queueNews(2, granted('late'))).toBe(false)
    expect(room.calls).toHaveLength(1)
  }))

test('Q5 an answer that is given up at the wake gives its place back at once', () =>
  PlainRoom.run(async (room) => {
    room.continues = false
    room.enter = () => granted('g1')
    await room.ask()
    await room.call.say('Hello ')
    await room.store()
    room.asked.length = 0
    await room.restart()
    expect(room.answer(2)).toEqual({ status: 'interrupted', text: 'Hello ' })
    expect(room.asked).toEqual(['leave 2'])
  }))

test('L7 a run that never came to a call counts nothing, and what broke off before is counted once', () =>
  PlainRoom.run(async (room) => {
    await brokenOff(room)
    const first = await room.usage()
    expect(first).toMatchObject([{ key: 'c1', messages: 1, inputTokens: room.inputOf('Hi') }])

    room.enter = () => WAITING
    expect(await room.conversation.resume(OWNER, 't2')).toMatchObject({ continued: true })
    room.conversation.stop('t2')
    expect(room.answer(2)).toEqual({ status: 'stopped', text: 'Hello ' })
    expect(await room.usage()).toEqual([{ key: 'c1~1', messages: 0, inputTokens: 0, outputTokens: 0 }])
  }))

test('L7 a run that goes on counts for itself, with what the provider says of it', () =>
  PlainRoom.run(async (room) => {
    await brokenOff(room)
    await room.conversation.resume(OWNER, 't2')
    await room.call.say('world')
    await room.call.finish({ inputTokens: 30, outputTokens: 1 })
    expect(room.answer(2)).toEqual({ status: 'completed', text: 'Hello world' })
    // Both ends are told only now: the first is still counted as what it was.
    expect(await room.usage()).toMatchObject([
      { key: 'c1', messages: 1, inputTokens: room.inputOf('Hi') },
      { key: 'c1~1', messages: 1, inputTokens: 30, outputTokens: 1 },
    ])
    expect(room.reserved).toEqual(['+c1', '+c1~1'])
  }))

test.each([
  ['that runs', null, { messages: 1 }],
  ['that waits', WAITING, { messages: 0, inputTokens: 0, outputTokens: 0 }],
])('L7 deletion settles a resumed turn %s under its own reservation', (_, answer, counted) =>
  PlainRoom.run(async (room) => {
    await brokenOff(room)
    await room.usage()
    room.enter = answer && (() => answer)
    await room.conversation.resume(OWNER, 't2')
    await settle()
    expect(await room.conversation.remove()).toBe(true)
    expect(room.told).toMatchObject([{ turnKey: expect.stringMatching(/\/c1~1$/), ...counted }])
    expect(room.conversation.queueNews(2, granted('late'))).toBe(false)
    expect(room.conversation.queueNews(2, { state: 'timed_out' })).toBe(true)
    expect(room.clock.pending).toBe(0)
  }),
)

test('T5 two who ask at once have it go on once, and nobody else may ask', () =>
  PlainRoom.run(async (room) => {
    await brokenOff(room)
    await room.conversation.doors.access.add(FRIEND.userId, 'editor')
    await expect(room.conversation.resume(FRIEND, 't2')).rejects.toMatchObject({ code: 'forbidden' })
    const both = await Promise.all([
      room.conversation.resume(OWNER, 't2'),
      room.conversation.resume(OWNER, 't2'),
    ])
    expect(both.filter(({ continued }) => continued)).toHaveLength(1)
    await settle()
    expect(room.calls).toHaveLength(2)
    expect(room.reserved.filter((each) => each.startsWith('-'))).toEqual([])
    await expect(room.conversation.resume(OWNER, 't9')).rejects.toMatchObject({ code: 'not_found' })
  }))

test('T5 L8 one that is refused in the end, because the room went away meanwhile, gives its reservation back', () =>
  PlainRoom.run(async (room) => {
    await brokenOff(room)
    room.whileReserving = async () => void (await room.conversation.remove())
    await expect(room.conversation.resume(OWNER, 't2')).rejects.toMatchObject({ code: 'not_found' })
    expect(room.reserved).toEqual(['+c1', '+c1~1', '-c1~1'])
    expect(room.calls).toHaveLength(1)
  }))

test('T5 one that is had go on while another runs waits for it, and a stop takes it out again', () =>
  PlainRoom.run(async (room) => {
    await brokenOff(room)
    await room.ask('Another')
    await room.conversation.resume(OWNER, 't2')
    expect(room.join().turns.map(({ turnId, state }) => `${turnId} ${state}`)).toEqual([
      't4 streaming',
      't2 queued',
    ])
    // Meanwhile it is as it was.
    expect(room.answer(2)).toEqual({ status: 'failed', text: 'Hello ' })
    await room.restart()
    await room.call.say('Other')
    await room.call.finish()
    expect(room.answer(4)).toEqual({ status: 'completed', text: 'Other' })
    expect(room.call.request.prefix).toBe('Hello ')
    expect(room.conversation.stop('t2')).toMatchObject({ stopped: true })
    expect(room.answer(2)).toEqual({ status: 'stopped', text: 'Hello ' })
  }))

test('S3 S4 whoever follows an answer that is to go on hears nothing of its end before, and all of its last one', () =>
  PlainRoom.run(async (room) => {
    await brokenOff(room)
    room.enter = () => WAITING
    for (let i = 0; i < 3; i++) {
      await room.conversation.resume(OWNER, 't2')
      await settle()
      expect(await room.follow('m2')).toEqual({
        types: ['message_created', 'stream_start', 'stream_chunk', 'turn_queued'],
        ended: false,
      })
      room.conversation.queueNews(2, { state: 'timed_out' })
      expect(room.answer(2)).toEqual({ status: 'failed', text: 'Hello ' })
    }
    expect(await room.follow('m2')).toEqual({
      types: ['message_created', 'stream_start', 'stream_chunk', 'stream_failed'],
      ended: true,
    })
    // The last of them, and not the one that said that it broke off.
    expect(room.sql.exec('SELECT count(*) AS n FROM events WHERE type = ?', 'stream_failed').one()).toEqual({
      n: 4,
    })
  }))

test('Q7 a turn whose time is over fails with its text, and can go on later', () =>
  PlainRoom.run(async (room) => {
    await parked(room)
    await room.pass(QUEUE_TIMEOUT_MS)
    room.conversation.queueNews(2, { state: 'timed_out' })
    expect(room.conversation.page(undefined, 9).messages[1]).toMatchObject({
      status: 'failed',
      error: { code: 'queue_timeout', continuable: true },
    })
    room.enter = () => granted('g2')
    await room.conversation.resume(OWNER, 't2')
    await settle()
    expect(room.call.request.prefix).toBe('Hello ')
    await room.call.say('world')
    await room.call.finish()
    expect(room.answer(2)).toEqual({ status: 'completed', text: 'Hello world' })
  }))

test('Q10 a dead letter that an operator sends again runs, at once or after what runs; no other late place does', () =>
  PlainRoom.run(async (room) => {
    await brokenOff(room)
    room.enter = () => WAITING
    expect(room.conversation.queueNews(2, granted('stale'))).toBe(false)
    expect(room.conversation.queueNews(2, { ...granted('g2'), again: true })).toBe(true)
    await settle()
    expect(room.call.request.prefix).toBe('Hello ')
    expect(room.conversation.queueNews(2, { ...granted('g2'), again: true }), 'told again').toBe(true)
    await room.call.say(broken())
    expect(room.asked.at(-1)).toMatch(/^release g2/)

    room.enter = () => granted('g3')
    await room.ask('Another')
    expect(room.conversation.queueNews(2, { ...granted('g4'), again: true }), 'another runs').toBe(false)
    await room.call.say('Other')
    await room.call.finish()
    expect(room.call.request.prefix).toBe('Hello ')
    await room.call.say('world')
    await room.call.finish()
    expect(room.answer(2)).toEqual({ status: 'completed', text: 'Hello world' })
    expect(room.conversation.queueNews(2, { ...granted('g5'), again: true }), 'it is complete').toBe(false)
    expect(room.conversation.queueNews(98, granted('g6')), 'unknown').toBe(false)
  }))

test('Q1 what a deleted conversation had running is given back with what it used, as far as that can be told', () =>
  PlainRoom.run(async (room) => {
    room.enter = () => granted('g1')
    await room.ask('Hi')
    await room.call.say('some words')
    await room.conversation.remove()
    const [used] = room.asked.flatMap((each) => /^release g1 (\d+)$/.exec(each)?.[1] ?? [])
    expect(Number(used)).toBeGreaterThan(room.inputOf('Hi') - 1)
  }))
