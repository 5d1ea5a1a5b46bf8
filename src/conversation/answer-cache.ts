/**
 * Answers that were given before to exactly the same question: which requests may have one, under which key, and what is
 * kept of an answer. Where they lie is behind the port.
 *
 * A key holds everything that the answer depends on, and whose it is unless the agent says that everyone may have it: so
 * no answer crosses from one person to another by mistake, and none outlives a change of the agent.
 */
import type { Agent } from '../agents/registry.ts'
import type { ModelMessage } from '../models/model.ts'
import type { FinishReason } from '../protocol/message.ts'

export interface CachedAnswer {
  readonly text: string
  readonly model: string
  readonly finishReason: FinishReason
}

export interface AnswerCache {
  /**
   * @param stale also one whose time is over, as long as it is still there: for when nobody can answer
   * @returns null when there is none, or when the store does not answer: a cache must not fail a turn
   */
  get(key: string, stale: boolean): Promise<CachedAnswer | null>
  put(key: string, answer: CachedAnswer, ttlMs: number, ownerId: string | null): Promise<void>
}

/** For an installation without cacheable agents, and for tests. */
export const NO_CACHE: AnswerCache = { get: () => Promise.resolve(null), put: () => Promise.resolve() }

/**
 * Whether the answer to this request is anybody's who asks the same: the agent says so, and nothing but the question itself
 * is in the context, for what was said before is personal.
 *
 * @param messages the system prompt first
 */
export function isCacheable(agent: Agent, messages: readonly ModelMessage[]): boolean {
  return agent.cache !== null && messages.length === 2 && messages[1]?.role === 'user'
}

/** @param ownerId whose answers these are: who pays for the turn */
export async function cacheKey(
  agent: Agent,
  model: string,
  messages: readonly ModelMessage[],
  ownerId: string,
): Promise<string> {
  const scope = agent.cache?.isPublic ? 'public' : `of:${ownerId}`
  const said = messages.map(({ role, content }) => [role, normalised(content)])
  const text = JSON.stringify([scope, agent.id, agent.version, model, said])
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * Composed the same way, and without what only keyboards and forms add. Nothing that could be meant is touched: `x²` is not
 * `x2`, and white space inside a text may be a program's.
 */
function normalised(content: string): string {
  return content
    .normalize('NFC')
    .replace(/[^\S\n]*\r?\n/g, '\n')
    .trim()
}
