/**
 * Erasures as tests drive them: the object of a person's erasure, its alarm called piece by piece, and what is left of a
 * person anywhere.
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { receipt, type Receipt } from '../../src/protocol/privacy.ts'
import { ask, stubOf } from './worker-guest.ts'

export const erasureOf = (userId: string) => env.ERASURES.get(env.ERASURES.idFromName(userId))

export async function receiptOf(id: string): Promise<Receipt> {
  return receipt.parse(await (await ask(`/api/erasures/${id}`)).json())
}

/** Carries the job on until its receipt says that it is done. @param between what happens before each piece */
export async function untilErased(
  userId: string,
  receiptId: string,
  between: () => Promise<void> = async () => {},
): Promise<{ receipt: Receipt; pieces: number }> {
  for (let pieces = 0; pieces < 200; pieces++) {
    const now = await receiptOf(receiptId)
    if (now.state === 'finished') return { receipt: now, pieces }
    await between()
    await runDurableObjectAlarm(erasureOf(userId))
  }
  throw new Error('the erasure does not come to an end')
}

/** Names of the tables of D1 in which this text stands anywhere. */
export async function tablesWith(text: string): Promise<string[]> {
  const { results: tables } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
  ).all<{ name: string }>()
  const found: string[] = []
  for (const { name } of tables) {
    const { results } = await env.DB.prepare(`SELECT * FROM "${name}"`).all()
    if (JSON.stringify(results).includes(text)) found.push(name)
  }
  return found
}

/** All rows of all tables of a conversation's own database, as one text. */
export function contentOf(conversationId: string): Promise<string> {
  return runInDurableObject(stubOf(conversationId), (_, { storage }) => {
    const tables = storage.sql
      .exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'",
      )
      .toArray()
    return JSON.stringify(tables.map(({ name }) => storage.sql.exec(`SELECT * FROM "${name}"`).toArray()))
  })
}
