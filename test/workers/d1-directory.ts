/**
 * The directory of conversations in D1: as a guest is shown it, and out of order for one conversation at a time, by a
 * trigger, so that the tests beside it are not hit.
 */
import { env } from 'cloudflare:workers'
import { conversationPage } from '../../src/protocol/http.ts'
import type { Conversation } from '../../src/protocol/message.ts'
import type { Guest } from './worker-guest.ts'

export async function listOf(guest: Guest): Promise<Conversation[]> {
  return conversationPage.parse(await (await guest.request('GET', '/api/conversations')).json()).conversations
}

/** D1 refuses what is said of this conversation, until the result is called. */
export async function breakD1(id: string, on: 'INSERT' | 'DELETE'): Promise<() => Promise<void>> {
  const name = `broken_${on}_${id.replaceAll('-', '')}`
  const row = on === 'INSERT' ? 'NEW' : 'OLD'
  await env.DB.prepare(
    `CREATE TRIGGER ${name} BEFORE ${on} ON conversations WHEN ${row}.id = '${id}' BEGIN SELECT RAISE(ABORT, 'D1 is down'); END`,
  ).run()
  return async () => void (await env.DB.prepare(`DROP TRIGGER ${name}`).run())
}
