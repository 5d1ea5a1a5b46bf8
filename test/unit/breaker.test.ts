/**
 * The breaker of one model: each rule by itself, then all of them against a model of the rules that keeps every call and
 * counts anew each time, for any course of calls and time.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FAILURE_CLASSES, FAILURES } from '../../src/models/failure.ts'
import { Breaker, type BreakerChange, type CountedCall } from '../../src/operations/breaker.ts'
import { breakerSettings, type BreakerSettings } from '../../src/protocol/breaker-settings.ts'

const STANDARD = breakerSettings.parse({})
const T0 = 1_800_000_000_000
const OK: CountedCall['outcome'] = 'ok'

/** A breaker with its own time. */
class Course {
  readonly changes: BreakerChange[] = []
  readonly breaker: Breaker
  now = T0

  constructor(settings: Partial<BreakerSettings> = {}) {
    this.breaker = new Breaker({ ...STANDARD, ...settings }, null, (change) => this.changes.push(change))
  }

  get state() {
    return this.breaker.state(this.now)
  }

  /** A call that took no time, unless something else is said. */
  call(outcome: CountedCall['outcome'], more: Partial<CountedCall> = {}): this {
    const call = { at: this.now, outcome, firstTokenMs: null, durationMs: 0, probe: false, ...more }
    this.breaker.count(call, this.now)
    return this
  }

  calls(n: number, outcome: CountedCall['outcome'], more: Partial<CountedCall> = {}): this {
    for (let i = 0; i < n; i++) this.call(outcome, more)
    return this
  }

  wait(ms: number): this {
    this.now += ms
    return this
  }

  probe(outcome: CountedCall['outcome'], more: Partial<CountedCall> = {}): this {
    expect(this.breaker.probe(this.now)).toBe(true)
    return this.call(outcome, { probe: true, ...more })
  }
}

const openForMs = ({ breaker, now }: Course): number => (breaker.openFact?.until ?? Number.NaN) - now

describe('a closed breaker', () => {
  test('K4 opens at the fifth failure in a row, and not at the fourth', () => {
    const course = new Course().calls(4, 'server').call(OK).calls(4, 'timeout')
    expect(course.state).toBe('closed')
    expect(course.call('network').state).toBe('open')
    expect(course.changes).toEqual([{ to: 'open', why: '5 failures in a row, the last: network' }])
  })

  test.each(['auth', 'quota'] as const)('K4 opens at the third %s in a row', (outcome) => {
    const course = new Course().calls(2, outcome).call(OK).call(outcome).call('server').calls(2, outcome)
    expect(course.state).toBe('closed')
    expect(course.call(outcome).state).toBe('open')
  })

  test('K4 opens when half of ten calls failed, and not with nine', () => {
    const course = new Course()
    for (let i = 0; i < 4; i++) course.call(OK).call('server')
    expect(course.call('server').state).toBe('closed')
    expect(course.call(OK).state).toBe('open')
    expect(course.changes[0]?.why).toBe('5 of 10 calls in 30 s failed')
  })

  test('K4 opens when four fifths of ten calls were slow, whether they had text in the end or not', () => {
    const slow = { firstTokenMs: 20_001, durationMs: 25_000 }
    const course = new Course().calls(4, OK, slow).calls(3, OK, { durationMs: 20_001 })
    course.calls(2, OK, { firstTokenMs: 20_000, durationMs: 60_000 })
    expect(course.state).toBe('closed')
    expect(course.call(OK, slow).state).toBe('open')
    expect(course.changes[0]?.why).toBe('8 of 10 calls in 30 s were slow')
  })

  test('forgets calls that fell out of its window', () => {
    const course = new Course()
    for (let i = 0; i < 4; i++) course.call('server').call(OK)
    course.wait(STANDARD.windowMs).call('server')
    expect(course.call(OK).state).toBe('closed')
  })

  test('does not count what says nothing about the provider', () => {
    const neutral = FAILURE_CLASSES.filter((failure) => !FAILURES[failure].counts)
    const course = new Course()
    for (const failure of neutral) course.calls(20, failure)
    expect(course.state).toBe('closed')
    expect(course.calls(4, 'server').call('cancelled').call('server').state).toBe('open')
  })

  test('does not count what it is told of too late', () => {
    const course = new Course().calls(9, 'server', { at: T0 - STANDARD.windowMs })
    expect(course.state).toBe('closed')
  })

  test('never opens while all is well', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5_000), fc.nat(STANDARD.slowMs)), { maxLength: 200 }), (steps) => {
        const course = new Course()
        for (const [gap, firstTokenMs] of steps) course.wait(gap).call(OK, { firstTokenMs })
        expect(course.changes).toEqual([])
        expect(course.breaker.openFact).toBeNull()
      }),
    )
  })
})

