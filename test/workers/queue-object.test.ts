/**
 * The queue object in the real runtime: its rows survive an eviction in every state, its alarm alone sees to what is due,
 * and a call that was lost may be repeated. What it decides is tested in plain code (test/unit/admission-queue.test.ts).
 */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { LEASE_MS } from '../../src/admission/leases.ts'
import { WorkerQueue } from './queue-conversations.ts'

const grantOf = (news: { readonly state: string }): string =>
  'grantId' in news && typeof news.grantId === 'string' ? news.grantId : ''

describe('a queue object', () => {
  test('Q1 keeps who runs and who waits through an eviction, and goes on where it was', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    const [first, second] = [queue.entry('ada'), queue.entry('ben')]
    const given = await queue.enter(first)
    expect(await queue.enter(second)).toMatchObject({ state: 'waiting', position: 1 })
    await queue.restart()
    expect(await queue.status()).toMatchObject({ running: 1, waiting: { normal: 1 } })
    await queue.run((object) => object.release(grantOf(given), first.conversationId, 10))
    expect(await queue.untilGranted(second)).toMatchObject({ provider: queue.provider, leaseMs: LEASE_MS })
  })

  test('Q4 answers a grant that was lost on the way once more, also after an eviction', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    const entry = queue.entry('ada')
    const given = await queue.enter(entry)
    await queue.restart()
    expect(await queue.enter(entry)).toEqual(given)
    expect(await queue.status()).toMatchObject({ running: 1 })
  })

  test('Q6 tells a grant that nobody has answered again, in this process and in the next', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    const [first, second] = [queue.entry('ada'), queue.entry('ben')]
    const given = await queue.enter(first)
    await queue.enter(second)
    let failures = 2
    queue.answer = ({ news }) => {
      if (news.state === 'granted' && failures-- > 0) throw new Error('Network connection lost.')
      return true
    }
    await queue.run((object) => object.release(grantOf(given), first.conversationId, 10))
    const told = await queue.untilGranted(second)
    await queue.restart()
    await queue.run((object) => object.alarm())
    await queue.until(() => failures < 0)
    const grants = queue.heard.filter(({ news }) => news.state === 'granted')
    expect(new Set(grants.map(({ news }) => grantOf(news)))).toEqual(new Set([grantOf(told)]))
    expect(await queue.status()).toMatchObject({ running: 1, waiting: { normal: 0 } })
  })

  test('Q5 has an alarm for the end of a lease, and frees the place of who died', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    const [first, second] = [queue.entry('ada'), queue.entry('ben')]
    await queue.enter(first)
    await queue.enter(second)
    expect(await queue.alarmIn()).toBeLessThanOrEqual(LEASE_MS)
    // Renewals are not written: after a restart the holder has one more term to be heard of.
    await queue.pass(LEASE_MS + 1)
    expect(await queue.alarmIn()).toBeLessThanOrEqual(LEASE_MS)
    expect(queue.heard.filter(({ news }) => news.state === 'granted')).toEqual([])
    await queue.pass(LEASE_MS + 1)
    await queue.untilGranted(second)
    expect(await queue.enter(first)).toMatchObject({ state: 'waiting', position: 1 })
  })

  test('Q7 ends a wait by its alarm, after an eviction', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    await queue.enter(queue.entry('ada'))
    const entry = queue.entry('ben', { deadline: Date.now() + 20_000 })
    await queue.enter(entry)
    expect(await queue.alarmIn()).toBeLessThanOrEqual(20_000)
    await queue.pass(20_001)
    await queue.until(
      (heard) => heard.conversationId === entry.conversationId && heard.news.state === 'timed_out',
    )
    expect(await queue.status()).toMatchObject({ running: 1, waiting: { normal: 0 }, timedOut: 1 })
  })

  test('Q3 gives the only turn of one user a place before the five hundred of another', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    const first = queue.entry('cem')
    const given = await queue.enter(first)
    const many = Array.from({ length: 500 }, () => queue.entry('ada'))
    const one = queue.entry('ben')
    await queue.run((object) => {
      for (const entry of [...many, one]) object.enter(queue.name, entry)
    })
    let [grantId, holder] = [grantOf(given), first.conversationId]
    for (let i = 0; i < 2; i++) {
      const before = queue.heard.length
      await queue.run((object) => object.release(grantId, holder, 10))
      await queue.until((heard) => heard.news.state === 'granted' && queue.heard.indexOf(heard) >= before)
      const told = queue.heard.findLast(({ news }) => news.state === 'granted')
      ;[grantId, holder] = [grantOf(told?.news ?? given), told?.conversationId ?? '']
    }
    const granted = queue.heard.filter(({ news }) => news.state === 'granted')
    expect(granted.map(({ conversationId }) => conversationId)).toContain(one.conversationId)
    expect(await queue.status()).toMatchObject({ waiting: { normal: 499 } })
  })

  test('stays empty when it is only looked at', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    expect(await queue.stub.status()).toBeNull()
    await queue.stub.leave({ conversationId: crypto.randomUUID(), turn: 2 })
    const tables = await runInDurableObject(queue.stub, (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name IN ('places', 'facts')").toArray(),
    )
    expect(tables).toEqual([])
  })

  test('writes one row for a grant and one when it comes back, besides its name', async () => {
    const queue = new WorkerQueue({ concurrent: 10 })
    const warm = queue.entry('ada')
    await queue.run(async (object) => {
      object.release(grantOf(object.enter(queue.name, warm)), warm.conversationId, 1)
      await Promise.resolve()
    })
    const entry = queue.entry('ada')
    const changes = await queue.run((object) =>
      runInDurableObject(queue.stub, (_, { storage }) => {
        const { sql } = storage
        const total = (): number => Number(sql.exec('SELECT total_changes() AS n').one()['n'])
        const before = total()
        object.release(grantOf(object.enter(queue.name, entry)), entry.conversationId, 1)
        return total() - before
      }),
    )
    expect(changes).toBe(2)
  })

  test('reads its rows again when one could not be written', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    const entry = queue.entry('ada')
    await queue.enter(queue.entry('ben'))
    await runInDurableObject(queue.stub, (_, { storage: { sql } }) => {
      sql.exec("CREATE TRIGGER full BEFORE INSERT ON places BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    })
    await expect(queue.enter(entry)).rejects.toThrow('disk is full')
    expect(await queue.status()).toMatchObject({ running: 1, waiting: { normal: 0 } })
    await runInDurableObject(queue.stub, (_, { storage: { sql } }) => void sql.exec('DROP TRIGGER full'))
    expect(await queue.enter(entry)).toMatchObject({ state: 'waiting', position: 1 })
  })
})

