/**
 * Who is next in a provider's queue, for any mix of users, priorities and ages; and how limits are divided over shards.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inOrder, type Waiting } from '../../src/admission/queue-order.ts'
import { isLimited, shardCount, shardLimits, shardOf } from '../../src/admission/shards.ts'
import { WaitingLine } from '../../src/admission/waiting-line.ts'
import { AGE_STEP_MS, effectiveRank, PRIORITIES } from '../../src/protocol/priority.ts'

const NOW = Date.parse('2026-11-20T10:00:00Z')
const USERS = ['ada', 'ben', 'cem', 'dea', 'eva'] as const

const queues = fc
  .array(
    fc.record({
      userId: fc.constantFrom(...USERS),
      priority: fc.constantFrom(...PRIORITIES),
      waited: fc.nat(4 * AGE_STEP_MS),
    }),
    { maxLength: 40 },
  )
  .map((items) =>
    items.map(({ waited, ...item }, i): Waiting => ({ ...item, id: i + 1, since: NOW - waited })),
  )

/** Any round: users in any order. */
const rounds = fc
  .shuffledSubarray([...USERS], { minLength: USERS.length })
  .map((order) => new Map(order.map((userId, i): [string, number] => [userId, i])))

const placeIn =
  (round: ReadonlyMap<string, number>) =>
  (userId: string): number =>
    round.get(userId) ?? 0

function lineOf(queue: readonly Waiting[], round: ReadonlyMap<string, number>): WaitingLine<Waiting> {
  const line = new WaitingLine(placeIn(round))
  for (const each of queue) line.add(each)
  return line
}

/** As the queue does it: one after the other, whoever was served goes behind everybody. */
function served(queue: readonly Waiting[], round: ReadonlyMap<string, number>, now = NOW): Waiting[] {
  const places = new Map(round)
  const line = lineOf(queue, places)
  const order: Waiting[] = []
  for (;;) {
    const next = line.next(now)
    if (!next) return order
    line.remove(next)
    order.push(next)
    places.set(next.userId, 1_000 + order.length)
  }
}

const ids = (queue: readonly Waiting[]): number[] => queue.map(({ id }) => id)
const rankOf = ({ priority, since }: Waiting, now = NOW): number => effectiveRank(priority, since, now)

