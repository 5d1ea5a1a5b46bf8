/**
 * The rules by which incidents open and end: what they measure over sliding windows, that nothing flaps between the two
 * thresholds, and how an operator's changes are read.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIRST_TOKEN_BOUNDS_MS } from '../../src/incidents/observation.ts'
import { measure, type Level } from '../../src/incidents/rules.ts'
import { isUnsettled, look, openedAs, overAt, UNWATCHED, type Watch } from '../../src/incidents/watch.ts'
import { minuteOf, quantile, spanMs, Windows } from '../../src/incidents/windows.ts'
import { incidentRules, STANDARD_RULES, type IncidentRule } from '../../src/protocol/incident-rules.ts'
import { MINUTE, SECOND, START } from '../support/incident-world.ts'

const CLASSES = FIRST_TOKEN_BOUNDS_MS.length + 1
const histogram = (counts: Record<number, number>): number[] =>
  Array.from({ length: CLASSES }, (_, i) => counts[i] ?? 0)
const sums = (calls: number, failures: number, over: { firstToken?: number[]; micros?: number } = {}) => ({
  calls,
  failures,
  firstToken: histogram({}),
  micros: 0,
  ...over,
})
const rule = (kind: keyof typeof STANDARD_RULES, over: Partial<IncidentRule> = {}): IncidentRule => ({
  ...STANDARD_RULES[kind],
  ...over,
})
const measured = (by: IncidentRule, windows: Windows, now = START) =>
  measure(by, { windows, breakers: [] }, now).map(({ subject, level, value }) => [subject, level, value])

describe('a window', () => {
  test('slides: a minute counts while any of it lies within, and never longer', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(7_200), fc.nat(100)), { maxLength: 30 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(7_200),
        (events, minutes, ahead) => {
          const windows = new Windows()
          const now = START + ahead * SECOND
          const past = events.map(([s, n]) => ({ at: START + s * SECOND, n })).filter(({ at }) => at <= now)
          for (const { at, n } of past) windows.addCalls(minuteOf(at), 'a', sums(n, 0))
          windows.forget(now)
          const { calls } = windows.calls('a', minutes, now)
          const within = (ms: number): number =>
            past.filter(({ at }) => at > now - ms).reduce((all, { n }) => all + n, 0)
          expect(calls).toBeGreaterThanOrEqual(within(minutes * MINUTE))
          expect(calls).toBeLessThanOrEqual(within((minutes + 1) * MINUTE))
          const span = spanMs(minutes, now)
          expect(span).toBeGreaterThanOrEqual(minutes * MINUTE)
          expect(span).toBeLessThan((minutes + 1) * MINUTE)
        },
      ),
    )
  })

  test('tells a quantile within the class it lies in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1_000), { minLength: CLASSES, maxLength: CLASSES }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (counts, share) => {
          const total = counts.reduce((all, n) => all + n, 0)
          const value = quantile(counts, share)
          if (total === 0 || value === null) return expect(value).toBe(total === 0 ? null : expect.anything())
          const upTo = (ms: number): number =>
            counts.reduce((all, n, i) => all + ((FIRST_TOKEN_BOUNDS_MS[i] ?? Infinity) <= ms ? n : 0), 0)
          const upper = FIRST_TOKEN_BOUNDS_MS.find((bound) => bound >= value) ?? Infinity
          const isTop = value === FIRST_TOKEN_BOUNDS_MS.at(-1)
          if (!isTop) expect(upTo(upper)).toBeGreaterThanOrEqual(total * share - 1e-6)
          const lower = FIRST_TOKEN_BOUNDS_MS.findLast((bound) => bound < value) ?? 0
          expect(upTo(lower)).toBeLessThanOrEqual(total * share + 1e-6)
        },
      ),
    )
  })
})

describe('a rule', () => {
  test('N2 on errors: per provider or all together, from so many calls on', () => {
    const windows = new Windows()
    windows.addCalls(minuteOf(START), 'a', sums(20, 5))
    windows.addCalls(minuteOf(START), 'b', sums(19, 19))
    windows.addCalls(minuteOf(START), 'c', sums(60, 0))
    expect(measured(rule('error_rate'), windows)).toEqual([
      ['a', 'breached', 25],
      // Few calls open nothing, and end nothing while they fail.
      ['b', 'between', 100],
      ['c', 'clear', 0],
    ])
    expect(measured(rule('error_rate', { per: 'all' }), windows)).toEqual([
      ['all', 'between', (24 / 99) * 100],
    ])
    expect(measured(rule('error_rate'), windows, START + 7 * MINUTE)).toEqual([])
  })

  test('N2 on first tokens looks at what 95 % keep', () => {
    const windows = new Windows()
    // 20 at up to 200 ms; then two of 22 between 12 and 20 s.
    windows.addCalls(minuteOf(START), 'a', sums(20, 0, { firstToken: histogram({ 2: 20 }) }))
    expect(measured(rule('first_token_p95'), windows)).toMatchObject([['a', 'clear', 195]])
    windows.addCalls(minuteOf(START), 'a', sums(2, 0, { firstToken: histogram({ 12: 2 }) }))
    expect(measured(rule('first_token_p95', { open: 14_000 }), windows)).toMatchObject([
      ['a', 'breached', expect.closeTo(15_600, 3)],
    ])
  })

  test('N2 on queues looks at the time, and at who waited in vain', () => {
    const windows = new Windows()
    windows.addQueue(minuteOf(START), 'a', { p95WaitMs: 40_000, timedOut: 0 })
    windows.addQueue(minuteOf(START), 'b', { p95WaitMs: null, timedOut: 5 })
    windows.addQueue(minuteOf(START), 'c', { p95WaitMs: 10, timedOut: 1 })
    windows.addQueue(minuteOf(START), 'd', { p95WaitMs: 10, timedOut: 0 })
    expect(measured(rule('queue_wait'), windows).map(([subject, level]) => [subject, level])).toEqual([
      ['a', 'breached'],
      ['b', 'breached'],
      ['c', 'between'],
      ['d', 'clear'],
    ])
  })

  test('N2 on money tells what an hour like this would cost, whenever in a minute it is asked', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(59), (windowMinutes, second) => {
        const windows = new Windows()
        const now = START + second * SECOND
        // A dollar a second, for two hours.
        for (let s = 0; s < 7_200; s++)
          windows.addCalls(minuteOf(now - s * SECOND - 1), 'a', sums(1, 0, { micros: 1_000_000 }))
        const [[, , value] = []] = measured(rule('budget_burn', { windowMinutes }), windows, now)
        expect(Math.abs(Number(value) - 3_600)).toBeLessThan(120)
      }),
      { numRuns: 20 },
    )
  })
})

describe('hysteresis', () => {
  const LEVELS: readonly Level[] = ['breached', 'between', 'clear']
  const timing = { forSeconds: 60, clearForSeconds: 300 }
  const looks = fc.array(
    fc.record({ level: fc.constantFrom(...LEVELS), after: fc.integer({ min: 1, max: 200 }) }),
    { maxLength: 200 },
  )

  /** What was seen without a break up to now, and for how long. */
  const steady = (seen: readonly { level: Level; at: number }[], level: Level): number => {
    const since = seen.findLastIndex((each) => each.level !== level) + 1
    const [first, last] = [seen[since], seen.at(-1)]
    return first && last ? last.at - first.at : -1
  }

  test('N3 opens after it was bad for so long without a break, and ends after it was good for so long', () => {
    fc.assert(
      fc.property(looks, (steps) => {
        let watch: Watch = UNWATCHED
        let now = START
        // What was seen since the last thing that happened.
        let seen: { level: Level; at: number }[] = []
        for (const { level, after } of steps) {
          now += after * SECOND
          seen.push({ level, at: now })
          const isOpen = watch.openId !== null
          const result = look(watch, level, timing, now)
          const expected = isOpen
            ? steady(seen, 'clear') >= 300 * SECOND
              ? 'over'
              : 'nothing'
            : steady(seen, 'breached') >= 60 * SECOND
              ? 'open'
              : 'nothing'
          expect(result.verdict).toBe(expected)
          expect(look(result.watch, level, timing, now).verdict).toBe(expected)
          watch = result.watch
          if (result.verdict === 'open') watch = openedAs(1)
          if (result.verdict === 'over') watch = overAt(1, now)
          if (result.verdict !== 'nothing') seen = []
        }
      }),
    )
  })

  test('N3 nothing flaps between the thresholds, whatever it did before', () => {
    fc.assert(
      fc.property(looks, fc.array(fc.integer({ min: 1, max: 1_000 }), { maxLength: 50 }), (steps, rest) => {
        let watch: Watch = UNWATCHED
        let now = START
        for (const { level, after } of steps) {
          now += after * SECOND
          const result = look(watch, level, timing, now)
          watch = result.watch
          if (result.verdict === 'open') watch = openedAs(1)
          if (result.verdict === 'over') watch = overAt(1, now)
        }
        const { openId } = watch
        for (const after of rest) {
          now += after * SECOND
          const result = look(watch, 'between', timing, now)
          expect(result.verdict).toBe('nothing')
          expect(result.watch.openId).toBe(openId)
          watch = result.watch
        }
      }),
    )
  })

  test('leaves nothing to look after where nothing is open', () => {
    expect(isUnsettled(look(UNWATCHED, 'clear', timing, START).watch)).toBe(false)
    expect(isUnsettled(look(UNWATCHED, 'breached', timing, START).watch)).toBe(true)
  })
})

