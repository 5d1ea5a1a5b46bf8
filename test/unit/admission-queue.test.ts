/**
 * The queue in front of a provider: what is granted when, what survives, and who is told.
 */
import { describe, expect, test } from 'vitest'
import type { Grant, QueueEntry } from '../../src/admission/admission.ts'
import { MAX_LOST_LEASES, MAX_WAITING_OF_USER } from '../../src/admission/admission-queue.ts'
import { KEPT_MS } from '../../src/admission/dead-letters.ts'
import { LEASE_MS } from '../../src/admission/leases.ts'
import { MAX_TRIES } from '../../src/admission/news-delivery.ts'
import { QueueWorld } from '../support/queue-world.ts'

/** @throws when it is none */
function granted(answer: ReturnType<QueueWorld['enter']>): Grant & { readonly entry: QueueEntry } {
  if (answer.state !== 'granted') throw new Error(`it is ${answer.state}`)
  return answer
}

/** A queue of one place, which somebody has, and a turn that waits behind. */
function busy() {
  const world = new QueueWorld({ concurrent: 1 })
  const first = granted(world.enter('ada'))
  const second = world.enter('ben')
  const release = (tokens = 100) => world.queue.release(first.grantId, first.entry.conversationId, tokens)
  return { world, first, second, release }
}

describe('a place', () => {
  test('Q1 is given in the answer when there is room, for one written row, and one more when it comes back', () => {
    const world = new QueueWorld({ concurrent: 1 })
    const { grantId, leaseMs, entry } = granted(world.enter('ada'))
    expect(leaseMs).toBe(LEASE_MS)
    expect(world.rows.writes).toBe(1)
    world.queue.release(grantId, entry.conversationId, 80)
    expect(world.rows.writes).toBe(2)
    expect(world.rows.places.size).toBe(0)
  })

  test('Q1 is given to the next the moment that it is free, and its conversation is told', async () => {
    const { world, second, release } = busy()
    expect(second).toMatchObject({ state: 'waiting', position: 1 })
    release()
    await world.settle()
    expect(world.newsOf(second.entry)).toMatchObject([{ state: 'granted', provider: 'main' }])
  })

  test('Q4 entering again changes nothing, and answers a grant that was lost on the way once more', () => {
    const { world, first, second } = busy()
    const { writes } = world.rows
    expect(world.queue.enter(first.entry)).toMatchObject({ state: 'granted', grantId: first.grantId })
    expect(world.queue.enter(second.entry)).toMatchObject({ state: 'waiting', position: 1 })
    expect(world.rows.writes).toBe(writes)
    world.restart()
    expect(world.queue.enter(first.entry)).toMatchObject({ state: 'granted', grantId: first.grantId })
    expect(world.queue.enter(second.entry)).toMatchObject({ state: 'waiting', position: 1 })
  })

  test('Q4 that was given back twice, or by somebody else, is given back once', () => {
    const { world, first, release } = busy()
    world.queue.release(first.grantId, 'conversation-of-a-stranger', 0)
    expect(world.queue.status().running).toBe(1)
    release()
    release()
    expect(world.queue.status()).toMatchObject({ running: 1 })
    expect(world.queue.enter(first.entry).state).toBe('waiting')
  })

  test('Q5 whoever leaves the queue, or a place that is not used, makes room at once', async () => {
    const { world, first, second } = busy()
    const third = world.enter('cem')
    world.queue.leave(second.entry)
    world.queue.leave(first.entry)
    await world.settle()
    expect(world.granted).toEqual([third.entry.conversationId])
    expect(world.queue.renew(first.grantId, first.entry.conversationId)).toBe(false)
  })

  test('Q8 beyond a thousand turns of one user, that user is refused and nobody else', () => {
    const { world } = busy()
    for (let i = 0; i < MAX_WAITING_OF_USER; i++) expect(world.enter('ada').state).toBe('waiting')
    const { writes } = world.rows
    expect(world.enter('ada').state).toBe('full')
    expect(world.rows.writes).toBe(writes)
    expect(world.enter('ben').state).toBe('waiting')
  })

  test('Q3 the only turn of one user waits for one of the five hundred of another', async () => {
    const { world, release } = busy()
    world.queue.leave({ conversationId: 'conversation-2', turn: 2 })
    for (let i = 0; i < 500; i++) world.enter('ada')
    const { entry } = world.enter('ben')
    release()
    await world.settle()
    const next = world.heard.findLast(({ news }) => news.state === 'granted')
    if (next?.news.state === 'granted') world.queue.release(next.news.grantId, next.conversationId, 0)
    await world.settle()
    expect(world.granted).toHaveLength(2)
    expect(world.granted).toContain(entry.conversationId)
  })
})

