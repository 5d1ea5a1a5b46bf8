/**
 * The link of an isolate, over an object that is a plain one: when it asks and when it does not, what it does when there is no
 * answer, and that no report is lost or counted twice on the way.
 */
import { describe, expect, test } from 'vitest'
import { OperationsLink, TRUSTED_MS } from '../../src/operations/operations-link.ts'
import type { Batch } from '../../src/operations/operations.ts'
import { MAX_REPORTS } from '../../src/operations/outgoing-reports.ts'
import type { Snapshot, UnhealthyModel } from '../../src/operations/snapshot.ts'
import { callReport } from '../support/call-report.ts'
import { FakeClock } from '../support/fake-clock.ts'

interface Asked {
  readonly batch: Batch | null
  readonly answer: (about?: Partial<Snapshot>) => Promise<void>
  readonly fail: () => Promise<void>
}

/** An object that answers when a test says so, or at once. */
function setUp({ atOnce = true } = {}) {
  const clock = new FakeClock()
  const asked: Asked[] = []
  const kept: Promise<unknown>[] = []
  const world = { snapshot: { version: 1, at: 0, paused: [], breakers: [] } as Snapshot, isDown: false }
  let probes: () => Promise<boolean> = () => Promise.resolve(true)
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const link = new OperationsLink({
    calls: () => ({
      sync: (batch) =>
        new Promise<Snapshot>((resolve, reject) => {
          const answer: Asked['answer'] = (about) => {
            resolve({ ...world.snapshot, ...about })
            return turn()
          }
          const fail = (): Promise<void> => {
            reject(new Error('Network connection lost.'))
            return turn()
          }
          asked.push({ batch, answer, fail })
          if (world.isDown) void fail()
          else if (atOnce) void answer()
        }),
      probe: () => probes(),
    }),
    now: clock.now,
    after: clock.after,
    slowMs: 20_000,
    id: 'isolate-1',
  })
  const gate = link.gateFor({ waitUntil: (promise) => void kept.push(promise), tryEnter: () => undefined })
  return {
    clock,
    asked,
    world,
    link,
    gate,
    turn,
    settle: () => Promise.all(kept),
    probeBy: (by: () => Promise<boolean>) => void (probes = by),
    told: () => asked.flatMap(({ batch }) => batch?.reports ?? []),
  }
}

const OPEN: UnhealthyModel = { provider: 'one', model: 'm', state: 'open', retryAt: Number.MAX_SAFE_INTEGER }

describe('a fresh link', () => {
  test('K6 asks the object once, and then nobody for as long as a snapshot is fresh', async () => {
    const { gate, clock, asked } = setUp()
    await gate.fresh()
    for (let i = 0; i < 100; i++) {
      expect(gate.fresh()).toBeUndefined()
      expect(gate.verdict('one', 'm')).toEqual({ ok: true })
      clock.advance(4)
    }
    expect(asked).toHaveLength(1)
  })

  test('K6 renews it in the background while calls go on, so that nobody waits', async () => {
    const { gate, clock, asked, settle } = setUp()
    await gate.fresh()
    for (let ms = 0; ms < 10_000; ms += 50) {
      clock.advance(50)
      expect(gate.fresh()).toBeUndefined()
      await settle()
    }
    expect(asked.length).toBeLessThanOrEqual(21)
  })

  test('K6 makes whoever comes after a second of quiet wait for what is new', async () => {
    const { gate, clock, world } = setUp()
    await gate.fresh()
    world.snapshot = { ...world.snapshot, version: 2, breakers: [OPEN] }
    clock.advance(1_000)
    expect(gate.verdict('one', 'm')).toEqual({ ok: true })
    await gate.fresh()
    expect(gate.verdict('one', 'm')).toMatchObject({ ok: false, why: 'breaker_open' })
    expect(gate.verdict('one', 'other')).toEqual({ ok: true })
  })

  test('takes no older snapshot for a newer one, whichever comes first', async () => {
    const { gate, clock, asked, turn } = setUp({ atOnce: false })
    const first = gate.fresh()
    clock.advance(10)
    const second = gate.fresh()
    await asked[1]?.answer({ version: 2, breakers: [OPEN] })
    await asked[0]?.answer({ version: 1 })
    await Promise.all([first, second, turn()])
    expect(gate.verdict('one', 'm').ok).toBe(false)
  })

  test('does not believe an old snapshot for ever when the clock was set back', async () => {
    const { gate, clock, world } = setUp()
    await gate.fresh()
    clock.setBack(3_600_000)
    world.snapshot = { ...world.snapshot, breakers: [OPEN] }
    await gate.fresh()
    expect(gate.verdict('one', 'm').ok).toBe(false)
  })

  test('takes nobody for closed, where no call would find out better, by what is old', async () => {
    const { link, gate, clock, world } = setUp()
    world.snapshot = { ...world.snapshot, breakers: [OPEN] }
    await gate.fresh()
    expect(link.latelyOf('one', 'm')).toMatchObject({ ok: false, why: 'breaker_open' })
    clock.advance(TRUSTED_MS - 1)
    expect(link.latelyOf('one', 'm')).toMatchObject({ ok: false })
    clock.advance(1)
    expect(link.latelyOf('one', 'm')).toEqual({ ok: true })
    expect(gate.verdict('one', 'm')).toMatchObject({ ok: false })
  })

  test('says half-open by itself when the time of an open breaker is over', async () => {
    const { gate, clock, world } = setUp()
    world.snapshot = { ...world.snapshot, breakers: [{ ...OPEN, retryAt: clock.now() + 300 }] }
    await gate.fresh()
    expect(gate.verdict('one', 'm')).toEqual({ ok: false, why: 'breaker_open', retryAfterMs: 300 })
    clock.advance(300)
    expect(gate.verdict('one', 'm')).toEqual({ ok: false, why: 'half_open' })
  })
})

