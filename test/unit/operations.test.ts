/**
 * What the operations object decides: counting each batch once, snapshots, pauses and breakers that survive a restart, what
 * it logs, what an operator is shown, and what it tells interval by interval.
 */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Observation, QueueObservation } from '../../src/incidents/observation.ts'
import { MAX_KINDS, percentile } from '../../src/operations/call-sums.ts'
import type { FactKind, FactStore } from '../../src/operations/facts.ts'
import { INTERVAL_MS, MAX_KEPT, PATIENCE_MS } from '../../src/operations/observations.ts'
import { Operations, type Batch } from '../../src/operations/operations.ts'
import { providerList } from '../../src/operations/provider-list.ts'
import { breakerSettings } from '../../src/protocol/breaker-settings.ts'
import { providersAnswer } from '../../src/protocol/operations.ts'
import { callReport } from '../support/call-report.ts'
import { FakeClock } from '../support/fake-clock.ts'

let clock: FakeClock
let rows: Map<string, string>
let writes: number
let logged: [string, Readonly<Record<string, unknown>>][]
let observed: Observation[]
let observe: (observation: Observation) => Promise<void>
let queues: () => Promise<readonly QueueObservation[]>
let offered: readonly string[]
let operations: Operations
let batches = 0

const facts: FactStore = {
  load: (kind: FactKind) =>
    [...rows].flatMap(([key, value]) => {
      const name = key.slice(kind.length + 1)
      return key === `${kind}/${name}` ? [[name, JSON.parse(value) as unknown] as const] : []
    }),
  put(kind, name, value) {
    writes++
    rows.set(`${kind}/${name}`, JSON.stringify(value))
  },
  remove(kind, name) {
    writes++
    rows.delete(`${kind}/${name}`)
  },
}

const start = (): void => {
  operations = new Operations({
    breaker: breakerSettings.parse({}),
    facts,
    isOffered: (provider) => offered.includes(provider),
    now: clock.now,
    after: clock.after,
    log: (event, details) => void logged.push([event, details]),
    cost: (_provider, _model, { inputTokens, outputTokens }) => inputTokens + 2 * outputTokens,
    observe: (observation) => observe(observation),
    queues: async (told) => ({ queues: await queues(), told }),
  })
}

beforeEach(() => {
  clock = new FakeClock()
  ;[rows, writes, logged, observed] = [new Map(), 0, [], []]
  observe = (observation) => Promise.resolve(void observed.push(observation))
  queues = () => Promise.resolve([])
  offered = ['one']
  start()
})

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const pass = async (ms: number): Promise<void> => {
  clock.advance(ms)
  await settle()
}

/** As from an isolate of its own each time. */
const tell = (reports: Batch['reports'], more: Partial<Batch> = {}) =>
  operations.sync({ link: `isolate-${++batches}`, number: 1, reports, routeFailures: [], ...more })
const report = (...args: Parameters<typeof callReport>) =>
  callReport(args[0], { at: clock.now(), ...args[1] })
const failures = (n: number) => Array.from({ length: n }, () => report('server'))

describe('reports', () => {
  test('are counted once, however often their batch comes', () => {
    for (const number of [1, 1, 2, 1, 2, 3]) tell([report()], { link: 'a', number })
    tell([report()], { link: 'b', number: 1 })
    expect(operations.overview().recent[0]?.calls).toBe(4)
  })

  test('cost no row while all is well', async () => {
    for (let i = 0; i < 100; i++) tell([report(), report('bad_request')])
    await pass(INTERVAL_MS)
    expect(writes).toBe(0)
  })

  test('K1 make up what an operator sees of the last five minutes', async () => {
    tell([report('ok', { firstTokenMs: 60 }), report('ok', { firstTokenMs: 90 }), report('timeout')])
    const see = () => {
      const list = providerList(operations.overview(), [{ name: 'one', kind: 'openai', models: ['m', 'n'] }])
      return providersAnswer.parse(list).providers[0]?.models.map(({ recent }) => recent)
    }
    const nothing = { calls: 0, failures: {}, firstTokenMs: { p50: null, p95: null } }
    expect(see()).toMatchObject([
      { calls: 3, failures: { timeout: 1 }, inputTokens: 30, outputTokens: 60, costMicros: 150 },
      nothing,
    ])
    expect(see()?.[0]?.firstTokenMs).toEqual({ p50: 75, p95: 98 })
    await pass(290_000)
    expect(see()?.[0]?.calls).toBe(3)
    await pass(10_001)
    expect(see()).toMatchObject([nothing, nothing])
  })

  test('K6 of one isolate are known to another with its next sync', () => {
    expect(tell(failures(5)).breakers).toMatchObject([{ provider: 'one', model: 'm', state: 'open' }])
    expect(operations.sync(null).breakers).toHaveLength(1)
    expect(tell([report('ok', { model: 'n' })]).breakers).toHaveLength(1)
  })

  test('of models without end are counted up to a bound', () => {
    for (let i = 0; i < 5_000; i++) tell([report('ok', { model: `m${i}` })])
    expect(operations.overview().breakers.length).toBeLessThan(2_100)
    expect(operations.overview().recent.length).toBeLessThan(2_100)
  })
})

