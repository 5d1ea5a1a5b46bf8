/**
 * The token bucket against a model that is too slow to use: every request of its life counted anew.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { take, type BucketState } from '../../src/limits/token-bucket.ts'

const size = fc.record({
  capacity: fc.integer({ min: 1, max: 20 }),
  perSecond: fc.constantFrom(0.1, 0.5, 1, 2, 4, 10, 1000),
})

describe('a token bucket', () => {
  test('L1 lets through what fits at once, and then no more than its rate', () => {
    fc.assert(
      fc.property(size, fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 60 }), (bucket, gaps) => {
        let state: BucketState | null = null
        let now = 1_000_000
        const passed: number[] = []
        for (const gap of gaps) {
          now += gap
          const taken = take(state, bucket, now)
          state = taken.state
          if (taken.ok) passed.push(now)
        }
        // In any window, however it lies.
        for (const [i, from] of passed.entries()) {
          for (const [j, to] of passed.entries()) {
            if (j < i) continue
            const most = bucket.capacity + ((to - from) / 1000) * bucket.perSecond
            expect(j - i + 1).toBeLessThanOrEqual(Math.floor(most + 1e-6))
          }
        }
      }),
    )
  })

  test('L2 lets through whoever waits as long as it says', () => {
    fc.assert(
      fc.property(
        size,
        fc.array(fc.integer({ min: -2_000, max: 3_000 }), { maxLength: 40 }),
        (bucket, gaps) => {
          let state: BucketState | null = null
          let now = 1_000_000
          for (const gap of gaps) {
            now += gap
            const taken = take(state, bucket, now)
            state = taken.state
            if (!taken.ok) expect(take(state, bucket, now + taken.retryAfterMs).ok).toBe(true)
            const full = take(state, bucket, now + taken.fullAfterMs)
            expect(full.remaining).toBe(bucket.capacity - 1)
          }
        },
      ),
    )
  })

  test('neither gains nor loses by a clock that goes back', () => {
    const bucket = { capacity: 2, perSecond: 1 }
    const first = take(null, bucket, 10_000)
    const back = take(first.state, bucket, 0)
    expect(back).toMatchObject({ ok: true, remaining: 0, state: { at: 10_000, tokens: 0 } })
    expect(take(back.state, bucket, 10_000).ok).toBe(false)
    expect(take(back.state, bucket, 11_000).ok).toBe(true)
  })
})
