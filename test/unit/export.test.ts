/**
 * The export as a stream: valid JSON whatever it holds and whatever fails on the way, read no faster than it is taken, and
 * in pages, so that its size is nobody's memory.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exportStream, type ExportDeps, type OwnPart } from '../../src/privacy/export.ts'
import type { AuditEntry } from '../../src/protocol/admin.ts'

const ME = 'user:me'
const entry = (over: Partial<AuditEntry>): AuditEntry => ({
  id: 1,
  at: '2026-01-01T00:00:00.000Z',
  action: 'sign_in',
  actor: ME,
  actorRole: 'user',
  resource: null,
  details: null,
  requestId: 'r',
  address: '203.0.113.0/24',
  agent: 'x',
  ...over,
})

const deps = (over: Partial<ExportDeps> = {}): ExportDeps => ({
  userId: ME,
  now: () => 0,
  profile: () => Promise.resolve({ id: ME }),
  sessions: () => Promise.resolve([]),
  keys: () => Promise.resolve([]),
  webhooks: () => Promise.resolve([]),
  usage: () => Promise.resolve([]),
  audit: () => Promise.resolve({ entries: [], end: null }),
  subjects: () => Promise.resolve([ME]),
  placesOf: () => Promise.resolve([]),
  part: () => Promise.resolve(null),
  report: () => {},
  ...over,
})

const textOf = (over: Partial<ExportDeps>): Promise<string> => new Response(exportStream(deps(over))).text()
const read = async (over: Partial<ExportDeps>) =>
  JSON.parse(await textOf(over)) as Record<string, unknown> & {
    conversations: { id: string; messages: unknown[] }[]
  }

/** Conversations by id, in pages of `size`. */
function placed(
  conversations: Readonly<Record<string, readonly unknown[]>>,
  size: number,
): Partial<ExportDeps> {
  const ids = Object.keys(conversations).toSorted()
  return {
    placesOf: (_, after, limit) =>
      Promise.resolve(ids.filter((id) => id > after).slice(0, Math.min(limit, size))),
    part(id, _, after): Promise<OwnPart> {
      const messages = conversations[id] ?? []
      const next = after + size < messages.length ? after + size : null
      return Promise.resolve({ role: 'owner', messages: messages.slice(after, after + size), next })
    },
  }
}

describe('an export', () => {
  test('is one JSON object with everything in it, in pages of any size', async () => {
    const content = fc.dictionary(fc.uuid(), fc.array(fc.jsonValue(), { maxLength: 12 }), { maxKeys: 8 })
    await fc.assert(
      fc.asyncProperty(content, fc.integer({ min: 1, max: 5 }), async (conversations, size) => {
        const result = await read(placed(conversations, size))
        expect(Object.fromEntries(result.conversations.map(({ id, messages }) => [id, messages]))).toEqual(
          JSON.parse(JSON.stringify(conversations)),
        )
        expect(result).toMatchObject({ complete: true, errors: [] })
      }),
      { numRuns: 60 },
    )
  })

  test('is valid JSON whatever fails, and names that at its end', async () => {
    const parts = ['profile', 'sessions', 'keys', 'usage', 'audit', 'subjects', 'placesOf'] as const
    const ids = ['a', 'b', 'c', 'd']
    await fc.assert(
      fc.asyncProperty(
        fc.subarray([...parts]),
        fc.subarray(ids),
        fc.integer({ min: 0, max: 3 }),
        async (broken, lost, at) => {
          const all = placed(Object.fromEntries(ids.map((id) => [id, [1, 2, 3]])), 1)
          const down = () => Promise.reject(new Error('down'))
          const whole = deps(all)
          const result = await read({
            ...all,
            ...Object.fromEntries(broken.map((name) => [name, down])),
            part: (id, subject, after) =>
              lost.includes(id) && after >= at ? down() : whole.part(id, subject, after),
          })
          const named = (result['errors'] as { part: string }[]).map(({ part }) => part)
          const isUnplaced = broken.includes('placesOf') || broken.includes('subjects')
          const conversations = isUnplaced
            ? ['conversations']
            : at < 3
              ? lost.map((id) => `conversation:${id}`)
              : []
          expect(named.toSorted()).toEqual(
            [
              ...broken.filter((name) => name !== 'placesOf' && name !== 'subjects'),
              ...conversations,
            ].toSorted(),
          )
          expect(result['complete']).toBe(named.length === 0)
          if (!isUnplaced)
            for (const { id, messages } of result.conversations)
              expect(messages).toHaveLength(lost.includes(id) ? at : 3)
        },
      ),
    )
  })

  test('has the conversations of each who acts for the person, under their id', async () => {
    const of: Record<string, string> = { [ME]: 'a', 'service:m': 'b' }
    const result = await read({
      subjects: () => Promise.resolve(Object.keys(of)),
      placesOf: (subject, after) => Promise.resolve(after === '' ? [of[subject] ?? ''] : []),
      part: (id, subject) => Promise.resolve({ messages: [`${id} of ${subject}`], next: null }),
    })
    expect(result.conversations).toEqual([
      { id: 'a', userId: ME, messages: [`a of ${ME}`] },
      { id: 'b', userId: 'service:m', messages: ['b of service:m'] },
    ])
  })

  test('reads on only when there is room, and stops when nobody takes it', async () => {
    let read = 0
    const endless: Partial<ExportDeps> = {
      placesOf: () => Promise.resolve(['a']),
      part: (_, __, after) => Promise.resolve({ messages: ['x'.repeat(1_000)], next: (read = after + 1) }),
    }
    const reader = exportStream(deps(endless)).getReader()
    for (let i = 0; i < 20; i++) await reader.read()
    const taken = read
    expect(taken).toBeLessThan(20)
    for (let turns = 0; turns < 50; turns++) await Promise.resolve()
    expect(read - taken).toBeLessThanOrEqual(1)
    await reader.cancel()
    const before = read
    for (let turns = 0; turns < 50; turns++) await Promise.resolve()
    expect(read).toBe(before)
  })

  test('tells what others did to this person, and not who they are', async () => {
    const entries = [
      entry({ action: 'member_added', resource: 'user:friend' }),
      entry({ action: 'share_created', resource: 'conversation:c' }),
      entry({ action: 'user_suspended', actor: 'user:admin', actorRole: 'admin', resource: ME }),
      entry({ action: 'sign_in_failed', actor: null, resource: ME }),
    ]
    const text = await textOf({ audit: () => Promise.resolve({ entries, end: null }) })
    expect(text).not.toContain('user:friend')
    expect(text).not.toContain('user:admin')
    expect(JSON.parse(text)).toMatchObject({
      audit: [
        { action: 'member_added', resource: null },
        { resource: 'conversation:c', address: '203.0.113.0/24' },
        { actor: null, actorRole: 'admin', address: null, agent: null },
        { action: 'sign_in_failed', resource: ME },
      ],
    })
  })

  test('has all entries of the trail, page by page', async () => {
    const audit: ExportDeps['audit'] = (after) =>
      Promise.resolve({
        entries: [entry({ id: Number(after ?? 0) })],
        end: Number(after ?? 0) < 4 ? Number(after ?? 0) + 1 : null,
      } as never)
    expect(((await read({ audit }))['audit'] as AuditEntry[]).map(({ id }) => id)).toEqual([0, 1, 2, 3, 4])
  })
})