test('a percentile is estimated within its class, and never beyond the last bound', () => {
  const counts = Array.from({ length: 16 }, () => 0)
  expect(percentile(counts, 0.95)).toBeNull()
  counts[15] = 3
  expect(percentile(counts, 0.5)).toBe(60_000)
  counts[2] = 97
  expect([percentile(counts, 0.5), percentile(counts, 0.99)]).toEqual([152, 60_000])
})

describe('what is unusual', () => {
  test('K4 K5 is logged, with what and why, at every change of a breaker', () => {
    tell(failures(5))
    clock.advance(15_000)
    operations.probe('one', 'm')
    operations.probe('one', 'm')
    tell([report('ok', { probe: true }), report('ok', { probe: true })])
    const of = { provider: 'one', model: 'm' }
    expect(logged).toMatchObject([
      ['breaker_opened', { ...of, why: '5 failures in a row, the last: server' }],
      ['breaker_half_open', of],
      ['breaker_closed', { ...of, why: '2 probes succeeded' }],
    ])
    expect(operations.sync(null)).toMatchObject({ version: 3, breakers: [] })
    expect([rows.size, writes]).toEqual([0, 2])
  })

  test('K2 survives a restart', () => {
    tell([...failures(5), ...Array.from({ length: 5 }, () => report('timeout', { model: 'a b/c' }))])
    operations.pause('provider:one', 'costs', 'user:a', true)
    const before = operations.sync(null)
    start()
    expect({ ...operations.sync(null), version: 0 }).toEqual({ ...before, version: 0 })
    operations.resume('provider:one', 'user:b')
    operations.reset('one', null, 'user:b')
    start()
    expect(operations.sync(null)).toMatchObject({ paused: [], breakers: [] })
    expect(rows.size).toBe(0)
  })

  test('K7 of what is not configured any more is forgotten with a restart, pauses apart', () => {
    tell([...failures(5), ...Array.from({ length: 5 }, () => report('server', { provider: 'two' }))])
    operations.pause('provider:two', 'costs', 'user:a', false)
    start()
    expect(operations.sync(null)).toMatchObject({
      paused: [{ target: 'provider:two' }],
      breakers: [{ provider: 'one' }],
    })
    expect([...rows.keys()]).toEqual(['breaker/one m', 'pause/provider:two'])
  })

  test('K2 pausing again replaces the reason, and ending what is not paused changes nothing', () => {
    operations.pause('all', 'first', 'user:a', false)
    operations.pause('all', 'second', 'user:b', true)
    expect(operations.sync(null).paused).toMatchObject([{ target: 'all', reason: 'second', by: 'user:b' }])
    expect([operations.resume('all', 'user:a'), operations.resume('all', 'user:a')]).toEqual([true, false])
    expect(logged.map(([event]) => event)).toEqual(['switch_paused', 'switch_paused', 'switch_resumed'])
  })

  test('K7 a model is closed by hand without the others of its provider', () => {
    tell([...failures(5), ...Array.from({ length: 5 }, () => report('server', { model: 'n' }))])
    expect(operations.reset('one', 'n', 'user:a')).toEqual(['n'])
    expect(operations.sync(null).breakers).toMatchObject([{ model: 'm' }])
    expect(operations.probe('one', 'unheard-of')).toBe(true)
  })
})

