/**
 * What a conversation costs in rows, and what it costs to read: rows written are paid for, an id that nobody created
 * costs nothing, and a long conversation is read as cheaply as a short one.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test, vi } from 'vitest'
import { messagePage } from '../../src/protocol/http.ts'
import { PAGE_CHARS } from '../../src/protocol/limits.ts'
import type { Message } from '../../src/protocol/message.ts'
import { readSse } from './sse-reading.ts'
import { Guest, message, model, stubOf, unique } from './worker-guest.ts'

interface Cost {
  /** As they are paid for: an index entry is a row, and so is an alarm that is set. */
  readonly written: number
  readonly read: number
}

/** Counts what a conversation's object reads and writes, while it lives, by what its database says of each statement. */
async function meter(id: string): Promise<() => Promise<Cost>> {
  const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = []
  let alarms = 0
  await runInDurableObject(stubOf(id), (_, { storage }) => {
    const { sql } = storage
    const exec = sql.exec.bind(sql)
    const setAlarm = storage.setAlarm.bind(storage)
    Object.assign(sql, {
      exec(query: string, ...bindings: unknown[]) {
        const cursor = exec(query, ...bindings)
        if (query !== IS_SETTLED) cursors.push(cursor)
        return cursor
      },
    })
    Object.assign(storage, {
      setAlarm(...args: Parameters<typeof setAlarm>) {
        alarms++
        return setAlarm(...args)
      },
    })
  })
  return () =>
    runInDurableObject(stubOf(id), () => {
      const cost = {
        written: cursors.reduce((sum, cursor) => sum + cursor.rowsWritten, alarms),
        read: cursors.reduce((sum, cursor) => sum + cursor.rowsRead, 0),
      }
      cursors.length = 0
      alarms = 0
      return cost
    })
}

async function setUp(title?: string) {
  const guest = await Guest.arrive()
  const id = await guest.createConversation(title)
  return { guest, id, socket: await guest.join(id) }
}

/** Asked by the test itself, so it is not counted. */
const IS_SETTLED = 'SELECT delivered = (SELECT max(seq) FROM events) AS done FROM marks'

/** Waits until D1 has been told of everything: the last row of an answer. */
async function settled(id: string): Promise<void> {
  const isSettled = () =>
    runInDurableObject(
      stubOf(id),
      (_, { storage }) => storage.sql.exec<{ done: number }>(IS_SETTLED).one().done === 1,
    )
  await vi.waitUntil(isSettled, { timeout: 4_000 })
}

describe('rows written', () => {
  test('ten for a short answer, of which one is the alarm', async () => {
    const { id, socket } = await setUp()
    const cost = await meter(id)
    // The first gives the conversation its title, and D1 may be told of its beginning before its end.
    for (const most of [13, 10, 10]) {
      await socket.chat(message(unique(), 'text=ok'))
      await socket.next('stream_complete')
      await settled(id)
      expect((await cost()).written).toBeLessThanOrEqual(most)
    }
  })

  test('four more for each second of streaming, however many tokens come', async () => {
    const { id, socket } = await setUp('A title')
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
    await settled(id)
    const cost = await meter(id)
    const started = Date.now()
    await socket.chat(message(unique(), 'tokens=600 delay=2'))
    await socket.next('stream_complete')
    const seconds = (Date.now() - started) / 1_000
    await settled(id)
    const { written } = await cost()
    expect(written).toBeGreaterThan(10)
    expect(written).toBeLessThanOrEqual(10 + 4 * seconds)
  })

  test('the text of the next answer takes the place of the last one: what is kept does not grow', async () => {
    const { id, socket } = await setUp('A title')
    const slots: number[] = []
    for (let i = 0; i < 3; i++) {
      await socket.chat(message(unique(), 'tokens=3000 batch=50 delay=0 size=8'))
      await socket.next('stream_complete')
      slots.push(
        await runInDurableObject(
          stubOf(id),
          (_, { storage }) => storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM chunks').one().n,
        ),
      )
    }
    // 24,000 characters are six rows of 4,096, a little fuller or emptier by chance.
    for (const count of slots) expect(count).toBeLessThanOrEqual(10)
  })

  test('none for reading: joining, resuming, paging, following, asking again, stopping what has ended', async () => {
    const { guest, id, socket } = await setUp('A title')
    const content = message(unique(), 'text=ok')
    await socket.chat(content, { id: 'c1' })
    await socket.next('stream_complete')
    await settled(id)
    const cost = await meter(id)
    await guest.join(id)
    await guest.join(id, { after: 0 })
    await guest.messages(id)
    await guest.request('GET', `/api/conversations/${id}`)
    await readSse(await guest.request('GET', `/api/conversations/${id}/messages/m2/stream`))
    await socket.chat(content, { id: 'c1' })
    await guest.chat({ conversationId: id, message: content, idempotencyKey: 'c1' })
    await guest.request('POST', `/api/conversations/${id}/stop`, { turnId: 't2' })
    socket.send({ type: 'typing' })
    await socket.settle()
    expect((await cost()).written).toBe(0)
  })

  test('O8 E1 none for what is refused', async () => {
    const { guest, id, socket } = await setUp('A title')
    const gate = unique()
    await socket.chat(message(gate, `gate=${gate} text=ok`), { id: 'c1' })
    for (let i = 0; i < 16; i++) await socket.chat(message(gate, 'text=ok'))
    const cost = await meter(id)
    for (const frame of [
      { id: 'c2', content: 'One too many' },
      { id: 'c1', content: 'Another content' },
      { id: 'c3', content: ' ' },
      { id: 'c4', content: 'Hi', parentId: 'm999' },
      { id: 'c5', content: 'Hi', agentId: 'nobody' },
    ]) {
      socket.send({ type: 'stream_chat', ...frame })
      await socket.next('error')
    }
    expect((await guest.request('POST', '/api/chat', { conversationId: id, message: 'Hi' })).status).toBe(429)
    expect((await cost()).written).toBe(0)
    await guest.request('DELETE', `/api/conversations/${id}`)
  })
})

