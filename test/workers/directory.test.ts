/**
 * What D1 knows of conversations: told by them, in time and in order, also when it was down; and what is left of a
 * conversation that was deleted, which is nothing. D1 fails here for one conversation at a time, by a trigger.
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { conversationPage } from '../../src/protocol/http.ts'
import type { Conversation } from '../../src/protocol/message.ts'
import { listConversations, putConversation, removeConversation } from '../../src/storage/directory.ts'
import { expectedText } from '../support/model-text.ts'
import { readSse } from './sse-reading.ts'
import { Guest, message, model, problemOf, stubOf, unique } from './worker-guest.ts'

/** As in vitest.config.ts. */
const WATCHDOG_MS = 120_000

async function setUp() {
  const guest = await Guest.arrive()
  return { guest, id: await guest.createConversation() }
}

async function listOf(guest: Guest): Promise<Conversation[]> {
  return conversationPage.parse(await (await guest.request('GET', '/api/conversations')).json()).conversations
}

/** D1 refuses what is said of this conversation, until the result is called. */
async function breakD1(id: string, on: 'INSERT' | 'DELETE'): Promise<() => Promise<void>> {
  const name = `broken_${on}_${id.replaceAll('-', '')}`
  const row = on === 'INSERT' ? 'NEW' : 'OLD'
  await env.DB.prepare(
    `CREATE TRIGGER ${name} BEFORE ${on} ON conversations WHEN ${row}.id = '${id}' BEGIN SELECT RAISE(ABORT, 'D1 is down'); END`,
  ).run()
  return async () => void (await env.DB.prepare(`DROP TRIGGER ${name}`).run())
}

const alarmOf = (id: string): Promise<number | null> =>
  runInDurableObject(stubOf(id), (_, { storage }) => storage.getAlarm())

/** Tables of ours in a conversation's database. */
const tablesOf = (id: string): Promise<string[]> =>
  runInDurableObject(stubOf(id), (_, { storage }) =>
    storage.sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'")
      .toArray()
      .map((row) => row.name),
  )

describe('the list', () => {
  test('shows a conversation as soon as it was created, and not any more when it was deleted', async () => {
    const { guest, id } = await setUp()
    expect(await listOf(guest)).toMatchObject([{ id, title: '', messageCount: 0, ownerId: guest.userId }])
    expect((await guest.request('DELETE', `/api/conversations/${id}`)).status).toBe(204)
    expect(await listOf(guest)).toEqual([])
  })

  test('is told of every turn: the first words for a title, the count and the time', async () => {
    const { guest, id } = await setUp()
    const [before] = await listOf(guest)
    await guest.chat({ conversationId: id, message: `What is\nthis? ${message(unique(), 'text=ok')}` })
    await vi.waitUntil(async () => (await listOf(guest))[0]?.messageCount === 2, { timeout: 4_000 })
    const [after] = await listOf(guest)
    expect(after?.title.startsWith('What is this? ')).toBe(true)
    expect(Date.parse(after?.lastActivityAt ?? '')).toBeGreaterThanOrEqual(
      Date.parse(before?.lastActivityAt ?? ''),
    )
    expect(after).toEqual(await (await guest.request('GET', `/api/conversations/${id}`)).json())
  })

  test('a renaming is there when it is answered, and its title stays when more is said', async () => {
    const { guest, id } = await setUp()
    await guest.request('PATCH', `/api/conversations/${id}`, { title: '  My   title ' })
    expect(await listOf(guest)).toMatchObject([{ title: 'My title' }])
    await guest.chat({ conversationId: id, message: message(unique(), 'text=ok') })
    await vi.waitUntil(async () => (await listOf(guest))[0]?.messageCount === 2, { timeout: 4_000 })
    expect(await listOf(guest)).toMatchObject([{ title: 'My title' }])
  })

  test('an entry that comes late never undoes a newer one', async () => {
    const { guest, id } = await setUp()
    const [entry] = await listOf(guest)
    if (!entry) throw new Error('it is not listed')
    await putConversation(env.DB, { ...entry, title: 'new' }, 9)
    await putConversation(env.DB, { ...entry, title: 'old' }, 8)
    expect(await listOf(guest)).toMatchObject([{ id, title: 'new' }])
    await putConversation(env.DB, { ...entry, title: 'same seq, again' }, 9)
    expect(await listOf(guest)).toMatchObject([{ title: 'same seq, again' }])
    await removeConversation(env.DB, id)
    await removeConversation(env.DB, id)
    expect(await listOf(guest)).toEqual([])
  })
})