describe('an object that does not answer', () => {
  test('K6 holds a call up for 250 ms, which then goes on with what is known', async () => {
    const { gate, clock, asked, turn } = setUp({ atOnce: false })
    const first = gate.fresh()
    await asked[0]?.answer({ breakers: [OPEN] })
    await first
    clock.advance(1_000)
    let isOver = false
    const waiting = gate.fresh()?.then(() => (isOver = true))
    clock.advance(249)
    await turn()
    expect(isOver).toBe(false)
    clock.advance(1)
    await waiting
    expect(gate.verdict('one', 'm').ok).toBe(false)
    // Late is better than never.
    await asked[1]?.answer({ version: 3 })
    expect(gate.verdict('one', 'm').ok).toBe(true)
  })

  test('is not waited for by everyone: after a failure calls go on at once for a while', async () => {
    const { gate, clock, asked, world } = setUp()
    world.isDown = true
    await gate.fresh()
    expect([gate.fresh(), gate.pausedForAll(), gate.verdict('one', 'm')]).toEqual([
      undefined,
      null,
      { ok: true },
    ])
    expect(asked).toHaveLength(1)
    clock.advance(250)
    await gate.fresh()
    expect(asked).toHaveLength(2)
  })

  test('gets the reports later, each once, under the number that they were sent with', async () => {
    const { gate, clock, asked, world, settle, told } = setUp()
    world.isDown = true
    gate.report(callReport('server', { detail: 'first' }))
    await settle()
    gate.report(callReport('server', { detail: 'second' }))
    clock.advance(250)
    world.isDown = false
    await gate.fresh()
    await settle()
    expect(asked.map(({ batch }) => [batch?.number, batch?.reports.map(({ detail }) => detail)])).toEqual([
      [1, ['first']],
      [1, ['first']],
      [2, ['second']],
    ])
    expect(told()).toHaveLength(3)
  })

  test('costs a bounded amount of memory: the newest reports are kept', async () => {
    const { gate, clock, world, settle, told } = setUp()
    world.isDown = true
    for (let i = 0; i < MAX_REPORTS + 500; i++) gate.report(callReport('ok', { durationMs: i }))
    await settle()
    world.isDown = false
    clock.advance(1_000)
    for (let i = 0; i < 3; i++) {
      await gate.fresh()
      clock.advance(1_000)
    }
    expect(told().length).toBeLessThanOrEqual(MAX_REPORTS + 2)
    expect(told().at(-1)?.durationMs).toBe(MAX_REPORTS + 499)
  })

  test('lets one call a second of each isolate through to a half-open provider', async () => {
    const { gate, clock, probeBy } = setUp()
    probeBy(() => Promise.reject(new Error('Network connection lost.')))
    const tries = async () => [await gate.probe('one', 'm'), await gate.probe('one', 'm')]
    expect(await tries()).toEqual([true, false])
    expect(await gate.probe('one', 'other')).toBe(true)
    clock.advance(1_000)
    expect(await tries()).toEqual([true, false])
    probeBy(() => new Promise(() => {}))
    clock.advance(500)
    const late = gate.probe('one', 'm')
    clock.advance(1_000)
    expect(await late).toBe(true)
  })
})