describe('an open breaker', () => {
  const opened = () => new Course().calls(5, 'server')

  test('K5 lets nobody through until its time is over, and then becomes half-open', () => {
    const course = opened().wait(14_999)
    expect([course.state, course.breaker.probe(course.now)]).toEqual(['open', false])
    expect(course.wait(1).state).toBe('half_open')
    expect(course.changes.map(({ to }) => to)).toEqual(['open', 'half_open'])
  })

  test('K5 is open twice as long each time, at most two minutes, and anew after it was closed', () => {
    const course = opened()
    const times: number[] = []
    for (let i = 0; i < 6; i++) {
      times.push(openForMs(course))
      course.wait(openForMs(course)).probe('server').probe('server')
    }
    expect(times).toEqual([15_000, 30_000, 60_000, 120_000, 120_000, 120_000])
    course.wait(openForMs(course)).probe(OK).probe(OK)
    expect(course.state).toBe('closed')
    expect(openForMs(course.calls(5, 'server'))).toBe(15_000)
  })

  test.each([
    [10_000, 15_000],
    [60_000, 60_000],
    [3_600_000, 300_000],
  ])('K5 follows a Retry-After of %i ms for %i ms', (retryAfterMs, expected) => {
    expect(openForMs(new Course().calls(5, 'rate_limit', { retryAfterMs }))).toBe(expected)
    // From a call that was under way when it opened.
    const course = opened().wait(10)
    course.call('rate_limit', { retryAfterMs })
    expect(openForMs(course.wait(-10))).toBe(Math.min(300_000, Math.max(15_000, retryAfterMs + 10)))
  })

  test('survives a restart as it was', () => {
    const course = opened()
    const again = new Breaker(STANDARD, course.breaker.openFact)
    expect([again.state(course.now), again.state(course.now + 15_000)]).toEqual(['open', 'half_open'])
    expect(again.why).toBe('5 failures in a row, the last: server')
  })

  test('K7 is closed by hand, and has forgotten what opened it', () => {
    const course = opened()
    expect(course.breaker.reset(course.now)).toBe(true)
    expect(course.calls(4, 'server').state).toBe('closed')
    expect(course.breaker.reset(course.now)).toBe(false)
    expect(course.calls(4, 'server').state).toBe('closed')
  })
})

describe('a half-open breaker', () => {
  const halfOpen = () => new Course().calls(5, 'server').wait(15_000)

  test('K5 closes after two probes that succeeded', () => {
    const course = halfOpen().probe(OK)
    expect(course.state).toBe('half_open')
    expect(course.probe(OK).state).toBe('closed')
    expect(course.changes.at(-1)).toEqual({ to: 'closed', why: '2 probes succeeded' })
    expect(course.breaker.openFact).toBeNull()
  })

  test('K5 opens again after two that failed, or were slow, and not after one', () => {
    const slow = { firstTokenMs: 20_001, durationMs: 0 }
    const failed = halfOpen().probe('timeout').probe(OK)
    expect(failed.state).toBe('half_open')
    expect(failed.probe('server').state).toBe('open')
    expect(failed.changes.at(-1)?.why).toBe('2 probes failed, the last failed: server')
    expect(halfOpen().probe('server').probe(OK, slow).state).toBe('open')
    expect(halfOpen().probe(OK).probe(OK, slow).probe(OK).state).toBe('closed')
  })

  test('K5 opens again at once where the provider says when to come again', () => {
    const course = halfOpen().probe('rate_limit', { retryAfterMs: 40_000 })
    expect([course.state, openForMs(course)]).toEqual(['open', 40_000])
  })

  test('opens again after one that failed where none is to spare', () => {
    const course = new Course({ probes: 2 }).calls(5, 'server').wait(15_000).probe(OK).probe('server')
    expect([course.state, course.changes.at(-1)?.why]).toEqual(['open', 'a probe failed: server'])
  })

  test('K5 counts the failures of each time that it is half-open anew', () => {
    const course = halfOpen().probe('server').probe('server')
    course.wait(openForMs(course)).probe('server')
    expect(course.state).toBe('half_open')
  })

  test('gives the place of a probe that says nothing to another', () => {
    const course = halfOpen()
    for (let i = 0; i < 9; i++) course.probe('content_filter')
    expect(course.state).toBe('half_open')
  })

  test('K5 gives the place of a probe that is not heard of to another after 30 s', () => {
    const course = halfOpen()
    const tries = (): boolean[] => Array.from({ length: 4 }, () => course.breaker.probe(course.now))
    expect(tries()).toEqual([true, true, true, false])
    expect(course.wait(29_999).breaker.probe(course.now)).toBe(false)
    course.wait(1)
    expect(tries()).toEqual([true, true, true, false])
  })

  test('does not listen to calls that began before it opened, nor to any but probes', () => {
    const course = halfOpen()
    const old = { durationMs: course.now - T0 + 1, probe: true }
    course.calls(3, OK, old).calls(3, 'server', old).calls(9, 'server').calls(9, OK)
    expect(course.state).toBe('half_open')
  })

  test('K5 never has more than its probes under way, whatever happens', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('ask' as const) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.nat(40_000) }),
      fc.record({
        do: fc.constant('end' as const),
        which: fc.nat(),
        outcome: fc.constantFrom<CountedCall['outcome']>('ok', 'server', 'cancelled', 'rate_limit'),
      }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 5 }), (steps, probes) => {
        const course = new Course({ probes, closeAfter: 3 }).calls(5, 'server')
        let underWay: number[] = []
        for (const each of steps) {
          if (each.do === 'wait') course.wait(each.ms)
          const wasHalfOpen = course.state === 'half_open'
          if (each.do === 'ask' && course.breaker.probe(course.now) && wasHalfOpen) underWay.push(course.now)
          if (each.do === 'end' && underWay.length > 0) {
            const [began = 0] = underWay.splice(each.which % underWay.length, 1)
            course.call(each.outcome, { probe: true, durationMs: course.now - began })
          }
          // Those that were given up, or belong to a time before, count no more.
          if (course.state !== 'half_open') underWay = []
          const counted = underWay.filter((began) => began > course.now - STANDARD.probeLeaseMs)
          expect(counted.length).toBeLessThanOrEqual(probes)
          if (course.state === 'open') expect(course.breaker.probe(course.now)).toBe(false)
        }
      }),
    )
  })
})