describe('when D1 is down', () => {
  test('a turn is answered all the same; an alarm tells D1 when it is back', async () => {
    const { guest, id } = await setUp()
    const repair = await breakD1(id, 'INSERT')
    const socket = await guest.join(id)
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
    expect(await guest.messages(id)).toHaveLength(2)
    // The attempt that fails brings the alarm forward: from the watchdog's time to that of a first retry.
    await vi.waitUntil(async () => ((await alarmOf(id)) ?? Infinity) < Date.now() + 10_000, {
      timeout: 4_000,
    })
    expect(await listOf(guest)).toMatchObject([{ messageCount: 0 }])
    await repair()
    await runDurableObjectAlarm(stubOf(id))
    expect(await listOf(guest)).toMatchObject([{ messageCount: 2 }])
  })

  test('each failure makes the next wait longer', async () => {
    const { guest, id } = await setUp()
    const repair = await breakD1(id, 'INSERT')
    const waits: number[] = []
    for (let i = 0; i < 5; i++) {
      const before = Date.now()
      await guest.request('PATCH', `/api/conversations/${id}`, { title: `Title ${i}` })
      waits.push(Math.round((((await alarmOf(id)) ?? 0) - before) / 1_000))
    }
    expect(waits).toEqual([1, 2, 4, 8, 16])
    await repair()
    await runDurableObjectAlarm(stubOf(id))
    expect(await listOf(guest)).toMatchObject([{ title: 'Title 4' }])
  })

  test('T4 a turn that runs is watched as closely as ever, however long D1 has been down', async () => {
    const { guest, id } = await setUp()
    const repair = await breakD1(id, 'INSERT')
    // Nine failures: the next attempt is more than four minutes away.
    for (let i = 0; i < 9; i++) {
      await guest.request('PATCH', `/api/conversations/${id}`, { title: `Title ${i}` })
    }
    const gate = unique()
    const socket = await guest.join(id)
    await socket.chat(message(gate, `text=ok gate=${gate}`))
    await guest.request('PATCH', `/api/conversations/${id}`, { title: 'The tenth failure' })
    expect(((await alarmOf(id)) ?? Infinity) - Date.now()).toBeLessThanOrEqual(WATCHDOG_MS)
    await model.openGate(gate)
    await socket.next('stream_complete')
    await repair()
  })

  test('T1 a conversation is created and answered without D1, and listed later', async () => {
    const guest = await Guest.arrive()
    const key = unique()
    const first = await guest.chat({ message: message(unique(), 'text=ok'), idempotencyKey: key })
    const repair = await breakD1(first.conversationId, 'INSERT')
    const answer = await guest.chat({
      conversationId: first.conversationId,
      message: message(unique(), 'text=still'),
    })
    expect(answer.message.parts[0]?.text).toBe('still')
    await repair()
    await runDurableObjectAlarm(stubOf(first.conversationId))
    expect(await listOf(guest)).toMatchObject([{ messageCount: 4 }])
  })
})