describe('an id that nobody created', () => {
  test('E3 costs nothing, however it is asked for', async () => {
    const guest = await Guest.arrive()
    const id = crypto.randomUUID()
    const empty = await runInDurableObject(
      stubOf(crypto.randomUUID()),
      (_, { storage }) => storage.sql.databaseSize,
    )
    const path = `/api/conversations/${id}`
    const responses = [
      await guest.request('GET', path),
      await guest.request('PATCH', path, { title: 'Mine' }),
      await guest.request('DELETE', path),
      await guest.request('GET', `${path}/messages`),
      await guest.request('GET', `${path}/messages/m1/stream`),
      await guest.request('POST', `${path}/stop`, { turnId: 't2' }),
      await guest.request('POST', '/api/chat', { conversationId: id, message: 'Hi' }),
      await guest.request('POST', '/api/chat/stream', { conversationId: id, message: 'Hi' }),
      await guest.upgrade(id, await guest.ticket()),
    ]
    expect(responses.map((response) => response.status)).toEqual(Array(9).fill(404))
    await runInDurableObject(stubOf(id), async (_, { storage }) => {
      expect(storage.sql.exec('SELECT name FROM sqlite_master').toArray()).toEqual([])
      expect(storage.sql.databaseSize).toBe(empty)
      expect(await storage.getAlarm()).toBeNull()
      expect((await storage.list()).size).toBe(0)
    })
    const listed = await (await guest.request('GET', '/api/conversations')).json()
    expect(listed).toEqual({ conversations: [], next: null })
  })
})

describe('paging through messages', () => {
  async function pages(guest: Guest, id: string, limit: number): Promise<Message[][]> {
    const found: Message[][] = []
    for (let before: string | null = ''; before !== null;) {
      const query = new URLSearchParams({ limit: String(limit), ...(before !== '' && { before }) })
      const response = await guest.request('GET', `/api/conversations/${id}/messages?${query.toString()}`)
      const page = messagePage.parse(await response.json())
      found.unshift(page.messages)
      before = page.before
    }
    return found
  }

  const idsOf = (messages: readonly Message[]): string[] => messages.map((each) => each.id)

  test.each([1, 2, 3, 5, 200])('R2 shows each once and in order: %i', async (limit) => {
    const { guest, id, socket } = await setUp()
    for (let i = 0; i < 4; i++) {
      await socket.chat(message(unique(), 'text=ok'))
      await socket.next('stream_complete')
    }
    const found = await pages(guest, id, limit)
    expect(idsOf(found.flat())).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8'])
    for (const page of found.slice(1)) expect(page).toHaveLength(limit)
  })

  test.each([1, 2, 3, 4, 50])('R2 shows each once, also the one that is being written: %i', async (limit) => {
    const { guest, id, socket } = await setUp()
    const gate = unique()
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
    // The last of these overtakes the others: its answer is written while older questions wait.
    await socket.chat(message(gate, `gate=${gate} text=ok`))
    for (let i = 0; i < 3; i++) await socket.chat(message(gate, `gate=${gate}-2 text=ok`))
    await socket.chat(message(gate, `gate=${gate}-2 text=ok`), { priority: 'urgent' })
    const expected = ['m1', 'm2', 'm3', 'm4', 'm5', 'm7', 'm9', 'm11']
    expect(idsOf((await pages(guest, id, limit)).flat())).toEqual(expected)
    await model.openGate(gate)
    await socket.next('stream_start', (frame) => frame.turnId === 't12')
    expect(idsOf((await pages(guest, id, limit)).flat())).toEqual([...expected, 'm12'])
    await model.openGate(`${gate}-2`)
    await socket.until((frames) => frames.filter((frame) => frame.type === 'stream_complete').length === 6)
    expect((await pages(guest, id, limit)).flat()).toHaveLength(12)
  })

  test('a page of long messages is cut by its size, and holds one at least', async () => {
    const { guest, id, socket } = await setUp()
    const filling = 'x'.repeat(20_000)
    for (let i = 0; i < 30; i++) {
      await socket.chat(`${message(unique(), 'text=ok')} ${filling}`)
      await socket.next('stream_complete')
    }
    const found = await pages(guest, id, 200)
    expect(found.length).toBeGreaterThan(1)
    expect(found.flat()).toHaveLength(60)
    for (const page of found) {
      const chars = page.reduce((sum, each) => sum + (each.parts[0]?.text.length ?? 0), 0)
      expect(chars).toBeLessThanOrEqual(PAGE_CHARS)
    }
    const joined = (await guest.join(id)).all('conversation_joined')[0]
    expect(joined?.messages?.at(-1)?.id).toBe('m60')
    expect(joined?.before).toBe(joined?.messages?.[0]?.id)
  })

  test.each([
    'limit=0',
    'limit=201',
    'limit=x',
    'limit=',
    'before=1',
    'before=m0',
    'page=2',
    'limit=1&limit=2',
  ])('E1 what makes no page is refused: %s', async (query) => {
    const { guest, id } = await setUp()
    const response = await guest.request('GET', `/api/conversations/${id}/messages?${query}`)
    expect(response.status).toBe(422)
    const problem = await response.json<{ field: string }>()
    expect(problem.field).toBe(query.split('=')[0])
  })
})