describe('reports', () => {
  test('of what went well wait for the next sync', async () => {
    const { gate, clock, asked, told, settle } = setUp()
    await gate.fresh()
    for (let i = 0; i < 50; i++) gate.report(callReport())
    gate.report(callReport('bad_request'))
    expect(asked).toHaveLength(1)
    clock.advance(500)
    void gate.fresh()
    await settle()
    expect(told()).toHaveLength(51)
  })

  test.each([
    ['a failure', callReport('server')],
    ['a late first text', callReport('ok', { firstTokenMs: 20_001 })],
    ['the end of a probe', callReport('ok', { probe: true })],
  ])('of %s go at once', async (_, report) => {
    const { gate, told, settle } = setUp()
    await gate.fresh()
    gate.report(report)
    await settle()
    expect(told()).toEqual([report])
  })

  test('go one batch at a time, and those that came meanwhile right after it', async () => {
    const { gate, asked, settle } = setUp({ atOnce: false })
    const started = gate.fresh()
    await asked[0]?.answer()
    await started
    for (let i = 0; i < 20; i++) gate.report(callReport('server'))
    expect(asked.map(({ batch }) => batch?.reports.length)).toEqual([undefined, 1])
    await asked[1]?.answer()
    expect(asked.map(({ batch }) => batch?.reports.length)).toEqual([undefined, 1, 19])
    await asked[2]?.answer()
    await settle()
    expect(asked).toHaveLength(3)
  })

  test('of a request that died while it handed them over are handed over by the next, as they were', async () => {
    const { gate, clock, asked, settle } = setUp({ atOnce: false })
    gate.report(callReport('server', { detail: 'first' }))
    clock.advance(999)
    gate.report(callReport('server', { detail: 'second' }))
    expect(asked).toHaveLength(1)
    clock.advance(1)
    gate.report(callReport('server', { detail: 'third' }))
    await asked[1]?.answer()
    await asked[2]?.answer()
    expect(
      asked.slice(1).map(({ batch }) => [batch?.number, batch?.reports.map(({ detail }) => detail)]),
    ).toEqual([
      [1, ['first']],
      [2, ['second', 'third']],
    ])
    await asked[0]?.answer()
    await settle()
  })

  test('of routes are counted by route and code', async () => {
    const { gate, link, clock, asked, settle } = setUp()
    await gate.fresh()
    const note = (code: string) => link.routeFailed('POST /api/chat', code, `It is ${code}.`, () => {})
    for (const code of ['unavailable', 'internal', 'unavailable']) note(code)
    expect(asked).toHaveLength(1)
    clock.advance(600)
    void gate.fresh()
    await settle()
    expect(asked[1]?.batch?.routeFailures).toEqual([
      { route: 'POST /api/chat', code: 'unavailable', detail: 'It is unavailable.', count: 2 },
      { route: 'POST /api/chat', code: 'internal', detail: 'It is internal.', count: 1 },
    ])
  })
})

describe('a pause', () => {
  const pause = { reason: 'costs', by: 'user:a', at: 0, stopRunning: false }

  test('K2 of all, of a provider, of a model is a verdict on each of their calls', async () => {
    const { gate, clock, world } = setUp()
    const see = async (...paused: Snapshot['paused']) => {
      world.snapshot = { ...world.snapshot, paused }
      clock.advance(1_000)
      await gate.fresh()
      const verdicts = [gate.verdict('one', 'm'), gate.verdict('one', 'n'), gate.verdict('two', 'm')]
      return [gate.pausedForAll(), ...verdicts.map((verdict) => (verdict.ok ? 'ok' : verdict.why))]
    }
    expect(await see({ ...pause, target: 'provider:one' })).toEqual([null, 'paused', 'paused', 'ok'])
    expect(await see({ ...pause, target: 'model:m' })).toEqual([null, 'paused', 'ok', 'paused'])
    expect(await see({ ...pause, target: 'all' })).toEqual(['costs', 'paused', 'paused', 'paused'])
    expect(await see()).toEqual([null, 'ok', 'ok', 'ok'])
  })

  test('K2 of all is believed for a second without a call, so that nobody is refused for ever by what is over', async () => {
    const { link, gate, clock, world } = setUp()
    world.snapshot = { ...world.snapshot, paused: [{ ...pause, target: 'all' }] }
    await gate.fresh()
    clock.advance(999)
    expect(link.pausedForAll()).toBe('costs')
    clock.advance(1)
    expect(link.pausedForAll()).toBeNull()
  })

  test('K2 ends calls that are running when it says so, a second after it came at the latest', async () => {
    const { gate, clock, world, settle } = setUp()
    await gate.fresh()
    const target = 'provider:one' as const
    world.snapshot = { ...world.snapshot, paused: [{ ...pause, target }] }
    clock.advance(1_000)
    expect(gate.stopped('one', 'm')).toBeNull()
    await settle()
    expect([gate.stopped('one', 'm'), gate.verdict('one', 'm').ok]).toEqual([null, false])
    world.snapshot = { ...world.snapshot, paused: [{ ...pause, target, stopRunning: true }] }
    clock.advance(1_000)
    gate.stopped('one', 'm')
    await settle()
    expect([gate.stopped('one', 'm'), gate.stopped('two', 'm')]).toEqual(['costs', null])
  })
})
