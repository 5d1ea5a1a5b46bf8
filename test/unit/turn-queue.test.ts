/**
 * Which waiting turn runs next: for any mix of turns, and over simulated hours of pressure.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inOrder, type WaitingTurn } from '../../src/conversation/turn-queue.ts'
import { AGE_STEP_MS, effectiveRank } from '../../src/protocol/priority.ts'

const PRIORITIES = ['urgent', 'high', 'normal', 'low'] as const
const NOW = Date.parse('2026-11-20T10:00:00Z')

const turn = (number: number, priority: WaitingTurn['priority'], waitedMs = 0): WaitingTurn => ({
  number,
  priority,
  createdAt: NOW - waitedMs,
  resumedAt: null,
  attempts: 0,
  resumedAttempt: null,
})

/** Turns as a queue holds them: a later number was not accepted earlier. */
const queues = fc
  .array(fc.record({ priority: fc.constantFrom(...PRIORITIES), gap: fc.nat(60_000) }), { maxLength: 30 })
  .map((items) => {
    let waited = items.reduce((sum, item) => sum + item.gap, 0)
    return items.map(({ priority, gap }, index) => {
      const made = turn(2 * index + 2, priority, waited)
      waited -= gap
      return made
    })
  })

const shuffled = queues.chain((queue) =>
  fc.tuple(fc.constant(queue), fc.shuffledSubarray(queue, { minLength: queue.length })),
)

const numbers = (turns: readonly WaitingTurn[]): number[] => turns.map((each) => each.number)

describe('the order of waiting turns', () => {
  test('T4 nobody overtakes one that has begun: its text lies where the next answer would be written', () => {
    const begun = { ...turn(6, 'low'), attempts: 1 }
    const again = { ...turn(8, 'low'), attempts: 3, resumedAttempt: 2 }
    const waits = { ...turn(4, 'urgent', 3_600_000), attempts: 2, resumedAttempt: 2, resumedAt: NOW }
    expect(numbers(inOrder([turn(2, 'urgent'), waits, begun, again], NOW))).toEqual([6, 8, 2, 4])
  })

  test('T5 O7 one that somebody has go on waits from then on, however old its question is', () => {
    const old = { ...turn(2, 'low', 3_600_000), attempts: 1, resumedAttempt: 1, resumedAt: NOW }
    expect(numbers(inOrder([old, turn(4, 'normal')], NOW))).toEqual([4, 2])
  })

  test('O7 goes by priority, and by age within one', () => {
    const waiting = [
      turn(2, 'low'),
      turn(4, 'normal'),
      turn(6, 'urgent'),
      turn(8, 'high'),
      turn(10, 'urgent'),
    ]
    expect(numbers(inOrder(waiting, NOW))).toEqual([6, 10, 8, 4, 2])
  })

  test.each([
    ['low', 0, 3],
    ['low', AGE_STEP_MS - 1, 3],
    ['low', AGE_STEP_MS, 2],
    ['low', 3 * AGE_STEP_MS, 0],
    ['low', 300 * AGE_STEP_MS, 0],
    ['urgent', 10 * AGE_STEP_MS, 0],
    ['normal', -5_000, 2],
  ] as const)('O7 %s after %i ms counts as rank %i', (priority, waited, rank) => {
    expect(effectiveRank(priority, NOW - waited, NOW)).toBe(rank)
  })

  test('O7 is the same whatever the order in which turns are given, and loses and repeats none', () => {
    fc.assert(
      fc.property(shuffled, ([queue, mixed]) => {
        const ordered = inOrder(mixed, NOW)
        expect(numbers(ordered)).toEqual(numbers(inOrder(queue, NOW)))
        expect(numbers(ordered).toSorted((a, b) => a - b)).toEqual(numbers(queue))
      }),
    )
  })

  test('O7 never puts a turn behind a younger one of the same or a lower priority', () => {
    fc.assert(
      fc.property(queues, (queue) => {
        const ordered = inOrder(queue, NOW)
        for (const [index, first] of ordered.entries()) {
          for (const second of ordered.slice(index + 1)) {
            const isYounger = first.number > second.number
            const isMoreUrgent = PRIORITIES.indexOf(first.priority) < PRIORITIES.indexOf(second.priority)
            expect(isYounger && !isMoreUrgent).toBe(false)
          }
        }
      }),
    )
  })

  test('O7 after three steps of waiting, whatever came later stands behind', () => {
    fc.assert(
      fc.property(queues, (queue) => {
        const ordered = inOrder(queue, NOW)
        for (const aged of queue.filter((each) => NOW - each.createdAt >= 3 * AGE_STEP_MS)) {
          const before = ordered.slice(0, ordered.indexOf(aged))
          expect(before.every((each) => each.number < aged.number)).toBe(true)
        }
      }),
    )
  })

  test('O7 a low turn runs in bounded time however many urgent ones keep coming', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 20_000 }), fc.integer({ min: 1, max: 3 }), (runMs, perRun) => {
        let waiting: WaitingTurn[] = [{ ...turn(1, 'low'), createdAt: 0 }]
        let number = 1
        let now = 0
        for (;;) {
          for (let i = 0; i < perRun; i++) waiting.push({ ...turn(++number, 'urgent'), createdAt: now })
          const [next] = inOrder(waiting, now)
          if (next?.priority === 'low') break
          waiting = waiting.filter((each) => each !== next)
          now += runMs
          expect(now).toBeLessThanOrEqual(3 * AGE_STEP_MS + runMs)
        }
      }),
    )
  })
})
