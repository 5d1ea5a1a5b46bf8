/**
 * A conversation's side of a provider's queue, against a queue that answers as the test says: each answer, each loss, and
 * each order in which what is asked and what is told may cross.
 */
import { expect, test } from 'vitest'
import {
  grant,
  LEASE_MS,
  queueWorld as world,
  settle,
  TIMEOUT_MS,
  turn,
  WAITING,
} from '../support/provider-queue-world.ts'

test('a turn of a provider without limits asks nobody', () => {
  const { queue, asked } = world()
  expect(queue.needs('free', false)).toBe(false)
  queue.ask(turn(2, { model: 'free' }))
  queue.freePlaceOf(turn(2, { model: 'free' }))
  expect([queue.isWaiting, asked]).toEqual([false, []])
})

test('a place that is free is had at once, kept by renewing it, and given back once (Q5)', async () => {
  const { queue, clock, asked, said, entering, entries, releases } = world()
  queue.ask(turn())
  queue.ask(turn())
  expect(entries).toEqual([
    {
      provider: 'main',
      conversationId: 'c',
      turn: 2,
      userId: 'u',
      tokens: 120,
      priority: 'high',
      since: 1_000,
      deadline: clock.now() + TIMEOUT_MS,
    },
  ])
  entering[0]?.answer(grant())
  await settle()
  expect([said, queue.isWaiting]).toEqual([['granted 2 g1'], false])
  for (let i = 0; i < 6; i++) {
    clock.advance(LEASE_MS / 3)
    await settle()
  }
  expect(asked.filter((each) => each === 'renew g1')).toHaveLength(6)
  releases[0]?.(77)
  releases[0]?.(88)
  expect(asked.slice(-1)).toEqual(['release g1 77'])
  expect(clock.pending).toBe(0)
})

test('age counts from when somebody last had the answer go on (Q2)', () => {
  const { queue, entries } = world()
  queue.ask(turn(2, { resumedAt: 9_000 }))
  expect(entries[0]?.since).toBe(9_000)
})

test('where a turn stands is remembered and shown (Q9)', async () => {
  const { queue, said, entering } = world()
  queue.ask(turn())
  entering[0]?.answer(WAITING)
  await settle()
  expect(queue.placeOf(2)).toEqual({ position: 3, etaMs: 4_000 })
  expect(queue.placeOf(4)).toBeNull()
  expect(queue.news(2, { state: 'waiting', position: 1, etaMs: null })).toBe(true)
  expect(queue.placeOf(2)).toEqual({ position: 1, etaMs: null })
  expect(said).toEqual(['moved', 'moved'])
})

test.each([
  ['full', 'queue_full'],
  ['timed_out', 'queue_timeout'],
] as const)('a turn that hears %s waits no more (Q7 Q8)', (state, code) => {
  const { queue, said, clock } = world()
  queue.ask(turn())
  expect(queue.news(2, { state })).toBe(true)
  expect([said, queue.isWaiting, clock.pending]).toEqual([[`refused 2 ${code}`], false, 0])
  expect(queue.news(2, { state }), 'heard again').toBe(true)
  expect(said).toHaveLength(1)
})

test('a queue that cannot be reached is asked again each second, by one timer, until it answers', async () => {
  const { queue, clock, asked, entering, said, reports } = world()
  queue.ask(turn())
  for (let i = 0; i < 5; i++) {
    entering.at(-1)?.fail()
    await settle()
    // The watchdog comes by between two tries.
    if (i === 2) {
      queue.look()
      entering.at(-1)?.fail()
      await settle()
    }
    expect(clock.pending).toBe(1)
    clock.advance(1_000)
    await settle()
  }
  expect(asked).toEqual(Array.from({ length: 7 }, () => 'enter 2'))
  entering.at(-1)?.answer(grant())
  await settle()
  expect(said).toEqual(['granted 2 g1'])
  expect(reports).toEqual(Array.from({ length: 6 }, () => 'queue_unreachable'))
})

test('one that never can be reached does not hold a turn beyond its deadline (Q7)', async () => {
  const { queue, clock, entering, said } = world()
  queue.ask(turn())
  while (queue.isWaiting) {
    entering.at(-1)?.fail()
    await settle()
    clock.advance(1_000)
    await settle()
  }
  expect(said).toEqual(['refused 2 queue_timeout'])
  expect(clock.pending).toBe(0)
})