describe('telling', () => {
  test('Q6 goes on with growing waits until it is heard, and the place is kept meanwhile', async () => {
    const { world, second, release } = busy()
    let failures = 5
    world.answer = () => {
      if (failures-- > 0) throw new Error('Network connection lost.')
      return true
    }
    release()
    await world.pass(20_000)
    const news = world.newsOf(second.entry)
    expect(news).toHaveLength(6)
    expect(new Set(news.map((each) => JSON.stringify(each))).size).toBe(1)
    expect(world.queue.status()).toMatchObject({ running: 1, dead: [] })
  })

  test('Q6 a place that is not wanted goes to the next', async () => {
    const { world, second, release } = busy()
    const third = world.enter('cem')
    world.answer = ({ conversationId }) => conversationId !== second.entry.conversationId
    release()
    await world.settle()
    expect(world.granted).toEqual([second.entry.conversationId, third.entry.conversationId])
    expect(world.queue.status()).toMatchObject({ running: 1, waiting: { normal: 0 } })
  })

  test('Q6 what was about to be told when the process died is told by the next one', async () => {
    const { world, second, release } = busy()
    release()
    world.restart()
    await world.settle()
    expect(world.newsOf(second.entry)).toMatchObject([{ state: 'granted' }])
  })

  test('Q6 after eight tries it is a dead letter, and the place goes to the next', async () => {
    const { world, second, release } = busy()
    const third = world.enter('cem')
    world.answer = ({ conversationId }) => {
      if (conversationId === second.entry.conversationId) throw new Error('gone')
      return true
    }
    release()
    await world.pass(30_000)
    expect(world.newsOf(second.entry)).toHaveLength(MAX_TRIES)
    const { dead, running } = world.queue.status()
    expect(dead).toMatchObject([{ userId: 'ben', why: 'not_told', attempts: MAX_TRIES }])
    expect(world.warned).toEqual(['dead_letter'])
    expect(world.granted).toContain(third.entry.conversationId)
    expect(running).toBe(1)
  })

  test('Q7 a deadline that has passed ends the wait, is told until it is heard, and is counted', async () => {
    const { world } = busy()
    const { entry } = world.enter('cem', { deadline: world.now + 5_000 })
    let failures = 2
    world.answer = ({ news }) => {
      if (news.state === 'timed_out' && failures-- > 0) throw new Error('lost')
      return true
    }
    await world.pass(5_100, 'durable')
    world.restart()
    await world.pass(10_000, 'durable')
    expect(world.newsOf(entry)).toEqual(Array.from({ length: 3 }, () => ({ state: 'timed_out' })))
    expect(world.queue.status()).toMatchObject({ waiting: { normal: 1 } })
    expect(world.rows.places.size).toBe(2)
  })

  test('Q9 positions are told when they change, once a second at most', async () => {
    const { world, release } = busy()
    await world.pass(5_000)
    const third = world.enter('cem')
    await world.pass(5_000)
    const before = world.heard.length
    release()
    await world.pass(5_000)
    const positions = world.heard.slice(before).filter(({ news }) => news.state === 'waiting')
    expect(positions).toMatchObject([
      { conversationId: third.entry.conversationId, news: { position: 1, etaMs: expect.any(Number) } },
    ])
  })

  test('Q9 nobody claims to know how long it takes before anything is known', () => {
    const world = new QueueWorld({ concurrent: 1, requestsPerMinute: 10 })
    const first = world.enter('ada')
    const second = world.enter('ben')
    expect(first.state).toBe('granted')
    // One was granted a moment ago: that is a pace.
    expect(second).toMatchObject({ position: 1, etaMs: expect.any(Number) })
  })
})

