/**
 * Never more than allowed in ANY 60 seconds: against a list of everything that was taken.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Capacity, type WindowFact } from '../../src/admission/capacity.ts'
import { MinuteWindow } from '../../src/admission/minute-window.ts'
import { added, percentile, WAIT_BOUNDS_MS, WaitStatistics } from '../../src/admission/wait-statistics.ts'

const START = Date.parse('2026-11-20T10:00:00Z')

const steps = fc.array(
  fc.record({ wait: fc.oneof(fc.nat(500), fc.nat(90_000)), amount: fc.integer({ min: 1, max: 40 }) }),
  { maxLength: 200 },
)

/** The most in any 60 seconds. */
function densest(taken: readonly { readonly at: number; readonly amount: number }[]): number {
  const sums = taken.map(({ at }) =>
    taken
      .filter((each) => each.at >= at && each.at < at + 60_000)
      .reduce((sum, { amount }) => sum + amount, 0),
  )
  return Math.max(0, ...sums)
}

describe('a minute', () => {
  test('Q1 never holds more than its limit, wherever it begins', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 40, max: 200 }), fc.nat(999), (all, limit, offset) => {
        const window = new MinuteWindow(limit)
        const taken: { at: number; amount: number }[] = []
        let now = START + offset
        for (const { wait, amount } of all) {
          now += wait
          if (!window.fits(amount, now)) continue
          window.take(amount, now)
          taken.push({ at: now, amount })
        }
        expect(densest(taken)).toBeLessThanOrEqual(limit)
      }),
    )
  })

  test('opens when it says, and not a moment earlier', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 40, max: 200 }), (all, limit) => {
        const window = new MinuteWindow(limit)
        let now = START
        for (const { wait, amount } of all) {
          now += wait % 2_000
          const opens = window.opensAt(amount, now)
          expect(opens === now).toBe(window.fits(amount, now))
          if (opens > now) {
            // Asked of a copy: time does not go back.
            const copy = (): MinuteWindow => new MinuteWindow(limit, window.slots())
            expect(copy().fits(amount, opens - 1)).toBe(false)
            expect(copy().fits(amount, opens)).toBe(true)
          } else window.take(amount, now)
        }
      }),
    )
  })

  test('is full again within 61 seconds', () => {
    const window = new MinuteWindow(10)
    window.take(10, START)
    expect(window.fits(1, START + 60_999)).toBe(false)
    expect(window.fits(10, START + 61_000)).toBe(true)
  })

  test('lets what is larger than it through alone', () => {
    const window = new MinuteWindow(10)
    expect(window.fits(1_000, START)).toBe(true)
    window.take(1, START)
    expect(window.fits(1_000, START)).toBe(false)
  })

  test('is corrected where it was taken, and never below nothing', () => {
    const window = new MinuteWindow(10)
    const second = window.take(8, START)
    window.correct(second, -5)
    expect(window.sum(START)).toBe(3)
    window.correct(second, -50)
    expect(window.sum(START)).toBe(0)
    window.correct(second, 12)
    expect(window.fits(1, START)).toBe(false)
    window.correct(second - 100, 12)
    expect(window.sum(START + 61_000)).toBe(0)
  })

  test('gives nothing twice when the clock is set back', () => {
    const window = new MinuteWindow(10)
    window.take(10, START)
    expect(window.fits(1, START - 3_600_000)).toBe(false)
    expect(window.fits(1, START + 60_000)).toBe(false)
  })
})

describe('the capacity of a queue', () => {
  test('Q1 holds over restarts at any moment, from what was written, without a row for each grant', () => {
    const moves = fc.array(
      fc.record({ wait: fc.nat(1_500), tokens: fc.integer({ min: 1, max: 60 }), restart: fc.boolean() }),
      { maxLength: 150 },
    )
    const limits = { requestsPerMinute: 1_000, tokensPerMinute: 1_000 }
    fc.assert(
      fc.property(moves, (all) => {
        let kept: WindowFact | null = null
        let capacity = new Capacity(limits, kept)
        let now = START
        const taken: { at: number; amount: number }[] = []
        for (const { wait, tokens, restart } of all) {
          now += wait
          if (restart) capacity = new Capacity(limits, kept)
          if (!capacity.fits(tokens, now)) continue
          capacity.take(tokens, now)
          kept = capacity.unkept(now) ?? kept
          taken.push({ at: now, amount: tokens })
        }
        expect(densest(taken)).toBeLessThanOrEqual(1_000)
      }),
    )
  })

  test('is written a hundred times in a minute and not for each of a hundred thousand', () => {
    const capacity = new Capacity({ requestsPerMinute: 100_000 }, null)
    let writes = 0
    for (let i = 0; i < 50_000; i++) {
      capacity.take(1, START + i)
      if (capacity.unkept(START + i)) writes++
    }
    expect(writes).toBeLessThanOrEqual(110)
  })

  test('of a provider without limits is endless, and nothing of it is written', () => {
    const capacity = new Capacity({}, null)
    for (let i = 0; i < 1_000; i++) capacity.take(1_000_000, START)
    expect(capacity.fits(1_000_000, START)).toBe(true)
    expect(capacity.unkept(START)).toBeNull()
  })
})

describe('statistics of waits', () => {
  test('tell percentiles that are at most 15 % too high, also of several queues together', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 20, max: 600_000 }), { minLength: 1, maxLength: 300 }),
        (waits) => {
          const all = [new WaitStatistics(START), new WaitStatistics(START)]
          for (const [i, ms] of waits.entries()) all[i % 2]?.granted('high', ms, START)
          const counts = added(all.map((each) => each.waits('high', START)))
          const sorted = waits.toSorted((a, b) => a - b)
          for (const part of [0.5, 0.95, 0.99]) {
            const exact = sorted[Math.ceil(part * sorted.length) - 1] ?? 0
            const told = percentile(counts, part) ?? 0
            expect(told).toBeGreaterThanOrEqual(exact)
            expect(told).toBeLessThanOrEqual(exact * 1.16 + 1)
          }
        },
      ),
    )
  })

  test('forget what is older than five minutes', () => {
    const statistics = new WaitStatistics(START)
    statistics.granted('low', 500, START)
    statistics.timedOut(START)
    const later = START + 290_000
    expect(percentile(statistics.waits('low', later), 0.5)).not.toBeNull()
    expect(statistics.grantedPerMinute('low', later)).toBe(0)
    expect(percentile(statistics.waits('low', START + 311_000), 0.5)).toBeNull()
    expect(statistics.timedOutIn(START + 311_000)).toBe(0)
  })

  test('know classes that rise', () => {
    expect(WAIT_BOUNDS_MS).toEqual([...new Set(WAIT_BOUNDS_MS)].toSorted((a, b) => a - b))
  })
})
