/**
 * When a breaker opens, against a model that keeps every call of its life and counts them anew at each one.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FAILURES } from '../../src/models/failure.ts'
import { Breaker, SLOTS, type CountedCall } from '../../src/operations/breaker.ts'
import { breakerSettings, type BreakerSettings } from '../../src/protocol/breaker-settings.ts'

interface Step {
  readonly gap: number
  readonly outcome: CountedCall['outcome']
  readonly firstTokenMs: number
}

const step: fc.Arbitrary<Step> = fc.record({
  gap: fc.oneof(fc.nat(50), fc.nat(8_000)),
  outcome: fc.constantFrom<CountedCall['outcome']>(
    'ok',
    'ok',
    'ok',
    'server',
    'timeout',
    'auth',
    'quota',
    'cancelled',
    'bad_request',
  ),
  firstTokenMs: fc.constantFrom(10, 20_000, 20_001),
})

const settings = fc
  .record({
    minCalls: fc.integer({ min: 1, max: 12 }),
    failureShare: fc.constantFrom(0.1, 0.5, 0.9, 1),
    slowShare: fc.constantFrom(0.3, 0.8, 1),
    failuresInRow: fc.integer({ min: 1, max: 6 }),
    refusalsInRow: fc.integer({ min: 1, max: 4 }),
  })
  .map((some) => breakerSettings.parse(some))

/** Number of calls from the end on that are such. */
function inRow(calls: readonly Step[], is: (call: Step) => boolean): number {
  const last = calls.findLastIndex((call) => !is(call))
  return calls.length - 1 - last
}

function shouldOpen(calls: readonly (Step & { readonly at: number })[], by: BreakerSettings): boolean {
  if (inRow(calls, ({ outcome }) => outcome === 'auth' || outcome === 'quota') >= by.refusalsInRow)
    return true
  if (inRow(calls, ({ outcome }) => outcome !== 'ok') >= by.failuresInRow) return true
  const slotOf = (at: number): number => Math.floor(at / (by.windowMs / SLOTS))
  const newest = slotOf(calls.at(-1)?.at ?? 0)
  const inWindow = calls.filter(({ at }) => slotOf(at) > newest - SLOTS)
  if (inWindow.length < by.minCalls) return false
  const failed = inWindow.filter(({ outcome }) => outcome !== 'ok').length
  const slow = inWindow.filter(({ firstTokenMs }) => firstTokenMs > by.slowMs).length
  return failed / inWindow.length >= by.failureShare || slow / inWindow.length >= by.slowShare
}

test('K4 a breaker opens at exactly the call at which the rules say so', () => {
  fc.assert(
    fc.property(settings, fc.array(step, { maxLength: 60 }), (by, steps) => {
      const breaker = new Breaker(by, null)
      const counted: (Step & { at: number })[] = []
      let now = 1_800_000_000_000
      for (const { gap, outcome, firstTokenMs } of steps) {
        now += gap
        breaker.count({ at: now, outcome, firstTokenMs, durationMs: 0, probe: false }, now)
        if (outcome !== 'ok' && !FAILURES[outcome].counts) continue
        counted.push({ gap, outcome, firstTokenMs, at: now })
        if (shouldOpen(counted, by)) {
          expect(breaker.state(now)).toBe('open')
          return
        }
        expect(breaker.state(now)).toBe('closed')
      }
    }),
    { numRuns: 500 },
  )
})
