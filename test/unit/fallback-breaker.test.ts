/**
 * From calls to incidents: the breaker of a fallback that is not called any more, because the provider before it answers
 * again.
 */
import { expect, test } from 'vitest'
import { Operations } from '../../src/operations/operations.ts'
import { breakerSettings } from '../../src/protocol/breaker-settings.ts'
import type { CallReport } from '../../src/models/provider-gate.ts'
import { callReport } from '../support/call-report.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { IncidentWorld, MINUTE, SECOND, START } from '../support/incident-world.ts'
import { MemoryRows } from '../support/memory-rows.ts'

/** Operations that tell incidents, over one clock. */
class Installation {
  readonly clock = new FakeClock(START)
  readonly incidents = new IncidentWorld(new MemoryRows(), {
    escalation: [{ afterMinutes: 0, level: 1 }],
  })
  readonly operations = new Operations({
    breaker: breakerSettings.parse({}),
    facts: { load: () => [], put() {}, remove() {} },
    isOffered: () => true,
    now: this.clock.now,
    after: this.clock.after,
    log() {},
    cost: () => 0,
    observe: async (observation) => this.incidents.desk.observe(observation),
  })
  #batches = 0

  tell(provider: string, outcome: CallReport['outcome'], count = 1): void {
    const reports = Array.from({ length: count }, () =>
      callReport(outcome, { provider, at: this.clock.now() }),
    )
    this.operations.sync({ link: `isolate-${++this.#batches}`, number: 1, reports, routeFailures: [] })
  }

  /** Time passes, in which the first provider answers all. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += SECOND) {
      this.clock.advance(SECOND)
      await this.incidents.pass(SECOND)
      this.tell('first', 'ok')
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

test('N4 an incident about the breaker of a fallback ends when the first provider answers everything again', async () => {
  const installation = new Installation()
  const { incidents } = installation
  installation.tell('fallback', 'server', 5)
  await installation.pass(2 * MINUTE)
  expect(incidents.toldTypes).toEqual(['incident.opened'])
  expect(incidents.kinds(1)).toEqual(['breaker_opened', 'opened'])
  await installation.pass(8 * MINUTE)
  expect(incidents.toldTypes).toEqual(['incident.opened', 'incident.resolved'])
  expect(installation.operations.sync(null).breakers).toMatchObject([
    { provider: 'fallback', state: 'half_open' },
  ])
  await installation.pass(60 * MINUTE)
  expect(incidents.told).toHaveLength(2)
})

test('N4 N5 it goes on while the fallback is called, and comes back only with a breaker that stays open', async () => {
  const installation = new Installation()
  const { incidents, operations } = installation
  const probe = (outcome: 'ok' | 'server'): void => {
    expect(operations.probe('fallback', 'm')).toBe(true)
    const at = installation.clock.now()
    const reports = [callReport(outcome, { provider: 'fallback', at, probe: true })]
    operations.sync({ link: `probe-${at}`, number: 1, reports, routeFailures: [] })
  }
  installation.tell('fallback', 'server', 5)
  for (let i = 0; i < 5; i++) {
    await installation.pass(4 * MINUTE)
    probe('server')
  }
  expect(incidents.state(1)).toBe('open')
  await installation.pass(30 * MINUTE)
  expect(incidents.state(1)).toBe('resolved')
  // Long after: one call that succeeds, and another a moment later.
  probe('ok')
  await installation.pass(20 * SECOND)
  probe('ok')
  await installation.pass(10 * MINUTE)
  expect(operations.sync(null).breakers).toEqual([])
  expect(incidents.toldTypes).toEqual(['incident.opened', 'incident.resolved'])
})
