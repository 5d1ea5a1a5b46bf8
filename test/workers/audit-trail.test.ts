/**
 * The audit trail as D1 keeps it: nothing in it is changed, or removed before it is old, by whatever statement; people in it
 * can be forgotten; and it is read in pages, by whoever and whatever it is about.
 */
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import type { AuditAction } from '../../src/protocol/admin.ts'
import { migrateLocally } from '../../src/storage/local-setup.ts'
import {
  forgetPerson,
  listEntries,
  recordEntry,
  removeOldEntries,
  type NewEntry,
} from '../../src/storage/audit.ts'

beforeAll(() => migrateLocally(env.DB))

const person = (): string => `user:${crypto.randomUUID()}`
const entry = (userId: string | null, over: Partial<NewEntry> = {}): NewEntry => ({
  action: 'sign_in',
  actor: userId === null ? null : { userId, role: 'user' },
  requestId: 'r',
  address: '203.0.113.0/24',
  agent: 'Test/1.0',
  ...over,
})
const all = async (filter: Parameters<typeof listEntries>[1]) =>
  (await listEntries(env.DB, filter, 200, null)).entries

describe('the trail', () => {
  test('says who did what to whom, from where, with the request', async () => {
    const [actor, other] = [person(), person()]
    await recordEntry(
      env.DB,
      entry(actor, { action: 'role_changed', resource: other, details: { to: 'admin' } }),
      1_000,
    )
    const expected = {
      at: '1970-01-01T00:00:01.000Z',
      action: 'role_changed',
      actor,
      actorRole: 'user',
      resource: other,
      details: { to: 'admin' },
      requestId: 'r',
      address: '203.0.113.0/24',
      agent: 'Test/1.0',
    }
    expect(await all({ actor })).toMatchObject([expected])
    expect(await all({ resource: other })).toMatchObject([expected])
    expect(await all({ concerning: other })).toMatchObject([expected])
    expect(await all({ actor: other })).toEqual([])
  })

  test.each([
    ['DELETE', 'DELETE FROM audit'],
    ['UPDATE of what was done', "UPDATE audit SET action = 'export', address = NULL, agent = NULL"],
    ['UPDATE of who did it', 'UPDATE audit SET actor = NULL, address = NULL, agent = NULL'],
    ['UPDATE of the order', 'UPDATE audit SET id = -id, address = NULL, agent = NULL'],
    ['UPDATE of where it came from to somewhere else', "UPDATE audit SET address = '198.51.100.0/24'"],
    [
      'REPLACE',
      "INSERT OR REPLACE INTO audit (id, at, action, request_id) SELECT max(id), 1, 'export', 'x' FROM audit",
    ],
    [
      'UPSERT',
      "INSERT INTO audit (id, at, action, request_id) SELECT max(id), 1, 'x', 'x' FROM audit WHERE 1 ON CONFLICT DO UPDATE SET at = 0",
    ],
  ])('is append-only: no %s', async (_, sql) => {
    await recordEntry(env.DB, entry(person()), Date.now())
    const dump = async () => (await env.DB.prepare('SELECT * FROM audit ORDER BY id').all()).results
    const before = await dump()
    await expect(env.DB.prepare(sql).run()).rejects.toThrow('append-only')
    expect(await dump()).toEqual(before)
  })

  test('pages by key, without a gap or a repeat, also among entries of one moment', async () => {
    const actor = person()
    for (let i = 0; i < 25; i++)
      await recordEntry(env.DB, entry(actor, { details: { i } }), 5_000 + Math.floor(i / 10))
    const seen: unknown[] = []
    let end: Parameters<typeof listEntries>[3] = null
    do {
      const page: Awaited<ReturnType<typeof listEntries>> = await listEntries(env.DB, { actor }, 4, end)
      seen.push(...page.entries.map(({ details }) => details?.['i']))
      end = page.end
    } while (end)
    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => 24 - i))
  })

  test('is filtered by action and time: the first moment included, the last not', async () => {
    const actor = person()
    const actions: AuditAction[] = ['sign_in', 'export', 'sign_in']
    for (const [i, action] of actions.entries()) await recordEntry(env.DB, entry(actor, { action }), 100 + i)
    expect((await all({ actor, action: 'sign_in' })).map(({ at }) => Date.parse(at))).toEqual([102, 100])
    expect((await all({ actor, from: 101, to: 102 })).map(({ action }) => action)).toEqual(['export'])
  })

  test('finds things by what they are, and never takes a person for one', async () => {
    const resource = `conversation:${crypto.randomUUID()}`
    await recordEntry(env.DB, entry(person(), { action: 'share_created', resource }), 1)
    expect(await all({ resource })).toMatchObject([{ resource }])
    expect(await all({ resource: person() })).toEqual([])
  })
})