describe('INCIDENT_RULES', () => {
  test('changes what is named over the standard, adds rules, and switches some off', () => {
    const { rules, escalation, reopenMinutes } = incidentRules.parse({
      rules: {
        error_rate: { open: 40, close: 15 },
        budget_burn: null,
        'all-fail': { kind: 'error_rate', per: 'all', open: 90, close: 50 },
      },
      escalation: [{ afterMinutes: 5, level: 1 }],
    })
    expect(Object.keys(rules)).toEqual([
      'error_rate',
      'first_token_p95',
      'breaker_open',
      'queue_wait',
      'all-fail',
    ])
    expect(rules['error_rate']).toEqual({ ...STANDARD_RULES.error_rate, open: 40, close: 15 })
    expect(rules['all-fail']).toMatchObject({ kind: 'error_rate', per: 'all', open: 90, minCalls: 20 })
    expect(escalation).toEqual([{ afterMinutes: 5, level: 1 }])
    expect(reopenMinutes).toBe(10)
  })

  test.each([
    [{ rules: { error_rate: { close: 30 } } }, 'rules.error_rate.close'],
    [{ rules: { error_rate: { open: 101 } } }, 'rules.error_rate.open'],
    [{ rules: { first_token_p95: { open: 60_001 } } }, 'rules.first_token_p95.open'],
    [{ rules: { breaker_open: { per: 'all' } } }, 'rules.breaker_open.per'],
    [{ rules: { mine: { open: 5 } } }, 'rules.mine.kind'],
    [{ rules: { mine: { kind: 'errors' } } }, 'rules.mine.kind'],
    [{ rules: { error_rate: { opens: 5 } } }, 'rules.error_rate'],
    [{ rules: { 'Not A Name': null } }, 'rules.Not A Name'],
    [{ rules: { queue_wait: { windowMinutes: 61 } } }, 'rules.queue_wait.windowMinutes'],
    [{ escalation: [] }, 'escalation'],
    [
      {
        escalation: [
          { afterMinutes: 5, level: 2 },
          { afterMinutes: 5, level: 3 },
        ],
      },
      'escalation',
    ],
    [{ rule: {} }, ''],
  ])('refuses %j and names what is wrong', (input, path) => {
    const result = incidentRules.safeParse(input)
    expect(result.error?.issues.map((issue) => issue.path.join('.'))).toContain(path)
  })
})
