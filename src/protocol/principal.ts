/**
 * Who is asking, as derived from a verified token; passed from the Worker to a conversation, and kept with its sockets.
 * Never read from what a client says of itself.
 */
import * as z from 'zod'

export const principal = z.object({
  userId: z.string().min(1).max(128),
  name: z.string().max(64),
  role: z.enum(['guest', 'user', 'moderator', 'admin', 'service']),
  kind: z.enum(['user', 'guest', 'service']),
})
export type Principal = z.infer<typeof principal>

/** Carries the verified principal, as JSON, with a socket's upgrade request from the Worker to the conversation. */
export const PRINCIPAL_HEADER = 'x-parley-principal'
