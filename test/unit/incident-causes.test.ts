/**
 * An outage that several rules see: one incident, told once, over when all of them say so, and the same one when it comes
 * back, whichever rule sees it first.
 */
import { expect, test } from 'vitest'
import type { Observation } from '../../src/incidents/observation.ts'
import { calls, IncidentWorld, MINUTE, SECOND, type Observed } from '../support/incident-world.ts'
import { MemoryRows } from '../support/memory-rows.ts'

/** Nothing is escalated by time, so that every notice is of what is under test. */
const QUIET = { escalation: [{ afterMinutes: 0, level: 1 }] }

const world = (rules: object = {}) => new IncidentWorld(new MemoryRows(), { ...QUIET, ...rules })

const failing = { models: [calls('a', 0, { server: 30 })] }
const open: Pick<Observed, 'breakers'> = { breakers: [{ provider: 'a', model: 'm', state: 'open' }] }
const waiting = { queues: [{ provider: 'a', waiting: 50, p95WaitMs: 60_000, timedOut: 0 }] }
const fine: Partial<Observation> = {
  models: [calls('a', 40)],
  queues: [{ provider: 'a', waiting: 0, p95WaitMs: 0, timedOut: 0 }],
}

test('N1 calls that fail, an open breaker and a queue that stands are one incident, and told once', async () => {
  const w = world()
  await w.keep(5 * MINUTE, () => ({ ...failing, ...open, ...waiting }))
  expect(w.desk.list(null, 10, null).incidents).toMatchObject([{ id: 'i1', subject: 'a', state: 'open' }])
  expect(w.toldTypes).toEqual(['incident.opened'])
  expect(w.kinds(1).filter((kind) => kind === 'joined')).toHaveLength(2)
})

test('N4 it is over when every rule that saw it says so, also one that began after a restart', async () => {
  const w = world()
  await w.keep(2 * MINUTE, () => failing)
  w.restart()
  await w.keep(2 * MINUTE, () => ({ ...failing, ...open }))
  w.restart()
  expect(w.kinds(1)).toContain('joined')
  // Calls are good again, and somehow its breaker does not close.
  await w.keep(12 * MINUTE, () => ({ ...fine, ...open }))
  expect([w.state(1), w.kinds(1).at(-1)]).toEqual(['open', 'cleared'])
  await w.keep(4 * MINUTE, () => fine)
  expect(w.state(1)).toBe('resolved')
  expect(w.toldTypes).toEqual(['incident.opened', 'incident.resolved'])
})

test('N5 it is the same one when another rule sees it come back, under the name of that rule', async () => {
  const w = world()
  await w.keep(3 * MINUTE, () => ({ ...failing, ...open }))
  await w.keep(15 * MINUTE, () => fine)
  expect(w.state(1)).toBe('resolved')
  await w.keep(2 * MINUTE, () => open)
  expect(w.desk.list(null, 10, null).incidents).toMatchObject([
    { id: 'i1', state: 'open', rule: 'breaker_open', kind: 'breaker_open', reopened: 1 },
  ])
  const found = w.desk.get(1)
  expect(found.ok && found.value.peak.summary).toMatch(/^the breaker of m/)
})

test('N1 it is told again when what joins is worse, whoever has acknowledged it', async () => {
  const w = world()
  await w.keep(2 * MINUTE, () => waiting)
  expect(w.desk.list(null, 10, null).incidents).toMatchObject([{ rule: 'queue_wait', severity: 'warning' }])
  w.desk.acknowledge(1, 'user:a')
  await w.keep(3 * MINUTE, () => ({ ...waiting, ...failing }))
  expect(w.desk.list(null, 10, null).incidents).toMatchObject([
    { id: 'i1', rule: 'queue_wait', severity: 'critical', state: 'acknowledged' },
  ])
  expect(w.toldTypes).toEqual(['incident.opened', 'incident.acknowledged', 'incident.escalated'])
  expect(w.notes).toEqual(['incident_opened', 'incident_escalated'])
})