test('a queue that forgets to say that the time is over is not waited for (Q7)', async () => {
  const { queue, clock, entering, said, asked } = world()
  queue.ask(turn())
  entering[0]?.answer(WAITING)
  await settle()
  clock.advance(TIMEOUT_MS + 4_999)
  queue.look()
  expect([asked, queue.isWaiting]).toEqual([['enter 2', 'enter 2'], true])
  queue.look()
  expect(asked, 'one question at a time').toHaveLength(2)
  clock.advance(1)
  queue.look()
  expect([said.at(-1), asked.at(-1)]).toEqual(['refused 2 queue_timeout', 'leave 2'])
})

test('whoever is overtaken leaves, and a place that it was given on the way goes back', async () => {
  const { queue, entering, asked, said } = world()
  queue.ask(turn(2))
  queue.ask(turn(4))
  expect(asked).toEqual(['enter 2', 'leave 2', 'enter 4'])
  entering[0]?.answer(grant('late'))
  entering[1]?.answer(grant('own'))
  await settle()
  expect(said).toEqual(['granted 4 own'])
  expect(asked.slice(3)).toEqual(['release late 0'])
})

test('whoever left and comes again enters after it has left', async () => {
  const { queue, asked, leaving } = world()
  let left: () => void = () => undefined
  leaving(() => new Promise((resolve) => (left = resolve)))
  queue.ask(turn())
  queue.leave()
  queue.ask(turn())
  await settle()
  expect(asked).toEqual(['enter 2', 'leave 2'])
  left()
  await settle()
  expect(asked).toEqual(['enter 2', 'leave 2', 'enter 2'])
})

test('only the turn that waits can leave', () => {
  const { queue, asked } = world()
  queue.ask(turn(2))
  queue.leave(4)
  expect([queue.isWaiting, asked]).toEqual([true, ['enter 2']])
  queue.leave(2)
  queue.leave()
  expect(asked).toEqual(['enter 2', 'leave 2'])
})

test('the same place, told and answered at once, is used once and not given back (Q4 Q6)', async () => {
  const { queue, entering, asked, said } = world()
  queue.ask(turn())
  // As after a restart: the turn asks, and the queue tells what it had granted before.
  expect(queue.news(2, grant())).toBe(true)
  entering[0]?.answer(grant())
  await settle()
  expect(said).toEqual(['granted 2 g1'])
  expect(asked).toEqual(['enter 2'])
  expect(queue.news(2, grant()), 'told again').toBe(true)
  expect(queue.news(2, grant('g2')), 'another one').toBe(false)
})

test('a place that nobody uses goes back (Q6)', async () => {
  const { queue, entering, asked, busy } = world()
  busy()
  queue.ask(turn())
  entering[0]?.answer(grant())
  await settle()
  expect(asked).toEqual(['enter 2', 'release g1 0'])
  expect(queue.news(8, grant('g8')), 'of a turn that does not wait').toBe(false)
  expect(queue.news(8, WAITING)).toBe(true)
})

test('a lost renewal is tried again; a place that was taken away is renewed no more, and the answer goes on', async () => {
  const { queue, clock, asked, reports, renewing, releases } = world()
  queue.ask(turn())
  queue.news(2, grant())
  renewing(() => Promise.reject(new Error('lost')))
  clock.advance(LEASE_MS / 3)
  await settle()
  expect(reports).toEqual(['lease_not_renewed'])
  renewing(() => Promise.resolve(false))
  clock.advance(LEASE_MS / 3)
  await settle()
  clock.advance(LEASE_MS * 3)
  expect(asked.filter((each) => each.startsWith('renew'))).toHaveLength(2)
  expect(clock.pending).toBe(0)
  releases[0]?.(5)
  expect(asked.at(-1)).toBe('release g1 5')
})

test('a renewal that comes back after the end starts no timer', async () => {
  const { queue, clock, releases } = world()
  queue.ask(turn())
  queue.news(2, grant())
  clock.advance(LEASE_MS / 3)
  releases[0]?.(0)
  await settle()
  expect(clock.pending).toBe(0)
})