describe('deleting', () => {
  test('C2 tells everyone, closes their sockets with 4410, and leaves nothing', async () => {
    const { guest, id } = await setUp()
    await guest.chat({ conversationId: id, message: message(unique(), 'text=ok') })
    const sockets = [await guest.join(id), await guest.join(id, { compact: true })]
    expect((await guest.request('DELETE', `/api/conversations/${id}`)).status).toBe(204)
    for (const socket of sockets) {
      expect(await socket.closed).toBe(4410)
      expect(socket.received.at(-1)).toEqual({ type: 'conversation_deleted', conversationId: id })
    }
    expect(await tablesOf(id)).toEqual([])
    expect(await alarmOf(id)).toBeNull()
    const gone = await guest.request('GET', `/api/conversations/${id}`)
    const never = await guest.request('GET', `/api/conversations/${crypto.randomUUID()}`)
    expect(await problemOf(gone)).toEqual(await problemOf(never))
    expect((await guest.upgrade(id, await guest.ticket())).status).toBe(404)
  })

  test('C2 a socket that never joined is told by its next frame that there is nothing', async () => {
    const { guest, id } = await setUp()
    const socket = await guest.connect(id)
    await guest.request('DELETE', `/api/conversations/${id}`)
    socket.send({ type: 'join_conversation' })
    expect(await socket.next('error')).toMatchObject({ code: 'not_found' })
  })

  test('C2 T2 ends the call of the model, and whoever waits for an answer hears of it', async () => {
    const { guest, id } = await setUp()
    const tag = unique()
    const content = message(tag, `tokens=100 gate=${tag} after=20`)
    const byHttp = guest.request('POST', '/api/chat', {
      conversationId: id,
      message: content,
      idempotencyKey: 'k',
    })
    const socket = await guest.join(id)
    await socket.until(
      () => socket.all('stream_chunk').length > 0 || socket.all('conversation_joined').length > 0,
    )
    await model.wait({ match: tag, state: 'streaming' })
    const bySse = await guest.request('GET', `/api/conversations/${id}/messages/m1/stream`)
    const reading = expect(readSse(bySse)).rejects.toThrow()
    const waiting = await guest.request('POST', '/api/chat/stream', {
      conversationId: id,
      message: message(unique(), 'text=never'),
    })
    const readingToo = expect(readSse(waiting)).rejects.toThrow()
    await guest.request('DELETE', `/api/conversations/${id}`)
    await model.wait({ match: tag, state: 'aborted' })
    expect((await byHttp).status).toBe(404)
    await Promise.all([reading, readingToo])
    expect(await tablesOf(id)).toEqual([])
  })

  test('C2 is done once, however often it is asked for at once; the others hear that there is nothing', async () => {
    const { guest, id } = await setUp()
    const responses = await Promise.all(
      Array.from({ length: 10 }, () => guest.request('DELETE', `/api/conversations/${id}`)),
    )
    const statuses = responses.map((response) => response.status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([204, ...Array<number>(9).fill(404)])
  })

  test('C2 without D1 the conversation is unknown at once, and D1 is told by an alarm', async () => {
    const { guest, id } = await setUp()
    const repair = await breakD1(id, 'DELETE')
    await guest.request('DELETE', `/api/conversations/${id}`)
    expect((await guest.request('GET', `/api/conversations/${id}`)).status).toBe(404)
    expect((await guest.request('POST', '/api/chat', { conversationId: id, message: 'Hi' })).status).toBe(404)
    await runDurableObjectAlarm(stubOf(id))
    expect(await tablesOf(id)).not.toEqual([])
    expect(await alarmOf(id)).not.toBeNull()
    await repair()
    await runDurableObjectAlarm(stubOf(id))
    expect(await tablesOf(id)).toEqual([])
    expect(await alarmOf(id)).toBeNull()
    expect(await listOf(guest)).toEqual([])
  })

  test('I4 with its key it can be made anew, and knows nothing of before', async () => {
    const guest = await Guest.arrive()
    const [key, tag] = [unique(), unique()]
    const send = () => guest.chat({ message: message(tag, 'text=ok'), idempotencyKey: key })
    const first = await send()
    await guest.request('DELETE', `/api/conversations/${first.conversationId}`)
    const second = await send()
    expect(second.conversationId).toBe(first.conversationId)
    expect(await guest.messages(second.conversationId)).toHaveLength(2)
    expect(await model.wait({ match: tag, count: 2 })).toHaveLength(2)
    expect(await listOf(guest)).toHaveLength(1)
  })

  test('C2 a turn that still runs elsewhere writes nothing afterwards', async () => {
    const { guest, id } = await setUp()
    const content = message(unique(), 'tokens=400 delay=1')
    const socket = await guest.join(id)
    await socket.chat(content)
    await socket.next('stream_chunk', (frame) => frame.offset > 100)
    await guest.request('DELETE', `/api/conversations/${id}`)
    await socket.closed
    await model.wait({ match: content, state: 'aborted' })
    expect(await tablesOf(id)).toEqual([])
    const shown = socket.all('stream_chunk').map((frame) => frame.delta)
    expect(expectedText(content).startsWith(shown.join(''))).toBe(true)
  })
})

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