describe('the way to a queue', () => {
  test('is tried once more when a call is lost', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    let losses = 1
    const lossy = new Proxy(env.ADMISSION, {
      get(target, name) {
        if (name !== 'get') return (Reflect.get(target, name) as () => unknown).bind(target)
        return (id: DurableObjectId) => {
          if (losses-- > 0) throw new Error('Network connection lost.')
          return target.get(id)
        }
      },
    })
    const calls = queue.calls({ concurrent: 1 }, lossy)
    expect(await calls.enter(queue.entry('ada'))).toMatchObject({ state: 'granted' })
    losses = 2
    await expect(calls.enter(queue.entry('ada'))).rejects.toThrow('lost')
    losses = 2
    expect(await calls.tryEnter(queue.provider, () => 10)).toBeNull()
  })

  test('is known without asking: which models wait, and where', () => {
    const queue = new WorkerQueue({})
    expect(queue.calls({ concurrent: 1 }).queueOf('m', false)).toBe(queue.provider)
    expect(queue.calls({ shards: 2 }).queueOf('m', false)).toBeNull()
    expect(queue.calls({}).tryEnter(queue.provider, () => 10)).toBeUndefined()
  })

  test('leads to what the incidents are told of it, from each object that was ever used', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    const calls = queue.calls({ concurrent: 2, shards: 2 })
    const nothing = { provider: queue.provider, waiting: 0, p95WaitMs: null, timedOut: 0 }
    expect(await calls.observe({})).toEqual({ queues: [nothing], told: {} })
    await queue.enter(queue.entry('ada'))
    await queue.enter(queue.entry('ben'))
    const { queues, told } = await calls.observe({})
    // Their slot is not over.
    expect(queues).toEqual([{ ...nothing, waiting: 1 }])
    expect(Object.keys(told)).toEqual([queue.name])
    expect((await calls.observe(told)).told[queue.name]).toBeGreaterThanOrEqual(told[queue.name] ?? Infinity)
  })

  test('Q11 takes places in passing, and gives them back once', async () => {
    const queue = new WorkerQueue({ concurrent: 1 })
    await queue
      .enter(queue.entry('warm'))
      .then((given) => queue.run((object) => object.renew(grantOf(given), 'x')))
    const other = new WorkerQueue({ concurrent: 1 })
    const lease = await other.run(async (object) => {
      const first = object.pass(other.name, { provider: other.provider, tokens: 1 }, 'call:1')
      const second = object.pass(other.name, { provider: other.provider, tokens: 1 }, 'call:2')
      await Promise.resolve()
      return { first, second }
    })
    expect(lease.second).toBeNull()
    await other.run((object) => object.release(lease.first?.grantId ?? '', 'call:1', 1))
    expect(await other.status()).toMatchObject({ running: 0 })
  })
})
