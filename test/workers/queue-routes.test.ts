/**
 * What operators see of the queues and do about dead letters, over HTTP, with real queue objects behind.
 */
import { runInDurableObject } from 'cloudflare:test'
import { beforeAll, describe, expect, test } from 'vitest'
import { LEASE_MS } from '../../src/admission/leases.ts'
import { queueAnswer, requeueAnswer, type ProviderQueue } from '../../src/protocol/queue.ts'
import { askerWith, problemFrom } from './http-checks.ts'
import { personWith, trailOf, type Person } from './people.ts'
import { WorkerQueue } from './queue-conversations.ts'

const LIMITS = { concurrent: 2, requestsPerMinute: 100 }

let admin: Person
let user: Person
beforeAll(async () => {
  admin = await personWith('admin')
  user = await personWith('user')
})

/** An installation with one provider that has limits, and one that has none. */
function installation() {
  const queue = new WorkerQueue(LIMITS)
  const ask = askerWith({
    MODEL_PROVIDERS: JSON.stringify([
      { name: queue.provider, kind: 'openai', models: ['m'], limits: LIMITS },
      { name: 'free', kind: 'offline' },
    ]),
  })
  const request = async (person: Person, method: string, path: string): Promise<Response> =>
    await ask(path, { method, headers: { authorization: `Bearer ${person.token}` } })
  const report = async (): Promise<ProviderQueue> => {
    const response = await request(admin, 'GET', '/api/queue')
    const { providers } = queueAnswer.parse(await response.json())
    expect(providers.map(({ provider }) => provider)).toEqual([queue.provider])
    return providers[0] as ProviderQueue
  }
  return { queue, request, report }
}

/** With a turn that has lost its place three times, and loses it once more. */
async function withDeadLetter() {
  const all = installation()
  const { queue } = all
  await queue.enter(queue.entry('ada', { turn: 4, priority: 'low' }))
  await runInDurableObject(queue.stub, (_, { storage: { sql } }) => {
    sql.exec("UPDATE places SET value = json_set(value, '$.lost', 3)")
  })
  // Once for the end of the lease, and once for the term that a restart adds.
  for (let i = 0; i < 2; i++) await queue.pass(LEASE_MS + 1)
  return all
}

describe('the queue', () => {
  test('Q12 tells what waits and runs, how fast it goes, and of what there is nothing', async () => {
    const { queue, report } = installation()
    expect(await report()).toMatchObject({ limits: LIMITS, running: 0, waiting: 0, deadLetters: [] })
    await queue.run((object) => {
      for (const priority of ['high', 'normal', 'normal', 'low'] as const)
        object.enter(queue.name, queue.entry('ada', { priority }))
    })
    const { running, waiting, priorities } = await report()
    expect({ running, waiting }).toEqual({ running: 2, waiting: 2 })
    expect(priorities).toMatchObject([
      { priority: 'urgent', waiting: 0, granted: 0, p50Ms: null, p99Ms: null },
      { priority: 'high', waiting: 0, granted: 1, grantedPerMinute: 1, p95Ms: 0 },
      { priority: 'normal', waiting: 1, granted: 1 },
      { priority: 'low', waiting: 1, granted: 0 },
    ])
  })

  test('Q12 is for admins, and reading it is in the trail', async () => {
    const { request, report } = installation()
    await problemFrom(await request(user, 'GET', '/api/queue'), 403, 'forbidden')
    await report()
    expect((await trailOf({ actor: admin.id }))[0]).toMatchObject({ action: 'admin_queue_read' })
    expect(await trailOf({ actor: user.id })).toEqual([])
  })

  test('Q12 that cannot be reached says so', async () => {
    const ask = askerWith({
      MODEL_PROVIDERS: [{ name: 'main', kind: 'openai', models: ['m'], limits: LIMITS }],
      ADMISSION: {
        idFromName: () => 'x',
        get() {
          throw new Error('Network connection lost.')
        },
      },
    })
    const headers = { authorization: `Bearer ${admin.token}` }
    await problemFrom(await ask('/api/queue', { headers }), 503, 'unavailable')
  })

  test('Q12 of an installation whose providers are not written rightly names the variable and not its value', async () => {
    const ask = askerWith({ MODEL_PROVIDERS: '[{"name": "hunter2"}]' })
    const problem = await problemFrom(await ask('/api/queue'), 503, 'misconfigured')
    expect(problem.detail).toContain('MODEL_PROVIDERS')
    expect(JSON.stringify(problem)).not.toContain('hunter2')
  })
})

describe('a dead letter', () => {
  test('Q10 is shown with whose it was and why, and sent again once, which is in the trail', async () => {
    const { queue, request, report } = await withDeadLetter()
    const { deadLetters } = await report()
    const [letter] = deadLetters
    expect(letter).toMatchObject({
      turnId: 't4',
      userId: 'ada',
      priority: 'low',
      why: 'lost_leases',
      attempts: 4,
    })
    const path = `/api/queue/dead-letters/${letter?.id}/requeue`
    await problemFrom(await request(user, 'POST', path), 403, 'forbidden')
    const response = await request(admin, 'POST', path)
    expect(requeueAnswer.parse(await response.json())).toEqual({ requeued: true })
    expect((await trailOf({ actor: admin.id }))[0]).toMatchObject({
      action: 'dead_letter_requeued',
      resource: `conversation:${letter?.conversationId}`,
      details: { provider: queue.provider, turn: letter?.turnId },
    })
    expect((await report()).deadLetters.map(({ id }) => id)).not.toContain(letter?.id)
    await problemFrom(await request(admin, 'POST', path), 404, 'not_found')
  })

  test.each(['nobody.0.1', 'free.0.1', 'x', 'a.b.c', 'main.99.1', '..%2F..%2Fx', `${'a'.repeat(500)}.0.1`])(
    'Q10 that is not there is not found: %s',
    async (id) => {
      const { request } = installation()
      const before = (await trailOf({ actor: admin.id })).length
      const response = await request(admin, 'POST', `/api/queue/dead-letters/${id}/requeue`)
      await problemFrom(response, 404, 'not_found')
      expect(await trailOf({ actor: admin.id })).toHaveLength(before)
    },
  )
})
