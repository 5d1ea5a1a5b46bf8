/**
 * Keeps unacknowledged messages over a reload of the page, so that what was typed offline is not lost with the tab's
 * memory. They are kept per tab (`sessionStorage`); should two tabs send the same one, it is still one message (rule I3).
 */
import * as z from 'zod'
import { limitReached } from '../protocol/limit-reached.ts'
import { turnError } from '../protocol/message.ts'
import type { PendingMessage } from './conversation-state.ts'
import type { KeyValueStore } from './environment.ts'

const stored = z.array(
  z.object({
    id: z.string(),
    content: z.string(),
    createdAt: z.string(),
    state: z.enum(['waiting', 'sending', 'failed']),
    error: turnError.extend({ limit: limitReached.optional() }).optional(),
  }),
)

const keyOf = (conversationId: string) => `parley.pending.${conversationId}`

export function loadPending(store: KeyValueStore, conversationId: string): PendingMessage[] {
  try {
    const messages = stored.parse(JSON.parse(store.getItem(keyOf(conversationId)) ?? '[]'))
    // Whether it arrived is not known any more, so it is to be sent again.
    return messages.map(({ error, ...sent }) => ({
      ...sent,
      ...(sent.state === 'sending' ? { state: 'waiting' as const } : error && { error }),
    }))
  } catch {
    store.removeItem(keyOf(conversationId))
    return []
  }
}

export function savePending(
  store: KeyValueStore,
  conversationId: string,
  pending: readonly PendingMessage[],
): void {
  const kept = pending.filter((sent) => sent.state !== 'accepted')
  if (kept.length === 0) return store.removeItem(keyOf(conversationId))
  try {
    store.setItem(keyOf(conversationId), JSON.stringify(kept))
  } catch {
    // The store is full: the messages are still in memory, which is where they are sent from.
  }
}
