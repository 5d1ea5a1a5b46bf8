/**
 * Turns that need not wait for their provider: the answer is known, or the provider cannot be asked at all.
 */
import { expect, test } from 'vitest'
import {
  grant,
  queueWorld as world,
  settle,
  TIMEOUT_MS,
  turn,
  WAITING,
} from '../support/provider-queue-world.ts'

test('an answer that is known waits for no place (Q14)', async () => {
  const { queue, said, asked, answered, clock } = world()
  answered(true)
  queue.ask(turn())
  await settle()
  expect([said, queue.isWaiting, clock.pending]).toEqual([['granted 2 none'], false, 0])
  expect(asked).toEqual([])
})

test('one that is not known does, and one that was stopped while that was found out is not started', async () => {
  const { queue, said, asked, answered } = world()
  answered(false)
  queue.ask(turn())
  await settle()
  expect(asked).toEqual(['enter 2'])
  answered(true)
  queue.ask(turn(4))
  queue.leave(4)
  await settle()
  expect(said).toEqual([])
  expect(asked).toEqual(['enter 2', 'leave 2', 'leave 4'])
})

test('who waits for a provider that has gone down is looked after anew, and no later than it would have been (Q13)', async () => {
  const { queue, clock, entering, entries, said, asked, waitsFor } = world()
  const began = clock.now()
  queue.ask(turn())
  entering[0]?.answer(WAITING)
  await settle()
  clock.advance(1_000)
  await settle()
  expect(said, 'all is well').toEqual(['moved'])
  waitsFor('spare')
  clock.advance(1_000)
  await settle()
  expect([said, asked, queue.isWaiting]).toEqual([['moved', 'needless'], ['enter 2', 'leave 2'], false])
  queue.ask(turn())
  await settle()
  expect(entries[1]).toMatchObject({ provider: 'spare', deadline: began + TIMEOUT_MS })
  waitsFor(null)
  entering[1]?.answer(WAITING)
  await settle()
  clock.advance(1_000)
  await settle()
  expect(queue.needs('limited', false)).toBe(false)
  expect([said.at(-1), queue.isWaiting, clock.pending]).toEqual(['needless', false, 0])
})

test('a place with a provider that has gone down meanwhile is not used, and who got it moves on (Q13)', async () => {
  const { queue, said, asked, waitsFor, close, entries } = world()
  queue.ask(turn())
  close('main')
  waitsFor('spare')
  expect(queue.news(2, grant())).toBe(false)
  expect([said, asked, queue.isWaiting]).toEqual([['needless'], ['enter 2', 'leave 2'], false])
  queue.ask(turn())
  await settle()
  expect(entries[1]).toMatchObject({ provider: 'spare' })
  expect(queue.news(2, grant('late')), 'of the queue that it has left').toBe(false)
  expect(queue.news(2, grant('own', 'spare'))).toBe(true)
  expect(said).toEqual(['needless', 'granted 2 own'])
})

test('a place with a spare is used, also when the one that is meant is well again', () => {
  const { queue, said, waitsFor } = world()
  waitsFor('spare')
  queue.ask(turn())
  waitsFor('main')
  expect(queue.news(2, grant('own', 'spare'))).toBe(true)
  expect(said).toEqual(['granted 2 own'])
})

test('who cannot reach the queue of a provider that goes down moves on as well (Q13)', async () => {
  const { queue, clock, entering, said, asked, waitsFor } = world()
  queue.ask(turn())
  entering[0]?.fail()
  await settle()
  waitsFor(null)
  clock.advance(1_000)
  await settle()
  expect([said, asked]).toEqual([['needless'], ['enter 2', 'leave 2']])
})

test('a turn that is had go on later has its whole time again', async () => {
  const { queue, clock, entries, waitsFor, entering } = world()
  queue.ask(turn())
  entering[0]?.answer(WAITING)
  await settle()
  waitsFor('spare')
  clock.advance(1_000)
  await settle()
  queue.ask(turn())
  await settle()
  expect(entries[1]?.deadline).toBe(entries[0]?.deadline)
  queue.leave()
  clock.advance(TIMEOUT_MS)
  queue.ask(turn(2, { resumedAt: clock.now() }))
  await settle()
  expect(entries[2]?.deadline).toBe(clock.now() + TIMEOUT_MS)
})
