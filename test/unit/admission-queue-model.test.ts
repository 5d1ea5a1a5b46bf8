/**
 * The queue under any sequence of entering, leaving, releasing, renewing, failing conversations, restarts and time that
 * passes or jumps, against a plain list of what was promised to whom.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { QueueEntry } from '../../src/admission/admission.ts'
import { LEASE_MS } from '../../src/admission/leases.ts'
import type { ShardLimits } from '../../src/admission/shards.ts'
import { PRIORITIES } from '../../src/protocol/priority.ts'
import { QueueWorld } from '../support/queue-world.ts'

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('enter' as const),
      user: fc.constantFrom('ada', 'ben', 'cem'),
      priority: fc.constantFrom(...PRIORITIES),
      tokens: fc.integer({ min: 1, max: 400 }),
      patience: fc.constantFrom(2_000, 60_000, 3_600_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat() }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat(), used: fc.nat(400) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('outage' as const), on: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.oneof(fc.nat(3_000), fc.nat(40_000), fc.constant(3_600_000)),
    }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Held {
  readonly entry: QueueEntry
  readonly grantId: string
}

/** What the conversations know: each place that they were given and did not give back. */
class Model {
  readonly world: QueueWorld
  readonly entries: QueueEntry[] = []
  readonly held = new Map<string, Held>()
  /** All that were ever given, for the minute. */
  readonly grants = new Map<string, { readonly at: number; readonly tokens: number }>()
  readonly #limits: ShardLimits
  /** Turns that somebody heard the end of: they may, their time is over, or they left. */
  readonly #ended = new Set<string>()
  isOut = false

  constructor(limits: ShardLimits) {
    this.#limits = limits
    this.world = new QueueWorld(limits)
    this.world.answer = ({ conversationId, news }) => {
      if (this.isOut) throw new Error('Network connection lost.')
      const entry = this.entries.find((each) => each.conversationId === conversationId)
      if (entry && news.state === 'granted') this.#take(entry, news.grantId)
      if (news.state === 'timed_out') this.#ended.add(conversationId)
      return true
    }
  }

  async run(what: Step): Promise<void> {
    const { world } = this
    const { queue } = world
    if (what.do === 'enter') {
      const { user, priority, tokens, patience } = what
      const entry = world.entry(user, { priority, tokens, deadline: world.now + patience })
      this.entries.push(entry)
      this.#hear(entry)
    } else if (what.do === 'again') {
      const entry = this.entries[what.which % Math.max(1, this.entries.length)]
      if (entry) this.#hear(entry)
    } else if (what.do === 'leave') {
      const entry = this.entries[what.which % Math.max(1, this.entries.length)]
      if (entry) this.#leave(entry)
    } else if (what.do === 'release') {
      const held = [...this.held.values()][what.which % Math.max(1, this.held.size)]
      if (!held) return
      this.held.delete(held.grantId)
      queue.release(held.grantId, held.entry.conversationId, what.used)
    } else if (what.do === 'renew') {
      for (const { grantId, entry } of this.held.values())
        if (!queue.renew(grantId, entry.conversationId)) this.held.delete(grantId)
    } else if (what.do === 'restart') world.restart()
    else if (what.do === 'outage') this.isOut = what.on
    else await world.pass(what.ms, 'durable')
    await world.settle()
  }

  /** What is true after each step. */
  check(): void {
    const { queue, rows, now } = this.world
    const { concurrent = Infinity, requestsPerMinute = Infinity } = this.#limits
    const status = queue.status()
    expect(status.running).toBeLessThanOrEqual(concurrent)
    // Nothing is in memory alone, and nothing in rows alone.
    const waiting = PRIORITIES.reduce((sum, priority) => sum + status.waiting[priority], 0)
    const stored = rows.load().places
    expect(stored.filter(({ state }) => state === 'waiting')).toHaveLength(waiting)
    expect(stored.filter(({ state }) => state === 'granted')).toHaveLength(status.running)
    // Every grant is told with an id of its own, and to one turn.
    for (const { lease } of stored) {
      if (lease && !this.grants.has(lease.grantId))
        this.grants.set(lease.grantId, { at: lease.at, tokens: lease.tokens })
    }
    const minute = [...this.grants.values()].filter(({ at }) => at > now - 60_000)
    expect(minute.length).toBeLessThanOrEqual(requestsPerMinute)
    // Work-conserving: with a free place and no minute in the way, nobody waits.
    if (waiting > 0 && status.running < concurrent) {
      const isLimited = requestsPerMinute !== Infinity || this.#limits.tokensPerMinute !== undefined
      expect(isLimited).toBe(true)
      expect(queue.due().durable).not.toBeNull()
    }
  }

  /** Every turn ends: as somebody who releases at once sees it. */
  async drain(): Promise<void> {
    this.isOut = false
    for (let round = 0; round < 400 && this.world.rows.places.size > 0; round++) {
      for (const { grantId, entry } of this.held.values()) {
        this.held.delete(grantId)
        this.world.queue.release(grantId, entry.conversationId, 0)
      }
      await this.world.pass(LEASE_MS / 2, 'durable')
      for (const { id } of this.world.queue.status().dead) this.world.queue.requeue(id)
      this.check()
    }
    expect(this.world.rows.places.size).toBe(0)
    expect(this.entries.filter(({ conversationId }) => !this.#ended.has(conversationId))).toEqual([])
  }

  #hear(entry: QueueEntry): void {
    const answer = this.world.queue.enter(entry)
    if (answer.state === 'granted') this.#take(entry, answer.grantId)
  }

  #leave(entry: QueueEntry): void {
    this.world.queue.leave(entry)
    this.#ended.add(entry.conversationId)
    for (const held of this.held.values()) if (held.entry === entry) this.held.delete(held.grantId)
  }

  #take(entry: QueueEntry, grantId: string): void {
    this.#ended.add(entry.conversationId)
    const before = [...this.held.values()].find((held) => held.entry === entry)
    // A second place for a turn is only given when the first was taken away.
    if (before && before.grantId !== grantId) {
      expect(this.world.queue.renew(before.grantId, entry.conversationId)).toBe(false)
      this.held.delete(before.grantId)
    }
    const known = this.held.get(grantId)
    expect(known === undefined || known.entry === entry).toBe(true)
    this.held.set(grantId, { entry, grantId })
  }
}

const steps = fc.array(step, { maxLength: 80 })
const LIMITS: readonly ShardLimits[] = [
  { concurrent: 1 },
  { concurrent: 3 },
  { requestsPerMinute: 3 },
  { concurrent: 2, requestsPerMinute: 6, tokensPerMinute: 700 },
]

describe('whatever happens', () => {
  test.each(LIMITS)(
    'Q1 Q2 Q4 with %j no limit is passed, nothing is lost or given twice, nobody waits for nothing',
    async (limits) => {
      await fc.assert(
        fc.asyncProperty(steps, async (all) => {
          const model = new Model(limits)
          for (const each of all) {
            await model.run(each)
            model.check()
          }
          await model.drain()
        }),
        { numRuns: 60 },
      )
    },
  )
})
