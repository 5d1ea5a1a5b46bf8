/**
 * People with small plans: guests whose limiter object was given one of the plans that the tests' configuration adds, and
 * what is asked about them. Rows are counted on the object's own database.
 */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import type { ConversationObject } from '../../src/conversation/conversation-object.ts'
import type { LimiterObject } from '../../src/limits/limiter-object.ts'
import { usageAnswer, type Quota, type UsageAnswer } from '../../src/protocol/usage.ts'
import { Guest, stubOf } from './worker-guest.ts'

export const limiterOf = (userId: string): DurableObjectStub<LimiterObject> =>
  env.LIMITER.get(env.LIMITER.idFromName(userId))

/** @param plan of `PLANS` in test/vitest.config.ts */
export async function guestWith(plan: string): Promise<Guest> {
  const guest = await Guest.arrive()
  await limiterOf(guest.userId).setPlan(plan)
  return guest
}

/** What turns of the default model cost, as MODEL_PRICES in test/vitest.config.ts has it; each is rounded up. */
export function costUsdOf(
  ...turns: { readonly inputTokens: number; readonly outputTokens: number }[]
): number {
  const micros = turns.map(({ inputTokens, outputTokens }) => Math.ceil(inputTokens * 0.1 + outputTokens * 2))
  return micros.reduce((sum, each) => sum + each, 0) / 1e6
}

export async function usageOf(guest: Guest): Promise<UsageAnswer> {
  const response = await guest.request('GET', '/api/usage')
  return usageAnswer.parse(await response.json())
}

export async function quotaOf(guest: Guest, name: Quota['name']): Promise<Quota | undefined> {
  return (await usageOf(guest)).quotas.find((quota) => quota.name === name)
}

/** Tells D1 and the limiters what the conversation has not told them yet: what the alarm does when nobody waits for it. */
export async function tellAll(conversationId: string): Promise<void> {
  await runInDurableObject(stubOf(conversationId), (object) =>
    (object as unknown as ConversationObject).alarm(),
  )
}

/** Counts the rows that a person's limiter writes during `work`. */
export async function rowsWrittenBy(userId: string, work: () => Promise<unknown>): Promise<number> {
  const cursors: { readonly rowsWritten: number }[] = []
  const restore = await runInDurableObject(limiterOf(userId), (_object, { storage: { sql } }) => {
    const exec = sql.exec.bind(sql)
    sql.exec = <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: unknown[]) => {
      const cursor = exec<T>(query, ...bindings)
      cursors.push(cursor)
      return cursor
    }
    return () => {
      sql.exec = exec
    }
  })
  try {
    await work()
    return cursors.reduce((sum, cursor) => sum + cursor.rowsWritten, 0)
  } finally {
    await runInDurableObject(limiterOf(userId), () => restore())
  }
}

export async function tablesOf(userId: string): Promise<string[]> {
  return await runInDurableObject(limiterOf(userId), (_object, { storage }) =>
    storage.sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
      .toArray()
      .map(({ name }) => name),
  )
}
