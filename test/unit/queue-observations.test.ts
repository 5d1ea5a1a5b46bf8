/**
 * What queues count, from their statistics to the incidents: told in observations whose intervals know nothing of slots,
 * whole and once, whatever is asked again, lost on the way, or forgotten by either side.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { observedOf } from '../../src/admission/queue-observations.ts'
import type { QueueInterval } from '../../src/admission/queue-status.ts'
import { WaitStatistics } from '../../src/admission/wait-statistics.ts'
import type { Observation } from '../../src/incidents/observation.ts'
import { Operations } from '../../src/operations/operations.ts'
import { breakerSettings } from '../../src/protocol/breaker-settings.ts'
import { callReport } from '../support/call-report.ts'
import { FakeClock } from '../support/fake-clock.ts'

const SECOND = 1_000
const SHARDS = 2

/** A provider with a queue of two objects, the operations object, and calls that never stop. */
class Traffic {
  readonly clock: FakeClock
  readonly observed: Observation[] = []
  readonly #statistics: WaitStatistics[]
  #operations: Operations
  #batches = 0
  #process = 0
  /** Answers of a queue object that are lost from now on. */
  losing = 0
  /** Some were, and were not heard since. */
  isOwed = false
  /** Nothing was heard since the operations object began. */
  isNew = true

  constructor(phase: number) {
    this.clock = new FakeClock(Date.parse('2026-11-20T10:00:00Z') + phase)
    this.#statistics = Array.from({ length: SHARDS }, () => new WaitStatistics(this.clock.now()))
    this.#operations = this.restart()
  }

  /** The operations object dies, and another one begins. */
  restart(): Operations {
    const process = ++this.#process
    this.isNew = true
    const providers = [{ provider: 'main', objects: Array.from({ length: SHARDS }, (_, i) => String(i)) }]
    this.#operations = new Operations({
      breaker: breakerSettings.parse({}),
      facts: { load: () => [], put() {}, remove() {} },
      isOffered: () => true,
      now: this.clock.now,
      after: (ms, run) => this.clock.after(ms, () => void (process === this.#process && run())),
      log() {},
      cost: () => 0,
      observe: async (observation) => {
        this.observed.push(observation)
        if (observation.queues.length > 0) this.isOwed = this.isNew = false
      },
      queues: (told) => observedOf(providers, told, (object, after) => this.#ask(object, after)),
    })
    return this.#operations
  }

  /** A queue object dies, with what it has counted. */
  restartQueue(shard: number): void {
    this.#statistics[shard] = new WaitStatistics(this.clock.now())
  }

  timeOut(shard: number): void {
    this.#statistics[shard]?.timedOut(this.clock.now())
  }

  grant(shard: number, waitMs: number): void {
    this.#statistics[shard]?.granted('normal', waitMs, this.clock.now())
  }

  /** Makes an observation at once. */
  flip(): void {
    this.#operations.pause('all', 'costs', 'user:a', false)
    this.#operations.resume('all', 'user:a')
  }

  async pass(ms: number): Promise<void> {
    for (const until = this.clock.now() + ms; this.clock.now() < until;) {
      this.clock.advance(Math.min(SECOND, until - this.clock.now()))
      const link = `isolate-${++this.#batches}`
      this.#operations.sync({ link, number: 1, reports: [callReport()], routeFailures: [] })
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  get timedOut(): number {
    return this.observed.flatMap(({ queues }) => queues).reduce((sum, { timedOut }) => sum + timedOut, 0)
  }

  async #ask(object: string, after: number | null): Promise<QueueInterval | null> {
    const statistics = this.#statistics[Number(object)]
    const answer = statistics ? { waiting: 0, ...statistics.untold(after, this.clock.now()) } : null
    if (this.losing <= 0) return answer
    this.losing--
    this.isOwed = true
    throw new Error('Network connection lost.')
  }
}

/** What happens, one after the other, with some time in between. */
const moves = fc.array(
  fc.record({
    wait: fc.nat(4_000),
    what: fc.constantFrom('time out', 'time out', 'time out', 'flip', 'lose', 'restart'),
    shard: fc.nat(SHARDS - 1),
    times: fc.integer({ min: 1, max: 3 }),
  }),
  { maxLength: 40 },
)

test('each time-out is counted exactly once, whatever the phase, and what is observed, lost or restarted in between', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(9_999), moves, async (phase, all) => {
      const traffic = new Traffic(phase)
      let counted = 0
      for (const { wait, what, shard, times } of all) {
        await traffic.pass(wait)
        if (what === 'time out') traffic.timeOut(shard)
        if (what === 'time out') counted++
        if (what === 'flip') traffic.flip()
        if (what === 'lose' && !traffic.isNew) traffic.losing += times
        // What was answered and not heard dies with who asked.
        if (what === 'restart' && !traffic.isOwed && traffic.losing === 0) traffic.restart()
      }
      traffic.losing = 0
      await traffic.pass(30 * SECOND)
      expect(traffic.timedOut).toBe(counted)
    }),
  )
})

test('a wait is told once and in time, also when an observation ends within its slot', async () => {
  const traffic = new Traffic(7_500)
  await traffic.pass(SECOND)
  traffic.grant(0, 45_000)
  traffic.flip()
  await traffic.pass(SECOND)
  traffic.flip()
  await traffic.pass(20 * SECOND)
  const waits = traffic.observed.flatMap(({ queues }) => queues.map(({ p95WaitMs }) => p95WaitMs ?? 0))
  expect(waits.filter((ms) => ms >= 45_000)).toHaveLength(1)
})

test('what a queue object has counted and forgotten is not told, and what it counts from then on is', async () => {
  const traffic = new Traffic(0)
  await traffic.pass(25 * SECOND)
  traffic.timeOut(0)
  traffic.restartQueue(0)
  traffic.timeOut(0)
  traffic.timeOut(1)
  await traffic.pass(30 * SECOND)
  expect(traffic.timedOut).toBe(2)
})

test('what is counted after a slot was told is told too, when the clock is set back into that slot', () => {
  const begin = Date.parse('2026-11-20T10:00:00Z')
  const statistics = new WaitStatistics(begin)
  const { through } = statistics.untold(statistics.untold(null, begin).through, begin + 10_001)
  statistics.timedOut(begin + 9_999)
  expect(statistics.untold(through, begin + 10_002).timedOut).toBe(0)
  expect(statistics.untold(through, begin + 20_000).timedOut).toBe(1)
})
