/**
 * The incident desk over real SQL and a clock that stands still: one cause is one incident and one notice, time alone
 * escalates and ends it, and nothing is lost by a restart at any moment.
 */
import { describe, expect, test } from 'vitest'
import { MAX_FINGERPRINTS } from '../../src/incidents/error-counts.ts'
import { calls, failures, IncidentWorld, MINUTE, SECOND, START } from '../support/incident-world.ts'
import { MemoryRows } from '../support/memory-rows.ts'

const DAY = 24 * 60 * MINUTE

function world(rules: object = {}) {
  const rows = new MemoryRows()
  return { rows, world: new IncidentWorld(rows, rules) }
}
const bad = () => ({ models: [calls('a', 10, { server: 30 })], failures: [failures('server:500', 30)] })
const good = () => ({ models: [calls('a', 40)] })

describe('a provider that fails', () => {
  test('N1 opens one incident and tells it once, however many calls fail', async () => {
    const { world: w } = world()
    await w.keep(10 * MINUTE, () => ({
      models: [calls('a', 0, { server: 5_000, timeout: 5_000 })],
      failures: [failures('server:500', 5_000), failures('timeout', 5_000)],
    }))
    expect(w.desk.list(null, 10, null).incidents).toMatchObject([
      { id: 'i1', rule: 'error_rate', subject: 'a', severity: 'critical', state: 'open' },
    ])
    expect(w.toldTypes).toEqual(['incident.opened'])
  })

  test('N1 is another incident than another provider', async () => {
    const { world: w } = world()
    await w.keep(2 * MINUTE, () => ({
      models: [calls('a', 0, { server: 30 }), calls('b', 0, { network: 30 })],
    }))
    expect(w.desk.list('open', 10, null).incidents.map(({ subject }) => subject)).toEqual(['b', 'a'])
  })

  test('N3 has to be bad for as long as the rule says', async () => {
    const { world: w } = world()
    await w.keep(60 * SECOND, bad)
    expect(w.told).toEqual([])
    await w.pass(10 * SECOND)
    expect(w.toldTypes).toEqual(['incident.opened'])
  })

  test('N2 opens nothing by what people stop or write', async () => {
    const { world: w } = world()
    await w.keep(10 * MINUTE, () => ({
      models: [calls('a', 5, { cancelled: 30, content_filter: 30, context_length: 30 })],
    }))
    expect(w.desk.list(null, 10, null).incidents).toEqual([])
  })

  test('N4 is over by itself when time passes without a word, and tells it', async () => {
    const { world: w } = world()
    await w.keep(3 * MINUTE, bad)
    // The window has to empty (5 min), and to stay so (5 min).
    await w.pass(9 * MINUTE)
    expect(w.state(1)).toBe('open')
    await w.pass(3 * MINUTE)
    expect(w.state(1)).toBe('resolved')
    expect(w.toldTypes).toEqual(['incident.opened', 'incident.escalated', 'incident.resolved'])
    expect(w.kinds(1)).toEqual(['opened', 'peaked', 'escalated', 'resolved'])
  })

  test('N5 is the same incident when it comes back within ten minutes, and a new one after', async () => {
    const { world: w } = world()
    await w.keep(3 * MINUTE, bad)
    await w.keep(15 * MINUTE, good)
    expect(w.state(1)).toBe('resolved')
    await w.keep(3 * MINUTE, () => ({ models: [calls('a', 0, { server: 500 })] }))
    expect(w.desk.list(null, 10, null).incidents).toMatchObject([
      { id: 'i1', state: 'open', reopened: 1, level: 1 },
    ])
    await w.keep(45 * MINUTE, good)
    expect(w.state(1)).toBe('resolved')
    await w.keep(3 * MINUTE, () => ({ models: [calls('a', 0, { server: 500 })] }))
    expect(w.desk.list(null, 10, null).incidents.map(({ id, state }) => [id, state])).toEqual([
      ['i2', 'open'],
      ['i1', 'resolved'],
    ])
  })

  test('N6 is escalated by time alone until somebody acknowledges it', async () => {
    const { world: w } = world()
    await w.keep(2 * MINUTE, bad)
    await w.keep(12 * MINUTE, bad)
    expect(w.desk.list(null, 1, null).incidents).toMatchObject([{ level: 2 }])
    expect(w.desk.acknowledge(1, 'user:ada')).toMatchObject({
      ok: true,
      value: { state: 'acknowledged', acknowledgedBy: 'user:ada' },
    })
    await w.keep(60 * MINUTE, bad)
    expect(w.toldTypes).toEqual(['incident.opened', 'incident.escalated', 'incident.acknowledged'])
    w.desk.acknowledge(1, 'user:bob')
    await w.pass(0)
    expect(w.desk.get(1)).toMatchObject({ value: { acknowledgedBy: 'user:ada' } })
    expect(w.told).toHaveLength(3)
  })

  test('N7 is not reported again at once when somebody has resolved it; but is when that was wrong', async () => {
    const { world: w } = world()
    await w.keep(2 * MINUTE, bad)
    expect(w.desk.resolve(1, 'user:ada', 'restarted it')).toMatchObject({
      value: { state: 'resolved', resolvedBy: 'user:ada' },
    })
    await w.keep(29 * MINUTE, bad)
    expect(w.desk.list('open', 10, null).incidents).toEqual([])
    await w.keep(4 * MINUTE, bad)
    expect(w.desk.list('open', 10, null).incidents.map(({ id }) => id)).toEqual(['i2'])
    expect(w.desk.acknowledge(1, 'user:ada')).toMatchObject({ ok: false, error: { code: 'conflict' } })
    expect(w.kinds(1)).toEqual(['opened', 'peaked', 'note', 'resolved'])
  })
})

