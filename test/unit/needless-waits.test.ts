/**
 * Turns that need not wait for their provider: the answer is known, or the provider cannot be asked at all.
 */
import { expect, test } from 'vitest'
import { queueWorld as world, settle, TIMEOUT_MS, turn, WAITING } from '../support/provider-queue-world.ts'

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
  expect(queue.needs('limited')).toBe(false)
  expect([said.at(-1), queue.isWaiting, clock.pending]).toEqual(['needless', false, 0])
})