describe('a lease', () => {
  test('Q5 that is renewed stays; one that is not goes back into the queue with its age', async () => {
    const { world, first, second } = busy()
    for (let i = 0; i < 5; i++) {
      await world.pass(10_000)
      expect(world.queue.renew(first.grantId, first.entry.conversationId)).toBe(true)
    }
    await world.pass(LEASE_MS, 'durable')
    expect(world.newsOf(second.entry)).toMatchObject([{ state: 'granted' }])
    expect(world.queue.renew(first.grantId, first.entry.conversationId)).toBe(false)
    expect(world.queue.enter(first.entry)).toMatchObject({ state: 'waiting', position: 1 })
  })

  test('Q5 outlives restarts while its holder renews it, and ends when it does not', async () => {
    const { world, first, second } = busy()
    for (let i = 0; i < 12; i++) {
      world.restart()
      await world.pass(9_000)
      expect(world.queue.renew(first.grantId, first.entry.conversationId)).toBe(true)
    }
    for (let i = 0; i < 8; i++) {
      await world.pass(9_000)
      world.restart()
    }
    expect(world.newsOf(second.entry).length).toBeGreaterThan(0)
  })

  test('Q10 lost again and again makes a dead letter, which an operator sends again', async () => {
    const world = new QueueWorld({ concurrent: 1 })
    const { entry } = world.enter('ada')
    for (let i = 0; i <= MAX_LOST_LEASES; i++) await world.pass(LEASE_MS, 'durable')
    const [letter] = world.queue.status().dead
    expect(letter).toMatchObject({ why: 'lost_leases', attempts: MAX_LOST_LEASES + 1, userId: 'ada' })
    world.restart()
    const before = world.granted.length
    expect(world.queue.requeue(letter?.id ?? 0)).toBe(true)
    expect(world.queue.requeue(letter?.id ?? 0)).toBe(false)
    await world.settle()
    expect(world.granted.slice(before)).toEqual([entry.conversationId])
    expect(world.queue.status().dead).toEqual([])
  })

  test('Q10 dead letters go after a week, and when their turn is entered again', async () => {
    const world = new QueueWorld({ concurrent: 1 })
    world.answer = () => {
      throw new Error('gone')
    }
    const first = granted(world.enter('ada'))
    const [second, third] = [world.enter('ben'), world.enter('cem')]
    world.queue.release(first.grantId, first.entry.conversationId, 0)
    await world.pass(60_000, 'durable')
    expect(world.queue.status().dead).toHaveLength(2)
    world.queue.enter(second.entry)
    expect(world.queue.status().dead).toMatchObject([{ conversationId: third.entry.conversationId }])
    await world.pass(KEPT_MS, 'durable')
    expect(world.queue.status().dead.map(({ userId }) => userId)).not.toContain('cem')
  })
})

describe('a call in passing', () => {
  test('Q11 takes a place when one is free, the same one when it asks again, and never before those who wait', () => {
    const world = new QueueWorld({ concurrent: 2 })
    const call = { provider: 'main', tokens: 10 }
    const given = world.queue.pass(call, 'call:1')
    expect(given).toMatchObject({ grantId: 'grant-1' })
    expect(world.queue.pass(call, 'call:1')).toEqual(given)
    world.enter('ada')
    expect(world.queue.pass(call, 'call:2')).toBeNull()
    world.enter('ben')
    world.queue.release(given?.grantId ?? '', 'call:1', 10)
    expect(world.queue.pass(call, 'call:2')).toBeNull()
  })

  test('Q11 that dies leaves nothing behind', async () => {
    const world = new QueueWorld({ concurrent: 1 })
    world.queue.pass({ provider: 'main', tokens: 10 }, 'call:1')
    await world.pass(LEASE_MS, 'durable')
    expect(world.rows.places.size).toBe(0)
    expect(world.heard).toEqual([])
  })
})

describe('the minute', () => {
  test('Q1 opens by itself when it has room again', async () => {
    const world = new QueueWorld({ requestsPerMinute: 2 })
    for (const each of [granted(world.enter('ada')), granted(world.enter('ada'))])
      world.queue.release(each.grantId, each.entry.conversationId, 0)
    const { entry } = world.enter('ben')
    await world.pass(59_000, 'durable')
    expect(world.granted).toEqual([])
    await world.pass(2_000, 'durable')
    expect(world.granted).toEqual([entry.conversationId])
  })

  test('Q1 counts expected tokens, and then those that were used', async () => {
    const world = new QueueWorld({ tokensPerMinute: 1_000 })
    const first = granted(world.enter('ada', { tokens: 900 }))
    const second = world.enter('ben', { tokens: 300 })
    expect(second.state).toBe('waiting')
    world.queue.release(first.grantId, first.entry.conversationId, 100)
    await world.settle()
    expect(world.granted).toEqual([second.entry.conversationId])
  })
})