describe('a breaker', () => {
  const open = { breakers: [{ provider: 'a', model: 'm', state: 'open' as const }] }

  test('N3 opens an incident by time alone, and its story is in the timeline', async () => {
    const { world: w } = world()
    w.observe(open)
    await w.pass(50 * SECOND)
    expect(w.told).toEqual([])
    await w.pass(20 * SECOND)
    expect(w.toldTypes).toEqual(['incident.opened'])
    w.observe({ breakers: [{ provider: 'a', model: 'm', state: 'half_open' }], paused: ['provider:b'] })
    await w.pass(SECOND)
    w.observe({ ...open, paused: ['provider:b', 'all'] })
    await w.pass(SECOND)
    w.observe()
    expect(w.kinds(1)).toEqual([
      'breaker_opened',
      'opened',
      'breaker_half_open',
      'breaker_opened',
      'paused',
      'breaker_closed',
      'resumed',
    ])
    await w.pass(3 * MINUTE)
    expect(w.state(1)).toBe('resolved')
  })

  test('N3 that nobody speaks of any more counts as quiet', async () => {
    const { world: w } = world()
    w.observe(open)
    await w.pass(2 * MINUTE)
    expect(w.state(1)).toBe('open')
    await w.pass(10 * MINUTE)
    expect(w.state(1)).toBe('resolved')
    const set = w.alarmsSet
    await w.pass(DAY)
    // Nothing is left to look after.
    expect(w.alarmsSet).toBe(set)
  })

  test('N3 that nobody calls counts as quiet, whatever is told of others, and from when it is called again', async () => {
    const { world: w } = world()
    w.observe(open)
    const half = (heardAt: number) => () => ({
      ...good(),
      breakers: [{ provider: 'a', model: 'm', state: 'half_open' as const, heardAt }],
    })
    await w.keep(2 * MINUTE, half(w.now + 15 * SECOND))
    expect(w.state(1)).toBe('open')
    await w.keep(10 * MINUTE, half(START + 15 * SECOND))
    expect(w.state(1)).toBe('resolved')
    await w.keep(50 * SECOND, half(w.now))
    expect(w.state(1)).toBe('resolved')
    await w.keep(20 * SECOND, half(w.now))
    expect(w.state(1)).toBe('open')
  })
})

describe('a notice', () => {
  test('N8 is told until it is taken, in order, each under one id', async () => {
    const { world: w } = world()
    w.isDeaf = true
    await w.keep(2 * MINUTE, bad)
    w.desk.acknowledge(1, 'user:ada')
    await w.pass(5 * MINUTE)
    expect(w.told).toEqual([])
    expect(new Set(w.reports)).toEqual(new Set(['incident_notice_delayed']))
    // Seconds, then minutes, and never a stampede.
    expect(w.reports.length).toBeLessThan(15)
    w.restart()
    w.isDeaf = false
    await w.pass(5 * MINUTE)
    expect(w.toldTypes.slice(0, 2)).toEqual(['incident.opened', 'incident.acknowledged'])
    expect(new Set(w.told.map(({ id }) => id)).size).toBe(w.told.length)
    expect(JSON.stringify(w.told)).not.toContain('user:ada')
    expect(w.told[0]).toMatchObject({
      userId: null,
      data: { id: 'i1', title: 'Many calls fail: a', state: 'open', level: 1, subject: 'a' },
    })
  })
})

describe('a restart', () => {
  test('N9 at any moment changes nothing: the same incidents, timelines and notices', async () => {
    const run = async (restarts: boolean): Promise<unknown> => {
      const { world: w } = world()
      const step = async (ms: number, over: () => object) => {
        for (let passed = 0; passed < ms; passed += 10 * SECOND) {
          await w.keep(10 * SECOND, over)
          if (restarts) w.restart()
        }
      }
      await step(3 * MINUTE, bad)
      await step(MINUTE, () => ({ ...bad(), breakers: [{ provider: 'a', model: 'm', state: 'open' }] }))
      w.desk.addNote(1, 'user:ada', 'looking')
      await step(20 * MINUTE, good)
      await step(3 * MINUTE, () => ({ models: [calls('a', 0, { server: 500 })] }))
      w.desk.resolve(1, 'user:ada', null)
      await step(3 * MINUTE, good)
      const { incidents } = w.desk.list(null, 10, null)
      return {
        incidents,
        timelines: incidents.map(({ id }) => w.desk.get(Number(id.slice(1)))),
        told: w.told,
      }
    }
    expect(await run(true)).toEqual(await run(false))
  })

  test('N9 an observation that could not be stored is not remembered either, and counts once when it comes again', async () => {
    const { rows, world: w } = world()
    rows.failure = new Error('disk full')
    const observation = { at: START, failures: [failures('x', 3)] }
    expect(() => w.observe(observation)).toThrow('disk full')
    rows.failure = null
    w.observe(observation)
    w.observe(observation)
    expect(w.desk.errors('fingerprint', START, START + MINUTE).rows).toMatchObject([
      { key: 'x', count: 3, kind: 'server', detail: 'detail of x' },
    ])
  })
})

