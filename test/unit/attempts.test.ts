/**
 * How long the next try to sign in has to wait: a few are free, then each waits twice as long, up to a limit, and failures
 * are forgotten in time.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ACCOUNT_FROM_ANYWHERE,
  ACCOUNT_FROM_NETWORK,
  counted,
  forgottenAt,
  givenBack,
  networkOf,
  NETWORK,
  NONE,
  refusal,
  waitMs,
  type Count,
  type Rule,
} from '../../src/auth/attempts.ts'

const RULES = [ACCOUNT_FROM_NETWORK, ACCOUNT_FROM_ANYWHERE, NETWORK]
const START = 1_800_000_000_000

/** Tries as soon as it may, this many times. @returns the waits */
function waits(rule: Rule, tries: number): number[] {
  let now = START
  let count: Count = NONE
  return Array.from({ length: tries }, () => {
    const wait = waitMs(rule, count, now)
    now += wait
    count = counted(rule, count, now)
    return wait
  })
}

describe('the wait', () => {
  test('A6 of one account from one network: 5 tries, then 1 s, 2 s, 4 s, … 15 min', () => {
    const all = waits(ACCOUNT_FROM_NETWORK, 17)
    expect(all.slice(0, 5)).toEqual([0, 0, 0, 0, 0])
    expect(all.slice(5, 10)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000])
    expect(Math.max(...all)).toBe(15 * 60_000)
  })

  test('A6 lets through no more than about a hundred guesses a day from one network', () => {
    const total = waits(ACCOUNT_FROM_NETWORK, 120).reduce((sum, wait) => sum + wait, 0)
    expect(total).toBeGreaterThan(24 * 3600_000)
  })

  test('A6 never keeps anybody out for longer than its limit, whatever was tried before', () => {
    fc.assert(
      fc.property(fc.constantFrom(...RULES), fc.array(fc.nat(3_600_000), { maxLength: 60 }), (rule, gaps) => {
        let now = START
        let count: Count = NONE
        for (const gap of gaps) {
          now += gap
          const wait = waitMs(rule, count, now)
          expect(wait).toBeGreaterThanOrEqual(0)
          expect(wait).toBeLessThanOrEqual(rule.maxWaitMs)
          // A try that has to wait is not counted, so asking again makes nothing longer.
          if (wait === 0) count = counted(rule, count, now)
        }
        expect(waitMs(rule, count, now + rule.maxWaitMs)).toBe(0)
        const forgotten = counted(rule, count, forgottenAt(rule, count))
        expect(forgotten.failures).toBe(1)
      }),
    )
  })

  test('A6 a try that succeeded was none', () => {
    expect(givenBack({ failures: 3, at: START })).toEqual({ failures: 2, at: START })
    expect(givenBack(NONE).failures).toBe(0)
  })

  test('A6 a refusal says how long, and which limit', () => {
    expect(refusal(NETWORK, 2_500, START)).toEqual({
      code: 'rate_limited',
      detail: expect.any(String),
      retryable: true,
      retryAfterMs: 2_500,
      limit: {
        name: 'sign_in_attempts_address',
        unit: 'attempts',
        limit: NETWORK.free,
        remaining: 0,
        resetAt: new Date(START + 2_500).toISOString(),
      },
    })
  })
})

test('A6 whoever has a network of IPv6 has one count for it', () => {
  expect(networkOf('203.0.113.7')).toBe('203.0.113.7')
  expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
  expect(networkOf('2001:0db8:0001:0002:ffff::1')).toBe('2001:db8:1:2::/64')
  expect(networkOf('2001:DB8::1')).toBe('2001:db8:0:0::/64')
  expect(networkOf('::1')).toBe('0:0:0:0::/64')
  expect(networkOf('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
  expect(networkOf('local')).toBe('local')
})
