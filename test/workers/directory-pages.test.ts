/**
 * The list of conversations, page by page: each once, newest first, nobody else's, whatever becomes newer meanwhile; and
 * at a cost that does not grow with the place in the list.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { conversationPage } from '../../src/protocol/http.ts'
import type { Conversation } from '../../src/protocol/message.ts'
import { listConversations, putConversation } from '../../src/storage/directory.ts'
import { Guest, problemOf } from './worker-guest.ts'

describe('paging through the list', () => {
  /** Puts conversations into D1 with these times of last activity, in ms; the ids say the order of making. */
  async function listed(times: readonly number[]): Promise<{ guest: Guest; ids: string[] }> {
    const guest = await Guest.arrive()
    const ids: string[] = []
    for (const time of times) {
      const id = crypto.randomUUID()
      const at = new Date(time).toISOString()
      const entry = {
        id,
        ownerId: guest.userId,
        title: '',
        createdAt: at,
        lastActivityAt: at,
        messageCount: 0,
      }
      await putConversation(env.DB, entry, 1)
      ids.push(id)
    }
    return { guest, ids }
  }

  async function pages(guest: Guest, limit: number): Promise<Conversation[][]> {
    const found: Conversation[][] = []
    let next: string | null = null
    do {
      const query = new URLSearchParams({ limit: String(limit), ...(next !== null && { cursor: next }) })
      const response = await guest.request('GET', `/api/conversations?${query.toString()}`)
      const page = conversationPage.parse(await response.json())
      found.push(page.conversations)
      next = page.next
    } while (next !== null)
    return found
  }

  test.each([1, 2, 3, 7, 100])(
    'shows each once, newest first, also where times are equal: %i',
    async (limit) => {
      const NOW = Date.parse('2026-11-20T10:00:00Z')
      const times = [5, 3, 3, 3, 9, 3, 1, 9, 9, 2].map((offset) => NOW + offset)
      const { guest, ids } = await listed(times)
      const found = await pages(guest, limit)
      expect(found.every((page) => page.length <= limit)).toBe(true)
      const order = ids
        .map((id, index) => ({ id, at: times[index] ?? 0 }))
        .toSorted((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1))
      expect(found.flat().map((each) => each.id)).toEqual(order.map((each) => each.id))
      expect(found.length).toBe(Math.ceil(ids.length / limit))
    },
  )

  test('is not upset by what becomes newer meanwhile', async () => {
    const NOW = Date.parse('2026-11-20T10:00:00Z')
    const { guest, ids } = await listed([1, 2, 3, 4, 5, 6].map((offset) => NOW + offset))
    const first = conversationPage.parse(
      await (await guest.request('GET', '/api/conversations?limit=3')).json(),
    )
    const entry = first.conversations[1]
    if (!entry) throw new Error('there is no second')
    await putConversation(env.DB, { ...entry, lastActivityAt: new Date(NOW + 99).toISOString() }, 2)
    const response = await guest.request('GET', `/api/conversations?limit=3&cursor=${first.next}`)
    const second = conversationPage.parse(await response.json())
    expect(second.conversations.map((each) => each.id)).toEqual([ids[2], ids[1], ids[0]])
  })

  test("never shows another's", async () => {
    const { guest } = await listed([1, 2, 3])
    const other = await listed([1, 2, 3])
    const own = (await pages(other.guest, 2)).flat()
    expect(own.map((each) => each.ownerId)).toEqual(Array(3).fill(other.guest.userId))
    // A cursor says where, never whose.
    const mine = conversationPage.parse(
      await (await guest.request('GET', '/api/conversations?limit=1')).json(),
    )
    const response = await other.guest.request('GET', `/api/conversations?cursor=${mine.next}`)
    const page = conversationPage.parse(await response.json())
    expect(page.conversations.every((each) => each.ownerId === other.guest.userId)).toBe(true)
  })

  test.each(['x', '~', `zz~${crypto.randomUUID()}x`, '1~2', "1~' OR 1=1", '~'.repeat(201)])(
    'E1 a cursor that is none of ours is refused: %s',
    async (cursor) => {
      const guest = await Guest.arrive()
      const query = new URLSearchParams({ cursor })
      const response = await guest.request('GET', `/api/conversations?${query.toString()}`)
      expect(response.status).toBe(422)
      expect(await problemOf(response)).toMatchObject({ code: 'validation_failed', field: 'cursor' })
    },
  )

  test('a page deep in the list reads its own rows and no others: by the index, never by OFFSET', async () => {
    const statements: { sql: string; values: unknown[] }[] = []
    const db = new Proxy(env.DB, {
      get(target, name) {
        if (name !== 'prepare') return Reflect.get(target, name) as unknown
        return (sql: string) => {
          const prepared = target.prepare(sql)
          return new Proxy(prepared, {
            get(statement, method) {
              const value = Reflect.get(statement, method) as (...args: unknown[]) => unknown
              return (...args: unknown[]) => {
                if (method === 'bind') statements.push({ sql, values: args })
                return value.apply(statement, args)
              }
            },
          })
        }
      },
    })
    const NOW = Date.parse('2026-11-20T10:00:00Z')
    const { guest, ids } = await listed(Array.from({ length: 40 }, (_, i) => NOW + i))
    const end = { lastActivityAt: NOW + 5, id: ids[5] ?? '' }
    const page = await listConversations(db, guest.userId, 3, end)
    expect(page.conversations.map((each) => each.id)).toEqual([ids[4], ids[3], ids[2]])

    const [statement] = statements
    if (!statement) throw new Error('nothing was asked')
    expect(statement.sql).not.toMatch(/offset/i)
    const plan = await env.DB.prepare(`EXPLAIN QUERY PLAN ${statement.sql}`)
      .bind(...statement.values)
      .all<{ detail: string }>()
    const details = plan.results.map((row) => row.detail).join('\n')
    expect(details).toMatch(/SEARCH conversations USING (COVERING )?INDEX conversations_by_activity/)
    expect(details).toMatch(/last_activity_at</)
    expect(details).not.toMatch(/TEMP B-TREE|SCAN/)
    const read = await env.DB.prepare(statement.sql)
      .bind(...statement.values)
      .run()
    expect(read.meta.rows_read).toBeLessThanOrEqual(10)
  })
})