describe('what is old', () => {
  const DAY_MS = 24 * 3600 * 1000
  const daysAgo = (days: number): number => Date.now() - days * DAY_MS
  const isKnown = async (userId: string): Promise<boolean> =>
    (await env.DB.prepare('SELECT 1 FROM audit_people WHERE user_id = ?').bind(userId).first()) !== null
  const remove = (actor: string) =>
    env.DB.prepare('DELETE FROM audit WHERE actor = (SELECT pseudonym FROM audit_people WHERE user_id = ?)')
      .bind(actor)
      .run()
  /** So that none of a test's own is the newest. */
  const goOn = () => recordEntry(env.DB, entry(person()), Date.now())

  test('P6 goes as configured, whoever only it named with it, and nothing that is younger', async () => {
    const [old, both, young] = [person(), person(), person()]
    await recordEntry(env.DB, entry(old, { resource: both }), daysAgo(101))
    await recordEntry(env.DB, entry(both), daysAgo(99))
    await recordEntry(env.DB, entry(young), daysAgo(0))
    await goOn()
    await removeOldEntries(env.DB, daysAgo(100), 1_000)
    expect(await all({ actor: old })).toEqual([])
    expect(await all({ concerning: both })).toHaveLength(1)
    expect(await all({ actor: young })).toHaveLength(1)
    expect(await Promise.all([old, both, young].map(isKnown))).toEqual([false, true, true])
  })

  test('P6 is a month old at least: no statement removes what is younger, whatever time it is given', async () => {
    const [young, old] = [person(), person()]
    await recordEntry(env.DB, entry(young), daysAgo(29.9))
    await recordEntry(env.DB, entry(old), daysAgo(30.1))
    await goOn()
    await expect(remove(young)).rejects.toThrow('append-only')
    await expect(env.DB.prepare('DELETE FROM audit').run()).rejects.toThrow('append-only')
    await removeOldEntries(env.DB, Date.now() + DAY_MS, 1_000)
    expect(await all({ actor: young })).toHaveLength(1)
    expect(await all({ actor: old })).toEqual([])
  })

  test('P6 goes oldest first, so many at a time', async () => {
    const actor = person()
    for (const days of [501, 503, 502]) await recordEntry(env.DB, entry(actor), daysAgo(days))
    await goOn()
    expect(await removeOldEntries(env.DB, daysAgo(500), 2)).toBe(2)
    expect(
      (await all({ actor })).map(({ at }) => Math.round((Date.now() - Date.parse(at)) / DAY_MS)),
    ).toEqual([501])
    expect(await removeOldEntries(env.DB, daysAgo(500), 2)).toBe(1)
  })

  test('the newest stays, however old it is: its id would be used twice', async () => {
    const actor = person()
    await recordEntry(env.DB, entry(actor), daysAgo(600))
    await removeOldEntries(env.DB, daysAgo(500), 1_000)
    await expect(remove(actor)).rejects.toThrow('append-only')
    expect(await all({ actor })).toHaveLength(1)
  })

  test('that a key was made stays until its maker is forgotten', async () => {
    const [maker, gone] = [person(), person()]
    for (const actor of [maker, gone])
      await recordEntry(env.DB, entry(actor, { action: 'key_created', resource: 'key:x' }), daysAgo(500))
    await goOn()
    while (!(await forgetPerson(env.DB, gone)));
    await removeOldEntries(env.DB, daysAgo(400), 1_000)
    expect((await all({ resource: 'key:x' })).map(({ actor }) => actor)).toEqual([maker])
  })
})

describe('a person who is forgotten', () => {
  const forget = async (userId: string): Promise<void> => {
    while (!(await forgetPerson(env.DB, userId)));
  }

  test('is nowhere in it: neither id nor address nor agent; what happened stays, and is one person’s', async () => {
    const [gone, stays] = [person(), person()]
    await recordEntry(env.DB, entry(gone, { action: 'register' }), 1)
    await recordEntry(env.DB, entry(gone, { action: 'member_added', resource: stays }), 2)
    await recordEntry(env.DB, entry(stays, { action: 'member_removed', resource: gone }), 3)
    await recordEntry(env.DB, entry(null, { action: 'sign_in_failed', resource: gone }), 4)
    await forget(gone)
    await forget(gone)
    expect(await all({ actor: gone })).toEqual([])
    expect(await all({ resource: gone })).toEqual([])
    const [removed, added] = await all({ concerning: stays })
    // Where the other was when they did it is theirs.
    expect(removed).toMatchObject({ actor: stays, resource: added?.actor, address: '203.0.113.0/24' })
    expect(added).toMatchObject({ resource: stays, address: null, agent: null })
    const pseudonym = added?.actor ?? ''
    expect(pseudonym).toMatch(/^erased:[0-9a-f]{32}$/)
    expect((await all({ actor: pseudonym })).map(({ action }) => action)).toEqual([
      'member_added',
      'register',
    ])
    expect(await all({ resource: pseudonym })).toMatchObject([
      { action: 'sign_in_failed', actor: null, address: null },
      { action: 'member_removed' },
    ])
    const { results } = await env.DB.prepare('SELECT * FROM audit').all()
    expect(JSON.stringify(results)).not.toContain(gone)
  })

  test('takes several steps when there is much of them', async () => {
    const gone = person()
    await env.DB.prepare("INSERT INTO audit_people VALUES (?, 'many')").bind(gone).run()
    await env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700)
       INSERT INTO audit (at, action, actor, request_id, address) SELECT i, 'sign_in', 'many', 'r', 'a' FROM n`,
    ).run()
    expect(await forgetPerson(env.DB, gone)).toBe(false)
    expect(await forgetPerson(env.DB, gone)).toBe(false)
    expect(await all({ actor: gone })).toHaveLength(200)
    expect(await forgetPerson(env.DB, gone)).toBe(true)
    expect((await all({ actor: 'erased:many' })).every(({ address }) => address === null)).toBe(true)
  })
})
