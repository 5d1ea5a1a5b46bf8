/**
 * The small rules of trying again: the budget, the pause, and what is left out of a conversation that is too long.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LONGEST_WAIT_MS, pauseBefore } from '../../src/models/backoff.ts'
import type { ModelMessage } from '../../src/models/model.ts'
import { RetryBudget } from '../../src/models/retry-budget.ts'
import { trimContext } from '../../src/models/trim-context.ts'
import { FakeClock } from '../support/fake-clock.ts'

function takeAll(budget: RetryBudget): number {
  let taken = 0
  while (budget.take()) taken += 1
  return taken
}

describe('the retry budget', () => {
  test('allows three where little happens', () => {
    expect(takeAll(new RetryBudget(new FakeClock().now))).toBe(3)
  })

  test('allows nearly a fifth of the first calls, fallbacks counted, and leaves room for more of those', () => {
    const budget = new RetryBudget(new FakeClock().now)
    for (let i = 0; i < 100; i++) budget.first()
    for (let i = 0; i < 5; i++) budget.extra()
    expect(takeAll(budget)).toBe(13)
  })

  test('is full again when a minute has passed, and not before', () => {
    const clock = new FakeClock()
    const budget = new RetryBudget(clock.now)
    expect(takeAll(budget)).toBe(3)
    clock.advance(59_000)
    expect(takeAll(budget)).toBe(0)
    clock.advance(1_000)
    expect(takeAll(budget)).toBe(3)
  })

  test('is never overdrawn, whatever happens when', () => {
    const step = fc.record({
      ms: fc.integer({ min: 0, max: 20_000 }),
      firsts: fc.integer({ min: 0, max: 40 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const clock = new FakeClock()
        const budget = new RetryBudget(clock.now)
        const calls: { at: number; extra: boolean }[] = []
        for (const { ms, firsts } of steps) {
          clock.advance(ms)
          for (let i = 0; i < firsts; i++) {
            budget.first()
            calls.push({ at: clock.now(), extra: false })
          }
          const taken = takeAll(budget)
          calls.push(...Array.from({ length: taken }, () => ({ at: clock.now(), extra: true })))
          if (taken === 0) continue
          // The window is made of whole seconds.
          const recent = calls.filter(
            ({ at }) => Math.floor(at / 1_000) > Math.floor(clock.now() / 1_000) - 60,
          )
          const extra = recent.filter((call) => call.extra).length
          expect(extra).toBeLessThanOrEqual(Math.max(3, (recent.length - extra) * 0.2))
        }
      }),
    )
  })
})

describe('the pause before a repeat', () => {
  test.each([
    [0, 250],
    [1, 500],
    [2, 1_000],
    [9, 8_000],
  ])('before repeat %i is anything up to %i ms', (attempt, most) => {
    expect(pauseBefore(attempt, undefined, () => 0)).toBe(0)
    expect(pauseBefore(attempt, undefined, () => 0.999_999)).toBeCloseTo(most, 0)
  })

  test('is what the provider asks for, and never less; more than five seconds are not waited for', () => {
    expect(pauseBefore(0, 2_000, () => 0.5)).toBe(2_000)
    expect(pauseBefore(0, 10, () => 0.5)).toBe(125)
    expect(pauseBefore(0, LONGEST_WAIT_MS, () => 0)).toBe(5_000)
    expect(pauseBefore(0, LONGEST_WAIT_MS + 1, () => 0)).toBeUndefined()
  })
})

describe('a conversation that is too long', () => {
  const say = (role: ModelMessage['role'], content: string): ModelMessage => ({ role, content })
  const talk = (pairs: number): ModelMessage[] =>
    Array.from({ length: pairs }, (_, i) => [say('user', `q${i}`), say('assistant', `a${i}`)]).flat()
  const contents = (messages: readonly ModelMessage[] | null) => messages?.map(({ content }) => content)

  test('loses its older half, and neither the system prompt nor the question', () => {
    const messages = [say('system', 's'), ...talk(4), say('user', 'now')]
    expect(contents(trimContext(messages))).toEqual(['s', 'q2', 'a2', 'q3', 'a3', 'now'])
  })

  test('begins with no answer whose question is gone', () => {
    const messages = [say('system', 's'), ...talk(3), say('user', 'now')]
    expect(contents(trimContext(messages))).toEqual(['s', 'q2', 'a2', 'now'])
    expect(contents(trimContext([...talk(1), say('user', 'now')]))).toEqual(['now'])
  })

  test('cannot be shorter than the question', () => {
    expect(trimContext([say('system', 's'), say('user', 'now')])).toBeNull()
    expect(trimContext([])).toBeNull()
  })

  test('stays in order, and becomes shorter each time until nothing is left', () => {
    const roles = fc.constantFrom('system', 'user', 'assistant' as const)
    fc.assert(
      fc.property(fc.array(roles, { maxLength: 20 }), (roles) => {
        const messages = roles.map((role, i) => say(role as ModelMessage['role'], String(i)))
        const trimmed = trimContext(messages)
        const left = messages.slice(0, -1).filter(({ role }) => role !== 'system').length
        if (trimmed === null) {
          expect(left).toBe(0)
          return
        }
        expect(messages.filter((message) => trimmed.includes(message))).toEqual(trimmed)
        expect(messages.length - trimmed.length).toBeGreaterThanOrEqual(Math.ceil(left / 2))
        expect(trimmed.at(-1)).toBe(messages.at(-1))
        expect(trimmed.filter(({ role }) => role === 'system')).toEqual(
          messages.filter(({ role }) => role === 'system'),
        )
      }),
    )
  })
})
