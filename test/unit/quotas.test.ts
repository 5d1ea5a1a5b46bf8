/**
 * Exact quotas against a naive model: a list of everything that ever happened, counted from the start at each question.
 * Steps come in any order, repeated, around the ends of days and months, and with a clock that goes back.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DEFAULT_PLANS } from '../../src/limits/plans.ts'
import * as quotas from '../../src/limits/quotas.ts'
import type { Amounts, QuotaState } from '../../src/limits/quotas.ts'
import type { Plan } from '../../src/protocol/plan.ts'

const PLAN: Plan = {
  ...DEFAULT_PLANS.unlimited,
  messagesPerDay: 5,
  tokensPerDay: 50,
  tokensPerMonth: 120,
  usdPerMonth: 0.0001,
  concurrentTurns: 3,
}

const START = Date.UTC(2026, 0, 30, 20)
const HOUR = 60 * 60_000
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']

interface Step {
  readonly what: 'reserve' | 'settle' | 'release'
  readonly key: string
  readonly tokens: number
  readonly micros: number
  readonly hours: number
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('reserve', 'reserve', 'settle', 'release'),
  key: fc.constantFrom(...KEYS),
  tokens: fc.integer({ min: 0, max: 30 }),
  micros: fc.integer({ min: 0, max: 40 }),
  hours: fc.constantFrom(0, 0, 0, 0.01, 0.5, 0.9, 1, 7, 24, 24 * 20, -0.5, -30),
})

interface Entry {
  readonly key: string
  readonly tokens: number
  readonly micros: number
  readonly madeAt: number
  readonly expiresAt: number
  state: 'open' | 'lapsed' | 'ended'
  truth: { readonly messages: number; readonly tokens: number; readonly micros: number }
}

const NOTHING = { messages: 0, tokens: 0, micros: 0 }

/** What the state machine keeps in counters, as a history. */
class Naive {
  readonly #entries: Entry[] = []
  #now = 0
  /** Periods never go back. */
  #latest = 0

