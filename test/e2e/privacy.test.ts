/**
 * The right to take one's data away, on a whole installation that is killed in the middle: an erasure that was asked for
 * comes to its end after the restart, without anybody asking again, and then nothing of that person is on the disk.
 */
import { DatabaseSync } from 'node:sqlite'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { World } from '../support/parley-world.ts'
import { storedTables } from '../support/stored-conversation.ts'
import { eraseAnswer, exported, receipt, type Receipt } from '../../src/protocol/privacy.ts'

/** Enough for an erasure to be under way when the process is killed. */
const CONVERSATIONS = 60
const LOOK_MS = 50

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world?.end())

async function receiptAt(statusUrl: string): Promise<Receipt> {
  return receipt.parse(await (await fetch(world.url + statusUrl)).json())
}

/** Names of the tables of local D1 in which the text stands. */
function d1TablesWith(text: string): string[] {
  const folder = join(world.persistDir, 'v3/d1/miniflare-D1DatabaseObject')
  const files = existsSync(folder)
    ? readdirSync(folder).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
    : []
  expect(files).toHaveLength(1)
  const db = new DatabaseSync(join(folder, files[0] ?? ''), { readOnly: true })
  try {
    const tables = db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
      .all()
    return tables
      .map(({ name }) => String(name))
      .filter((name) => !name.startsWith('_cf'))
      .filter((name) => JSON.stringify(db.prepare(`SELECT * FROM "${name}"`).all()).includes(text))
  } finally {
    db.close()
  }
}

describe('an erasure', () => {
  test('that is killed in its middle comes to its end, and leaves nothing', async () => {
    const person = await world.user()
    for (let i = 0; i < CONVERSATIONS; i++) await person.newConversation()
    const { conversationId } = await person.chat({ message: 'my-secret-words [[text=ok]]' })
    const taken = await person.json(exported, 'GET', '/api/me/export')
    expect(taken.conversations).toHaveLength(CONVERSATIONS + 1)
    expect(JSON.stringify(taken)).toContain('my-secret-words')

    const { statusUrl } = await person.json(eraseAnswer, 'DELETE', '/api/me', { body: {} })
    await world.kill()
    await world.startParley()
    expect((await person.request('GET', '/api/conversations')).status).toBe(401)
    let killed = 1
    let now = await receiptAt(statusUrl)
    while (now.state === 'running') {
      // Again, wherever it stands: each life gets a little further.
      if (killed < 3) {
        await world.kill()
        await world.startParley()
        killed++
      }
      await pause(LOOK_MS)
      now = await receiptAt(statusUrl)
    }
    expect(now.removed).toMatchObject({ conversations: CONVERSATIONS + 1, memberships: 0, messages: 0 })

    await world.kill()
    for (const text of [person.id, 'my-secret-words', conversationId]) expect(d1TablesWith(text)).toEqual([])
    const left = [...storedTables(world.persistDir, 'ConversationObject').values()].filter(
      ({ length }) => length > 0,
    )
    expect(left).toEqual([])
  })
})
