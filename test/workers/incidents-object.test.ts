/**
 * The incidents object in the real runtime: a burst is one incident and one notice, its alarm ends and escalates what
 * nobody speaks of any more, and an object that dies at any moment knows everything again. Each test has an object of its
 * own; its desk is also built by hand over the object's real storage, where a test needs its own clock and webhooks.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { calls, failures, IncidentWorld, MINUTE, SECOND } from '../support/incident-world.ts'
import { unique } from './worker-guest.ts'

const objectOf = (name = unique()) => env.INCIDENTS.get(env.INCIDENTS.idFromName(name))
const burst = () => ({
  models: [calls('a', 0, { server: 10_000 })],
  failures: [failures('server:500', 10_000)],
})

describe('a desk over the storage of a real object', () => {
  test('N1 makes one incident and one notice of a burst of 10,000 failures, and of many such', async () => {
    await runInDurableObject(objectOf(), async (_, { storage }) => {
      const world = new IncidentWorld(storage)
      await world.keep(5 * MINUTE, burst)
      expect(world.desk.list(null, 10, null).incidents).toMatchObject([{ id: 'i1', state: 'open' }])
      expect(world.toldTypes).toEqual(['incident.opened'])
      const count = (table: string) => storage.sql.exec(`SELECT count(*) AS n FROM ${table}`).one()['n']
      expect(count('errors')).toBe(6)
      expect(count('minutes')).toBe(6)
    })
  })

  test('N4 N5 N6 lets time escalate, end and continue an incident, as over any SQLite', async () => {
    await runInDurableObject(objectOf(), async (_, { storage }) => {
      const world = new IncidentWorld(storage)
      await world.keep(12 * MINUTE, burst)
      await world.pass(12 * MINUTE)
      expect(world.state(1)).toBe('resolved')
      world.restart()
      await world.keep(2 * MINUTE, burst)
      expect(world.toldTypes).toEqual([
        'incident.opened',
        'incident.escalated',
        'incident.resolved',
        'incident.opened',
      ])
      expect(world.desk.list(null, 10, null).incidents).toMatchObject([{ id: 'i1', reopened: 1 }])
      const text = world.desk.postMortem(1)
      expect(text).toMatchObject({ ok: true, value: expect.stringContaining('server\\:500') })
    })
  })

  test('N9 writes an observation whole or not at all', async () => {
    await runInDurableObject(objectOf(), async (_, { storage }) => {
      const world = new IncidentWorld(storage)
      storage.sql.exec(
        "CREATE TRIGGER broken BEFORE INSERT ON signals BEGIN SELECT RAISE(ABORT, 'broken'); END",
      )
      expect(() => world.observe(burst())).toThrow('broken')
      expect(storage.sql.exec('SELECT * FROM errors').toArray()).toEqual([])
      storage.sql.exec('DROP TRIGGER broken')
      world.observe(burst())
      const [row] = world.desk.errors('fingerprint', world.now - MINUTE, world.now + MINUTE).rows
      expect(row).toMatchObject({ count: 10_000 })
    })
  })
})

describe('the object', () => {
  const observation = (at: number, over: object = {}) => ({
    at,
    ms: 10 * SECOND,
    models: [],
    failures: [],
    breakers: [],
    queues: [],
    paused: [],
    ...over,
  })
  const openAt = (heardAt: number) => ({
    breakers: [{ provider: 'a', model: 'm', state: 'open' as const, heardAt }],
  })

  test('N3 N9 opens an incident by its alarm, and knows everything after it was evicted at each step', async () => {
    const name = unique()
    const at = Date.now() - 90 * SECOND
    await objectOf(name).observe(observation(at, { ...openAt(at), failures: [failures('x', 7)] }))
    await evictDurableObject(objectOf(name))
    expect(await runDurableObjectAlarm(objectOf(name))).toBe(true)
    const { incidents } = await objectOf(name).list('open', 10, null)
    expect(incidents).toMatchObject([{ id: 'i1', rule: 'breaker_open', subject: 'a', state: 'open' }])
    await evictDurableObject(objectOf(name))
    expect(await objectOf(name).acknowledge(1, 'user:ada')).toMatchObject({
      ok: true,
      value: { state: 'acknowledged' },
    })
    await evictDurableObject(objectOf(name))
    await objectOf(name).observe(observation(Date.now()))
    await evictDurableObject(objectOf(name))
    const found = await objectOf(name).get(1)
    expect(found).toMatchObject({ ok: true, value: { acknowledgedBy: 'user:ada' } })
    expect(found.ok && found.value.timeline.map(({ kind }) => kind)).toEqual([
      'breaker_opened',
      'opened',
      'acknowledged',
      'breaker_closed',
    ])
    expect(
      (await objectOf(name).errors('fingerprint', Date.now() - 10 * MINUTE, Date.now())).rows,
    ).toMatchObject([{ key: 'x', count: 7 }])
  })

  test('N8 hands its notices over by its alarm, and keeps none that were taken', async () => {
    const stub = objectOf()
    const at = Date.now() - 90 * SECOND
    await stub.observe(observation(at, openAt(at)))
    await runDurableObjectAlarm(stub)
    await runDurableObjectAlarm(stub)
    await runInDurableObject(stub, async (_, { storage }) => {
      expect(storage.sql.exec('SELECT * FROM outbox').toArray()).toEqual([])
      expect(await storage.getAlarm()).not.toBeNull()
    })
  })

  test('answers with values where an incident is not there', async () => {
    const stub = objectOf()
    for (const outcome of [
      await stub.get(1),
      await stub.acknowledge(1, 'user:ada'),
      await stub.resolve(1, 'user:ada', null),
      await stub.addNote(1, 'user:ada', 'x'),
      await stub.postMortem(1),
    ])
      expect(outcome).toMatchObject({ ok: false, error: { code: 'not_found' } })
  })
})