describe('the order of a queue', () => {
  test('Q2 is that in which turns would be granted one after the other, and loses and repeats none', () => {
    fc.assert(
      fc.property(queues, rounds, (queue, round) => {
        const ordered = ids(inOrder(queue, placeIn(round), NOW))
        expect(ordered).toEqual(ids(served(queue, round)))
        expect(ordered.toSorted((a, b) => a - b)).toEqual(ids(queue))
      }),
    )
  })

  test('Q2 is the same whatever the order in which turns are given', () => {
    const mixed = queues.chain((queue) =>
      fc.tuple(fc.constant(queue), fc.shuffledSubarray([...queue], { minLength: queue.length })),
    )
    fc.assert(
      fc.property(mixed, rounds, ([queue, other], round) => {
        expect(ids(inOrder(other, placeIn(round), NOW))).toEqual(ids(inOrder(queue, placeIn(round), NOW)))
        expect(lineOf(other, round).next(NOW)).toEqual(lineOf(queue, round).next(NOW))
      }),
    )
  })

  test('Q2 puts nobody before a turn of a more urgent rank', () => {
    fc.assert(
      fc.property(queues, rounds, (queue, round) => {
        const ranks = inOrder(queue, placeIn(round), NOW).map((each) => rankOf(each))
        expect(ranks).toEqual(ranks.toSorted((a, b) => a - b))
      }),
    )
  })

  test('Q3 between two turns of a user, nobody of the same rank is served twice, and nobody is left out', () => {
    fc.assert(
      fc.property(queues, rounds, (queue, round) => {
        const ordered = inOrder(queue, placeIn(round), NOW)
        for (const userId of USERS) {
          const own = ordered.flatMap((each, i) => (each.userId === userId ? [i] : []))
          for (const [n, from] of own.slice(0, -1).entries()) {
            const to = own[n + 1] ?? from
            const [first, second] = [ordered[from], ordered[to]]
            if (!first || !second || rankOf(first) !== rankOf(second)) continue
            const between = ordered.slice(from + 1, to).map((each) => each.userId)
            expect(new Set(between).size).toBe(between.length)
          }
        }
      }),
    )
  })

  test('Q3 of one user and one rank, the oldest goes first', () => {
    fc.assert(
      fc.property(queues, rounds, (queue, round) => {
        const ordered = inOrder(queue, placeIn(round), NOW)
        for (const [i, first] of ordered.entries()) {
          for (const second of ordered.slice(i + 1)) {
            if (first.userId !== second.userId || rankOf(first) !== rankOf(second)) continue
            expect(first.since - second.since || first.id - second.id).toBeLessThan(0)
          }
        }
      }),
    )
  })

  test('Q3 a low turn is served in bounded time, however many urgent ones of new users keep coming', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 20_000 }), fc.integer({ min: 1, max: 3 }), (runMs, perRun) => {
        const places = new Map<string, number>()
        const line = lineOf([], places)
        let [id, tick, now] = [0, 0, 0]
        const arrive = (userId: string, priority: Waiting['priority']): void => {
          if (!places.has(userId)) places.set(userId, ++tick)
          line.add({ id: ++id, userId, priority, since: now })
        }
        arrive('ada', 'low')
        for (;;) {
          for (let i = 0; i < perRun; i++) arrive(`user-${id}`, 'urgent')
          const next = line.next(now)
          if (!next || next.userId === 'ada') break
          line.remove(next)
          places.set(next.userId, ++tick)
          now += runMs
          // Once it counts as urgent it is the oldest in the round.
          expect(now).toBeLessThanOrEqual(3 * AGE_STEP_MS + runMs)
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('the line of those who wait', () => {
  const arrival = fc.record({
    userId: fc.constantFrom(...USERS),
    priority: fc.constantFrom(...PRIORITIES),
    waited: fc.nat(4 * AGE_STEP_MS),
  })
  const step = fc.oneof(
    { weight: 3, arbitrary: arrival },
    { weight: 1, arbitrary: fc.record({ leaves: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ passes: fc.nat(AGE_STEP_MS) }) },
    { weight: 2, arbitrary: fc.constant('served' as const) },
  )

  test('Q2 Q3 names the first of the order, whoever comes, goes, ages and is served meanwhile', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const waiting = new Map<number, Waiting>()
        const places = new Map<string, number>()
        const line = new WaitingLine<Waiting>(placeIn(places))
        let [id, tick, now] = [0, 0, NOW]
        const leave = (each: Waiting): void => {
          waiting.delete(each.id)
          line.remove(each)
          const isLast = ![...waiting.values()].some(({ userId }) => userId === each.userId)
          // As the queue has it: who has nothing that waits is in no round.
          if (isLast) places.delete(each.userId)
        }
        for (const what of steps) {
          if (what === 'served') {
            const next = line.next(now)
            if (!next) continue
            leave(next)
            if (places.has(next.userId)) places.set(next.userId, ++tick)
          } else if ('passes' in what) now += what.passes
          else if ('leaves' in what) {
            const each = [...waiting.values()][what.leaves % Math.max(1, waiting.size)]
            if (each) leave(each)
          } else {
            if (!places.has(what.userId)) places.set(what.userId, ++tick)
            const each = { id: ++id, userId: what.userId, priority: what.priority, since: now - what.waited }
            waiting.set(each.id, each)
            line.add(each)
          }
          expect(line.next(now)).toEqual(inOrder(waiting.values(), placeIn(places), now)[0] ?? null)
        }
      }),
    )
  })
})

describe('shards', () => {
  const limits = fc.record({
    concurrent: fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
    requestsPerMinute: fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: undefined }),
    tokensPerMinute: fc.option(fc.integer({ min: 1, max: 50_000 }), { nil: undefined }),
    shards: fc.option(fc.integer({ min: 1, max: 64 }), { nil: undefined }),
  })

  test('have shares of at least one, whose sum is the limit', () => {
    fc.assert(
      fc.property(limits, (each) => {
        const shares = Array.from({ length: shardCount(each) }, (_, i) => shardLimits(each, i))
        for (const kind of ['concurrent', 'requestsPerMinute', 'tokensPerMinute'] as const) {
          const all = shares.map((share) => share[kind])
          if (each[kind] === undefined) expect(all.every((share) => share === undefined)).toBe(true)
          else {
            expect(Math.min(...all.map((share) => share ?? 0))).toBeGreaterThanOrEqual(1)
            expect(all.reduce<number>((sum, share) => sum + (share ?? 0), 0)).toBe(each[kind])
          }
        }
      }),
    )
  })

  test('have the conversations spread over them, each always in the same one', () => {
    const each = { concurrent: 100, shards: 8 }
    const counts = Array<number>(8).fill(0)
    for (let i = 0; i < 8_000; i++) {
      const index = shardOf(`00000000-0000-4000-8000-${String(i).padStart(12, '0')}`, each)
      counts[index] = (counts[index] ?? 0) + 1
    }
    expect(Math.min(...counts)).toBeGreaterThan(700)
    expect(Math.max(...counts)).toBeLessThan(1_300)
  })

  test('are not what makes a limit', () => {
    expect([undefined, {}, { shards: 4 }, { concurrent: 1 }].map((each) => isLimited(each))).toEqual([
      false,
      false,
      false,
      true,
    ])
  })
})