describe('observations', () => {
  test('are told every ten seconds while there is something to tell, and not otherwise', async () => {
    await pass(60_000)
    operations.sync(null)
    tell([report(), report('content_filter')])
    await pass(INTERVAL_MS - 1)
    expect(observed).toEqual([])
    await pass(1)
    expect(observed).toMatchObject([
      {
        ms: INTERVAL_MS,
        at: clock.now(),
        models: [{ provider: 'one', model: 'm', calls: 2, failures: { content_filter: 1 }, micros: 100 }],
        failures: [{ kind: 'content_filter', provider: 'one', route: null, count: 1 }],
        breakers: [],
        queues: [],
        paused: [],
      },
    ])
    await pass(60_000)
    expect([observed.length, clock.pending]).toEqual([1, 0])
  })

  test('are told at once when a breaker or a switch changes, with what was counted until then', async () => {
    tell(failures(5))
    await settle()
    expect(observed).toMatchObject([{ models: [{ calls: 5 }], breakers: [{ state: 'open' }] }])
    operations.pause('all', 'costs', 'user:a', false)
    await settle()
    expect(observed.at(-1)).toMatchObject({ models: [], paused: ['all'] })
    operations.resume('all', 'user:a')
    await settle()
    expect(observed.at(-1)?.paused).toEqual([])
  })

  test('N9 have times that rise, also of changes in one millisecond, and of a clock that is set back', async () => {
    const flip = (): void => {
      operations.pause('all', 'costs', 'user:a', false)
      operations.resume('all', 'user:a')
    }
    flip()
    clock.setBack(5_000)
    flip()
    await settle()
    const times = observed.map(({ at }) => at)
    expect(observed.map(({ paused }) => paused.length)).toEqual([1, 0, 1, 0])
    expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b))
    expect(observed.map(({ ms }) => ms)).toEqual([0, 0, 0, 0])
  })

  test('go on while a breaker is open, and while somebody asks for what is half-open or paused', async () => {
    tell(failures(5))
    await pass(INTERVAL_MS)
    expect(observed).toHaveLength(2)
    await pass(2 * INTERVAL_MS)
    operations.sync(null)
    await settle()
    expect(observed.at(-1)?.breakers).toMatchObject([{ state: 'half_open' }])
    const quiet = observed.length
    // Whoever calls others asks how things are as well.
    operations.sync(null)
    await pass(60_000)
    expect(observed.length).toBe(quiet)
    operations.probe('one', 'm')
    await pass(INTERVAL_MS)
    expect(observed.slice(quiet)).toMatchObject([{ breakers: [{ state: 'half_open' }] }])
    operations.pause('all', 'costs', 'user:a', false)
    await settle()
    operations.sync(null)
    await pass(INTERVAL_MS)
    expect(observed.slice(quiet + 1)).toMatchObject([{ paused: ['all'] }, { paused: ['all'], models: [] }])
  })

  test('say of each breaker when it was last called, or a call let through, whoever else is called', async () => {
    const began = clock.now()
    tell(failures(5))
    const heard = async () => {
      tell([report('ok', { model: 'n' })])
      await pass(INTERVAL_MS)
      const [breaker] = observed.at(-1)?.breakers ?? []
      return breaker && [breaker.state, breaker.heardAt - began]
    }
    expect(await heard()).toEqual(['open', 10_000])
    expect([await heard(), await heard()]).toEqual([
      ['half_open', 15_000],
      ['half_open', 15_000],
    ])
    operations.probe('one', 'm')
    expect([await heard(), await heard()]).toEqual([
      ['half_open', 30_000],
      ['half_open', 30_000],
    ])
    tell([report('ok', { probe: true })])
    expect([await heard(), await heard()]).toEqual([
      ['half_open', 50_000],
      ['half_open', 50_000],
    ])
    start()
    expect(await heard()).toEqual(['half_open', 15_000])
  })

  test('group failures, those of routes too, up to a bound', async () => {
    const routeFailures = [{ route: 'POST /api/chat', code: 'unavailable', detail: 'No.', count: 3 }]
    tell([report('cancelled', { fingerprint: null })], { routeFailures })
    tell([], { routeFailures })
    await pass(INTERVAL_MS)
    expect(observed[0]?.failures).toEqual([
      {
        fingerprint: 'POST /api/chat unavailable',
        kind: 'unavailable',
        provider: null,
        route: 'POST /api/chat',
        detail: 'No.',
        count: 6,
      },
    ])
    for (let i = 0; i < MAX_KINDS + 50; i++) tell([report('bad_request', { fingerprint: `f${i}` })])
    await pass(INTERVAL_MS)
    expect(observed[1]?.failures).toHaveLength(MAX_KINDS + 1)
    expect(observed[1]?.failures.at(-1)).toMatchObject({ kind: 'further', count: 50 })
  })

  test('that were not taken are kept and told with the next, in order; the oldest go when there are too many', async () => {
    let asked = 0
    queues = () => Promise.resolve([{ provider: 'one', waiting: ++asked, p95WaitMs: null, timedOut: 0 }])
    const taken = observe
    observe = () => Promise.reject(new Error('no room'))
    for (let i = 0; i < MAX_KEPT + 5; i++) {
      tell([report('ok', { inputTokens: i, outputTokens: 0 })])
      await pass(INTERVAL_MS)
    }
    expect(logged).toContainEqual(['observation_not_told', { reason: 'Error: no room', kept: 1 }])
    observe = taken
    await pass(INTERVAL_MS)
    const micros = observed.map(({ models }) => models[0]?.micros)
    expect(micros).toEqual(Array.from({ length: MAX_KEPT }, (_, i) => i + 5))
    await pass(60_000)
    expect([observed.length, clock.pending]).toEqual([MAX_KEPT, 0])
  })

  test('do not stop for an observer, or a queue, that never answers', async () => {
    const taken = observe
    observe = () => new Promise(() => {})
    queues = () => new Promise(() => {})
    tell([report()])
    await pass(INTERVAL_MS)
    await pass(PATIENCE_MS)
    await pass(PATIENCE_MS)
    expect(logged.map(([event]) => event)).toEqual(['queues_not_observed', 'observation_not_told'])
    observe = taken
    await pass(INTERVAL_MS)
    expect(observed).toMatchObject([{ models: [{ calls: 1 }], queues: [] }])
  })
})
