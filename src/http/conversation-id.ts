/**
 * The ids of new conversations. With an idempotency key the id follows from the key, so that the same request sent
 * twice leads to the same conversation without anything being stored for it.
 */

/** A new conversation for a message; with a key, the same one each time (rule I4). Another person's key leads elsewhere. */
export async function conversationOf(userId: string, idempotencyKey: string | undefined): Promise<string> {
  return idempotencyKey === undefined ? crypto.randomUUID() : derive(`${userId}\n${idempotencyKey}`)
}

/** A conversation created by itself (rule I5): its keys and those of messages never meet. */
export async function createdConversationOf(
  userId: string,
  idempotencyKey: string | undefined,
): Promise<string> {
  // Neither part holds a line break, so no key of a message reads like this.
  return idempotencyKey === undefined
    ? crypto.randomUUID()
    : derive(`create conversation\n${userId}\n${idempotencyKey}`)
}

async function derive(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  const hex = [...new Uint8Array(digest).slice(0, 16)]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  // RFC 9562 version 8: a UUID of one's own making.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
