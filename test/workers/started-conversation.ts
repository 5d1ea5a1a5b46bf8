/**
 * Conversations in the states from which tests set out: new, joined, with a finished turn, with a turn that is held in
 * its middle. What a test does with one is its own.
 */
import { expectedText } from '../support/model-text.ts'
import type { TestSocket } from './test-socket.ts'
import { Guest, message, unique } from './worker-guest.ts'

/** A guest with a conversation of theirs. */
export async function newConversation(title?: string): Promise<{ guest: Guest; id: string }> {
  const guest = await Guest.arrive()
  return { guest, id: await guest.createConversation(title) }
}

/** The same, with a socket that has joined. */
export async function joinedConversation(): Promise<{ guest: Guest; id: string; socket: TestSocket }> {
  const { guest, id } = await newConversation('A title')
  return { guest, id, socket: await guest.join(id) }
}

/** A conversation with one finished turn, three events. */
export async function answered(text = 'Hello') {
  const all = await newConversation('A title')
  await all.guest.chat({ conversationId: all.id, message: message(unique(), `text="${text}"`) })
  return all
}

/** A conversation whose only turn has said `shown` tokens of `tokens` and waits at a gate. */
export async function held(tokens = 100, shown = 40) {
  const all = await newConversation('A title')
  const gate = unique()
  const content = message(gate, `tokens=${tokens} gate=${gate} after=${shown}`)
  const socket = await all.guest.join(all.id)
  const { turnId } = await socket.chat(content)
  const partial = expectedText(content, shown)
  await socket.until(
    () => socket.all('stream_chunk').reduce((n, f) => n + f.delta.length, 0) === partial.length,
  )
  return { ...all, gate, content, socket, turnId, partial, whole: expectedText(content) }
}