describe('counts of errors', () => {
  test('N10 are one row for each minute and key, and are grouped as asked', async () => {
    const { rows, world: w } = world()
    await w.keep(MINUTE, () => ({
      failures: [failures('x', 3), failures('x', 2, { route: null, provider: 'b' }), failures('y', 10_000)],
    }))
    expect(rows.count('errors')).toBe(6)
    const by = (group: Parameters<typeof w.desk.errors>[0]) =>
      w.desk.errors(group, START, START + 2 * MINUTE).rows.map(({ key, count }) => [key, count])
    expect(by('fingerprint')).toEqual([
      ['y', 60_000],
      ['x', 30],
    ])
    expect(by('provider')).toEqual([
      ['a', 60_018],
      ['b', 12],
    ])
    expect(by('route')).toEqual([
      ['POST /api/chat', 60_018],
      [null, 12],
    ])
    expect(by('minute')).toEqual([
      ['2026-11-20T10:01:00.000Z', 10_005],
      ['2026-11-20T10:00:00.000Z', 50_025],
    ])
    expect(w.desk.errors('fingerprint', START + MINUTE, START + 2 * MINUTE).rows[0]).toEqual({
      key: 'y',
      count: 10_000,
      kind: 'server',
      detail: 'detail of y',
      firstSeen: '2026-11-20T10:00:10.000Z',
      lastSeen: '2026-11-20T10:01:00.000Z',
    })
  })

  test('N10 tell so many kinds apart in a minute and no more, also over a restart', () => {
    const { rows, world: w } = world()
    for (let i = 0; i < 5; i++) {
      w.now += 2
      w.observe({ failures: Array.from({ length: 100 }, (_, n) => failures(`f${i}-${n}`, 1)) })
      w.restart()
    }
    expect(rows.count('errors')).toBe(MAX_FINGERPRINTS + 1)
    const { rows: found } = w.desk.errors('fingerprint', START, START + MINUTE)
    expect(found[0]).toMatchObject({ key: 'other', count: 300, kind: 'other' })
    expect(found.reduce((all, { count }) => all + count, 0)).toBe(500)
  })

  test('N10 are gone after two weeks, and then nothing wakes it', async () => {
    const { rows, world: w } = world()
    w.observe({ ...bad(), queues: [{ provider: 'a', waiting: 1, p95WaitMs: 5, timedOut: 0 }] })
    await w.pass(13 * DAY)
    expect(rows.count('errors') * rows.count('minutes') * rows.count('queues')).toBe(1)
    await w.pass(2 * DAY)
    expect(rows.count('errors') + rows.count('minutes') + rows.count('queues')).toBe(0)
    await w.pass(2 * DAY)
    expect(rows.count('fingerprints')).toBeLessThanOrEqual(1)
    expect(w.alarm).toBeNull()
  })
})

test('a person who is forgotten is known to no incident any more; what they did is still one person’s', async () => {
  const { rows, world: w } = world()
  await w.keep(2 * MINUTE, bad)
  w.desk.acknowledge(1, 'user:ada')
  w.desk.addNote(1, 'user:ada', 'looking')
  w.desk.resolve(1, 'user:bob', null)
  w.desk.forgetPerson('user:ada')
  const found = w.desk.get(1)
  expect(JSON.stringify(found)).not.toContain('user:ada')
  expect(JSON.stringify(rows.sql.exec('SELECT * FROM people').toArray())).not.toContain('user:ada')
  const who = found.ok ? found.value.acknowledgedBy : null
  expect(who).toMatch(/^erased:/)
  expect(found).toMatchObject({ value: { resolvedBy: 'user:bob' } })
  const doers = found.ok ? found.value.timeline.filter(({ by }) => by === who).map(({ kind }) => kind) : []
  expect(doers).toEqual(['acknowledged', 'note'])
})

test('a rule that goes while its incident is open ends it', async () => {
  const rows = new MemoryRows()
  const before = new IncidentWorld(rows)
  await before.keep(2 * MINUTE, bad)
  const after = new IncidentWorld(rows, { rules: { error_rate: null } })
  after.now = before.now
  after.alarm = before.alarm
  await after.pass(MINUTE)
  expect(after.state(1)).toBe('resolved')
})