  tick(now: number): void {
    this.#now = now
    this.#latest = Math.max(this.#latest, now)
    for (const entry of this.#entries)
      if (entry.state === 'open' && entry.expiresAt <= now) entry.state = 'lapsed'
  }

  /** Of each quota: used and reserved. */
  sums() {
    const day = (at: number) => new Date(at).toISOString().slice(0, 10)
    const month = (at: number) => new Date(at).toISOString().slice(0, 7)
    const today = this.#entries.filter((entry) => day(entry.madeAt) === day(this.#latest))
    const thisMonth = this.#entries.filter((entry) => month(entry.madeAt) === month(this.#latest))
    const sum = (entries: Entry[], value: (entry: Entry) => number) =>
      entries.reduce((total, entry) => total + value(entry), 0)
    const open = (entries: Entry[]) => entries.filter((entry) => entry.state === 'open')
    return {
      messages_per_day: [sum(today, (e) => e.truth.messages), open(today).length],
      tokens_per_day: [sum(today, (e) => e.truth.tokens), sum(open(today), (e) => e.tokens)],
      tokens_per_month: [sum(thisMonth, (e) => e.truth.tokens), sum(open(thisMonth), (e) => e.tokens)],
      cost_per_month: [sum(thisMonth, (e) => e.truth.micros), sum(open(thisMonth), (e) => e.micros)],
      concurrent_turns: [0, open(this.#entries).length],
    } as const
  }

  reserve(key: string, tokens: number, micros: number): boolean {
    if (this.#entries.some((entry) => entry.key === key && entry.state === 'open')) return true
    const sums = this.sums()
    const fits = ([used, reserved]: readonly [number, number], more: number, most: number) =>
      more === 0 || used + reserved + more <= most
    const fitsAll =
      fits(sums.messages_per_day, 1, 5) &&
      fits(sums.tokens_per_day, tokens, 50) &&
      fits(sums.tokens_per_month, tokens, 120) &&
      fits(sums.cost_per_month, micros, 100) &&
      fits(sums.concurrent_turns, 1, 3)
    if (!fitsAll) return false
    this.#end(key, NOTHING)
    const expiresAt = this.#now + quotas.LEASE_MS
    this.#entries.push({
      key,
      tokens,
      micros,
      madeAt: this.#latest,
      expiresAt,
      state: 'open',
      truth: NOTHING,
    })
    return true
  }

  settle(key: string, truth: Entry['truth']): void {
    this.#end(key, truth)
  }

  release(key: string): void {
    this.#end(key, NOTHING)
  }

  #end(key: string, truth: Entry['truth']): void {
    const entry = this.#entries.find((each) => each.key === key && each.state !== 'ended')
    if (!entry) return
    entry.state = 'ended'
    entry.truth = truth
  }
}

function reserved(state: QuotaState, key: string, amounts: Amounts, now = START, plan = PLAN): QuotaState {
  const result = quotas.reserve(state, plan, key, amounts, now)
  expect(result.refused).toBeNull()
  return result.state
}

const quotaOf = (state: QuotaState, name: string, now = START, plan = PLAN) =>
  quotas.quotas(state, plan, now).find((quota) => quota.name === name)

describe('quotas', () => {
  test('L6 count like a list of all that happened, in any order of steps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const naive = new Naive()
        let state: QuotaState = quotas.EMPTY
        let now = START
        for (const { what, key, tokens, micros, hours } of steps) {
          now += hours * HOUR
          naive.tick(now)
          if (what === 'reserve') {
            const result = quotas.reserve(state, PLAN, key, { messages: 1, tokens, micros }, now)
            state = result.state
            expect(result.refused === null).toBe(naive.reserve(key, tokens, micros))
          } else if (what === 'settle') {
            state = quotas.settle(state, key, { messages: 1, tokens, micros }, now)
            naive.settle(key, { messages: 1, tokens, micros })
          } else {
            state = quotas.release(state, key, now)
            naive.release(key)
          }
          const sums: Record<string, readonly [number, number]> = { ...naive.sums() }
          for (const quota of quotas.quotas(state, PLAN, now)) {
            const scale = quota.unit === 'usd' ? quotas.MICROS : 1
            const expected = sums[quota.name]
            if (expected)
              expect([
                quota.name,
                Math.round(quota.used * scale),
                Math.round(quota.reserved * scale),
              ]).toEqual([quota.name, ...expected])
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('L6 admit exactly as many as fit', () => {
    const plan = { ...DEFAULT_PLANS.unlimited, messagesPerDay: 100 }
    let state: QuotaState = quotas.EMPTY
    let admitted = 0
    for (let i = 0; i < 200; i++) {
      const result = quotas.reserve(state, plan, `k${i}`, { messages: 1 }, START)
      state = result.state
      if (!result.refused) admitted++
      else expect(result.refused).toMatchObject({ name: 'messages_per_day', limit: 100, remaining: 0 })
    }
    expect(admitted).toBe(100)
  })

  test('L7 give back what a turn did not use, and count what it used beyond its reservation', () => {
    let state = reserved(quotas.EMPTY, 'a', { messages: 1, tokens: 10 })
    state = quotas.release(state, 'a', START)
    expect(quotaOf(state, 'tokens_per_day')).toMatchObject({ used: 0, reserved: 0, remaining: 50 })
    state = reserved(state, 'b', { messages: 1, tokens: 10 })
    state = quotas.settle(state, 'b', { messages: 1, tokens: 60 }, START)
    expect(quotaOf(state, 'tokens_per_day')).toMatchObject({ used: 60, reserved: 0, remaining: 0 })
  })

  test('L7 a settlement that is told again changes nothing', () => {
    const before = reserved(quotas.EMPTY, 'a', { messages: 1, tokens: 10 })
    const settled = quotas.settle(before, 'a', { messages: 1, tokens: 7 }, START)
    expect(quotas.settle(settled, 'a', { messages: 1, tokens: 7 }, START)).toEqual(settled)
    expect(quotas.release(settled, 'a', START)).toEqual(settled)
  })

  test('L8 a reservation that nobody settles ends with its lease; its truth counts when it comes late', () => {
    const plan = { ...DEFAULT_PLANS.unlimited, concurrentTurns: 1, tokensPerMonth: 100 }
    const held = reserved(quotas.EMPTY, 'a', { messages: 1, tokens: 90 }, START, plan)
    expect(quotas.reserve(held, plan, 'b', {}, START + quotas.LEASE_MS - 1).refused?.name).toBe(
      'concurrent_turns',
    )
    const late = START + quotas.LEASE_MS
    const after = reserved(held, 'b', { tokens: 50 }, late, plan)
    expect(quotaOf(after, 'tokens_per_month', late, plan)).toMatchObject({ used: 0, reserved: 50 })
    const settled = quotas.settle(after, 'a', { messages: 1, tokens: 80 }, late)
    expect(quotaOf(settled, 'tokens_per_month', late, plan)).toMatchObject({ used: 80, reserved: 50 })
  })

  test('L9 days and months are those of UTC, and say when they end', () => {
    const night = Date.UTC(2026, 11, 31, 23, 59, 59, 999)
    const state = quotas.settle(
      reserved(quotas.EMPTY, 'a', { messages: 1, tokens: 5 }, night),
      'a',
      { messages: 1, tokens: 5 },
      night,
    )
    expect(quotaOf(state, 'messages_per_day', night)).toMatchObject({
      used: 1,
      resetAt: '2027-01-01T00:00:00.000Z',
    })
    expect(quotaOf(state, 'tokens_per_month', night)?.resetAt).toBe('2027-01-01T00:00:00.000Z')
    expect(quotaOf(state, 'messages_per_day', night + 1)).toMatchObject({
      used: 0,
      resetAt: '2027-01-02T00:00:00.000Z',
    })
    expect(quotaOf(state, 'tokens_per_month', night + 1)).toMatchObject({
      used: 0,
      resetAt: '2027-02-01T00:00:00.000Z',
    })
  })

  test('documents and storage are counted for good, and given back when they are removed', () => {
    const plan = { ...DEFAULT_PLANS.unlimited, documents: 2, storageBytes: 1_000 }
    const upload = { documents: 1, bytes: 400 }
    let state: QuotaState = quotas.EMPTY
    for (const key of ['a', 'b']) {
      state = quotas.reserve(state, plan, key, upload, START, false).state
      state = quotas.settle(state, key, upload, START)
    }
    const later = START + 400 * quotas.DAY_MS
    expect(quotas.reserve(state, plan, 'c', upload, later, false).refused?.name).toBe('documents')
    state = quotas.reserve(state, plan, 'gone', {}, later, false).state
    state = quotas.settle(state, 'gone', { documents: -1, bytes: -400 }, later)
    expect(quotas.reserve(state, plan, 'c', upload, later, false).refused).toBeNull()
  })
})
