/**
 * Makes a conversation shorter that a model found too long: the older half of it goes.
 *
 * What stands at the beginning for every request (the system prompt) stays there, in its order, so that a provider's
 * prompt cache still knows it; the message that is answered stays as well. Pure.
 */
import type { ModelMessage } from './model.ts'

/** @returns null when there is nothing left to leave out */
export function trimContext(messages: readonly ModelMessage[]): readonly ModelMessage[] | null {
  const last = messages.length - 1
  const talk = messages.flatMap((message, at) => (message.role === 'system' || at === last ? [] : [at]))
  if (talk.length === 0) return null
  let dropped = Math.ceil(talk.length / 2)
  // An answer whose question is gone says nothing, and some servers refuse to begin with one.
  while (dropped < talk.length && messages[talk[dropped] ?? last]?.role !== 'user') dropped += 1
  const gone = new Set(talk.slice(0, dropped))
  return messages.filter((_, at) => !gone.has(at))
}