describe('a long conversation', () => {
  /** Adds finished turns by hand: a thousand of them by way of the model would take minutes. */
  async function addTurns(id: string, count: number): Promise<void> {
    await runInDurableObject(stubOf(id), (_, { storage }) => {
      const { sql } = storage
      const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`
      sql.exec(`${numbers} INSERT INTO messages (number, parent, turn, role, status, content, tokens, created_at)
        SELECT 2 * i - 1, nullif(2 * i - 2, 0), 2 * i, 'user', 'completed', 'Question ' || i, 50, 0 FROM n`)
      sql.exec(`${numbers} INSERT INTO messages (number, parent, turn, role, status, content, tokens, created_at)
        SELECT 2 * i, 2 * i - 1, 2 * i, 'assistant', 'completed', 'Answer ' || i, 50, 0 FROM n`)
      sql.exec(`${numbers} INSERT INTO turns (number, asked_by, client_key, state, priority, agent_id, model, attempts, accepted_seq, request_id, created_at)
        SELECT 2 * i, 2 * i - 1, 'key' || i, 'completed', 'normal', 'default', 'test-model', 1, 3 * i - 2, 'r', 0 FROM n`)
      for (const [type, subject, place] of [
        ['message_created', '2 * i - 1', '3 * i - 2'],
        ['stream_start', '2 * i', '3 * i - 1'],
        ['stream_complete', '2 * i', '3 * i'],
      ]) {
        sql.exec(
          `${numbers} INSERT INTO events (seq, type, subject, at) SELECT ${place}, '${type}', ${subject}, 0 FROM n`,
        )
      }
      sql.exec(`UPDATE marks SET delivered = ${3 * count}, settled_turn = ${2 * count}`)
    })
    await evictDurableObject(stubOf(id))
  }

  /** What a turn, a join, a resume, a page and a repeat read. */
  async function costOf(turns: number): Promise<Cost & { bytes: number; asked: number }> {
    const guest = await Guest.arrive()
    const id = await guest.createConversation('A title')
    await addTurns(id, turns)
    const [socket, other] = [await guest.join(id), await guest.join(id)]
    const cost = await meter(id)
    const seen = other.texts.length
    const tag = unique()
    await socket.chat(message(tag, 'text=ok'), { id: 'c1' })
    await socket.next('stream_complete')
    await other.next('stream_complete')
    const bytes = other.texts.slice(seen).join('').length
    await socket.chat(message(tag, 'text=ok'), { id: 'c1' })
    await socket.join({ after: 3 * turns })
    await guest.request('GET', `/api/conversations/${id}/messages?limit=5`)
    await guest.request('GET', `/api/conversations/${id}/messages?limit=5&before=m12`)
    await readSse(await guest.request('GET', `/api/conversations/${id}/messages/m6/stream`))
    await settled(id)
    const [call] = await model.wait({ match: tag })
    return { ...(await cost()), bytes, asked: call?.messages.length ?? 0 }
  }

  test('costs what a middling one costs: rows read and written, and what the others are sent', async () => {
    const middling = await costOf(200)
    const long = await costOf(3_000)
    expect(long.written).toBe(middling.written)
    expect(long.read).toBe(middling.read)
    // Ids and numbers have a digit more.
    expect(long.bytes - middling.bytes).toBeLessThan(30)
    // What the model is asked is bounded by its budget of tokens (8,000 by configuration, 54 a message here), of which up to
    // a quarter is given up for a beginning that lasts.
    for (const { asked } of [middling, long]) {
      expect(asked).toBeLessThanOrEqual(8_000 / 54 + 2)
      expect(asked).toBeGreaterThanOrEqual((8_000 / 54) * 0.75 - 2)
    }
  })
})