test('N7 resolved by hand, none of its rules opens it again at once', async () => {
  const w = world()
  await w.keep(3 * MINUTE, () => ({ ...failing, ...open }))
  w.desk.resolve(1, 'user:a', null)
  await w.keep(20 * MINUTE, () => ({ ...failing, ...open }))
  expect(w.desk.list(null, 10, null).incidents).toHaveLength(1)
  expect(w.state(1)).toBe('resolved')
})

test('N6 time alone escalates it once for each level, however many rules see it', async () => {
  const w = new IncidentWorld(new MemoryRows())
  await w.keep(12 * MINUTE, () => ({ ...failing, ...open, ...waiting }))
  expect(w.toldTypes).toEqual(['incident.opened', 'incident.escalated'])
})

test('N1 what it costs is another matter', async () => {
  const rules = { budget_burn: { per: 'provider', open: 1, close: 0.5, forSeconds: 0 } }
  const w = world({ rules })
  const dear = { models: [calls('a', 0, { server: 30 }, { micros: 1_000_000 })] }
  await w.keep(2 * MINUTE + 10 * SECOND, () => dear)
  const found = w.desk.list(null, 10, null).incidents.map(({ rule }) => rule)
  expect(found.toSorted()).toEqual(['budget_burn', 'error_rate'])
})

test('N7 nor does a rule that had not seen it yet when it was resolved', async () => {
  const w = world()
  // The breaker at once; calls that are slow to begin after two minutes, and they are slow from the start.
  const slow = { models: [calls('a', 30, {}, { firstTokenMs: 30_000 })] }
  await w.keep(90 * SECOND, () => ({ ...slow, ...open }))
  expect(w.desk.list(null, 10, null).incidents).toMatchObject([{ rule: 'breaker_open', state: 'open' }])
  w.desk.resolve(1, 'user:a', null)
  await w.keep(5 * MINUTE, () => ({ ...slow, ...open }))
  expect(w.toldTypes).toEqual(['incident.opened', 'incident.resolved'])
})

test('N4 what was resolved by hand and opened again by one rule is not over before the other', async () => {
  const w = world()
  await w.keep(3 * MINUTE, () => ({ ...failing, ...open }))
  await w.keep(12 * MINUTE, () => ({ ...fine, ...open }))
  w.desk.resolve(1, 'user:a', null)
  await w.keep(3 * MINUTE, () => ({ ...failing, ...open }))
  const [newest] = w.desk.list('open', 10, null).incidents
  expect(newest).toMatchObject({ rule: 'error_rate' })
  await w.keep(12 * MINUTE, () => ({ ...fine, ...open }))
  expect(w.desk.list('open', 10, null).incidents).toMatchObject([{ id: newest?.id, rule: 'breaker_open' }])
})

test('N5 it is the same one for a rule that never saw it', async () => {
  const w = world()
  await w.keep(2 * MINUTE, () => open)
  await w.keep(4 * MINUTE, () => fine)
  expect(w.state(1)).toBe('resolved')
  await w.keep(5 * MINUTE, () => failing)
  expect(w.desk.list(null, 10, null).incidents).toMatchObject([{ id: 'i1', rule: 'error_rate', reopened: 1 }])
})

test('N1 it goes by the name and the figures of a rule that still sees it', async () => {
  const w = world()
  await w.keep(3 * MINUTE, () => ({ ...failing, ...open }))
  await w.keep(12 * MINUTE, () => ({ ...fine, ...open }))
  const found = w.desk.get(1)
  expect(found).toMatchObject({ value: { state: 'open', rule: 'breaker_open', title: 'Breaker open: a' } })
  expect(found.ok && found.value.summary).toMatch(/^the breaker of m has not been closed for/)
})

test('a rule that comes and goes for days does not fill the timeline', async () => {
  const eager = { forSeconds: 0, clearForSeconds: 0 }
  const w = world({ rules: { queue_wait: { ...eager, windowMinutes: 1 } } })
  await w.keep(60 * MINUTE, () => open)
  for (let i = 0; i < 500; i++) {
    await w.keep(10 * SECOND, () => ({ ...open, ...waiting }))
    await w.keep(2 * MINUTE, () => open)
  }
  expect(w.kinds(1).filter((kind) => kind === 'joined').length).toBeGreaterThan(100)
  expect(w.kinds(1).length).toBeLessThan(450)
})
