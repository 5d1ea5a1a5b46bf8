/**
 * Retention: which conversations go when the cron trigger comes, which are saved by being used, and what is old or expired.
 */
import {
  createExecutionContext,
  createScheduledController,
  evictDurableObject,
  runInDurableObject,
  waitOnExecutionContext,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import worker from '../../src/index.ts'
import { recordEntry } from '../../src/storage/audit.ts'
import { breakD1 } from './d1-directory.ts'
import { contentOf } from './erasures.ts'
import { trailOf } from './people.ts'
import { Guest, message, stubOf, unique } from './worker-guest.ts'

const DAY_MS = 24 * 3600 * 1000

async function runCron(variables: Record<string, unknown> = {}): Promise<void> {
  const context = createExecutionContext()
  await worker.scheduled(createScheduledController(), { ...env, ...variables })
  await waitOnExecutionContext(context)
}

/** What was last said there was said so many days ago, as the conversation and as D1 know it. */
async function age(id: string, days: number, where: 'both' | 'd1' = 'both'): Promise<void> {
  const at = Date.now() - days * DAY_MS
  await env.DB.prepare('UPDATE conversations SET last_activity_at = ? WHERE id = ?').bind(at, id).run()
  if (where === 'd1') return
  await runInDurableObject(stubOf(id), (_, { storage }) => {
    storage.sql.exec('UPDATE events SET at = ?', at)
    storage.sql.exec('UPDATE conversation SET created_at = ?', at)
  })
  // So that what it remembers is what is stored.
  await evictDurableObject(stubOf(id))
}

const isThere = async (guest: Guest, id: string): Promise<boolean> =>
  (await guest.request('GET', `/api/conversations/${id}`)).status === 200

async function used(): Promise<{ guest: Guest; id: string }> {
  const guest = await Guest.arrive()
  const { conversationId: id } = await guest.chat({ message: message(unique(), 'text=ok') })
  // D1 is told soon after the answer; what a test writes there must come later.
  const told = () => env.DB.prepare('SELECT 1 FROM conversations WHERE id = ? AND seq = 4').bind(id).first()
  await vi.waitUntil(async () => (await told()) !== null, { timeout: 4_000 })
  return { guest, id }
}

describe('retention', () => {
  test('removes what guests have not used for 30 days, wholly, and nothing else', async () => {
    const [old, young] = [await used(), await used()]
    const empty = { guest: old.guest, id: await old.guest.createConversation('empty') }
    await age(old.id, 31)
    await age(empty.id, 31)
    await age(young.id, 29)
    await runCron()
    expect(await isThere(young.guest, young.id)).toBe(true)
    for (const { guest, id } of [old, empty]) {
      expect(await isThere(guest, id)).toBe(false)
      expect(await contentOf(id)).toBe('[]')
    }
  })

  test('asks the conversation itself: one that was used since D1 was told stays', async () => {
    const { guest, id } = await used()
    await age(id, 31, 'd1')
    await runCron()
    expect(await isThere(guest, id)).toBe(true)
  })

  test('a message that comes at the same moment is either answered, or finds nothing; never half of it', async () => {
    const { guest, id } = await used()
    await age(id, 31)
    const [, sent] = await Promise.all([
      runCron(),
      guest.request('POST', '/api/chat', { conversationId: id, message: message(unique(), 'text=ok') }),
    ])
    expect([200, 404]).toContain(sent.status)
    expect(await isThere(guest, id)).toBe(sent.status === 200)
    if (sent.status === 404) expect(await contentOf(id)).toBe('[]')
  })

  test('goes by the plan of the owner, as configured', async () => {
    const [kept, gone, registered] = [await used(), await used(), await used()]
    await env.DB.prepare(
      "INSERT INTO users (id, name, role, plan, created_at) VALUES (?, 'x', 'guest', 'pro', 1)",
    )
      .bind(kept.guest.userId)
      .run()
    await env.DB.prepare(
      "INSERT INTO users (id, name, role, plan, created_at) VALUES (?, 'x', 'user', 'free', 1)",
    )
      .bind(registered.guest.userId)
      .run()
    for (const { id } of [kept, gone, registered]) await age(id, 3)
    await runCron({ RETENTION: '{"guest": null, "free": 2}' })
    expect(await isThere(gone.guest, gone.id)).toBe(true)
    expect(await contentOf(registered.id)).toBe('[]')
    await runCron({ RETENTION: '{"guest": 2}' })
    expect(await isThere(gone.guest, gone.id)).toBe(false)
    expect(await contentOf(kept.id)).not.toBe('[]')
  })

  test('one that cannot be removed does not keep the others, and goes at a later run', async () => {
    const [stuck, other] = [await used(), await used()]
    for (const { id } of [stuck, other]) await age(id, 40)
    const repair = await breakD1(stuck.id, 'DELETE')
    await runCron()
    expect(await contentOf(other.id)).toBe('[]')
    expect(await contentOf(stuck.id)).not.toBe('[]')
    await repair()
    await runCron()
    expect(await contentOf(stuck.id)).toBe('[]')
  })

  test('clears away what has expired', async () => {
    const id = unique()
    const now = Date.now()
    for (const [sql, ...values] of [
      ["INSERT INTO sessions VALUES (?, 'user:x', 1, 1, '', '')", `old-${id}`],
      ['INSERT INTO refresh_tokens VALUES (?, ?, ?, NULL, NULL)', `h-old-${id}`, `old-${id}`, now - 1],
      ["INSERT INTO sessions VALUES (?, 'user:x', 1, 1, '', '')", `new-${id}`],
      ['INSERT INTO refresh_tokens VALUES (?, ?, ?, NULL, NULL)', `h-new-${id}`, `new-${id}`, now + DAY_MS],
      ["INSERT INTO erasures VALUES (?, 1, 2, '{}')", `old-${id}`],
      ["INSERT INTO erasures VALUES (?, 1, ?, '{}')", `new-${id}`, now],
    ] as const)
      await env.DB.prepare(sql)
        .bind(...values)
        .run()
    await runCron()
    const { results } = await env.DB.prepare(
      `SELECT id FROM sessions WHERE id LIKE ?1 UNION ALL SELECT id FROM erasures WHERE id LIKE ?1 UNION ALL SELECT session_id FROM refresh_tokens WHERE session_id LIKE ?1`,
    )
      .bind(`%${id}`)
      .all<{ id: string }>()
    expect(results.map((row) => row.id)).toEqual(Array(3).fill(`new-${id}`))
  })

  test('P6 ends the audit trail where it is configured to end: after 400 days, later, or never', async () => {
    const actor = { userId: `user:${unique()}`, role: 'user' } as const
    const said = { action: 'sign_in', actor, requestId: 'r', address: null, agent: null } as const
    for (const days of [36_600, 401, 399, 0]) await recordEntry(env.DB, said, Date.now() - days * DAY_MS)
    const left = async () => (await trailOf({ actor: actor.userId })).length
    await runCron({ AUDIT_RETENTION_DAYS: 0 })
    expect(await left()).toBe(4)
    await runCron({ AUDIT_RETENTION_DAYS: '36500' })
    expect(await left()).toBe(3)
    await runCron()
    expect(await left()).toBe(2)
  })

  test.each(['{"guest": 0}', '{"guest": "30"}', 'thirty', '[30]'])(
    'refuses the configuration %s',
    async (RETENTION) => {
      await expect(runCron({ RETENTION })).rejects.toThrow('RETENTION')
    },
  )
})
