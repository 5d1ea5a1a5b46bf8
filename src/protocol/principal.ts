/**
 * Who is asking, as derived from a verified token; passed from the Worker to a conversation, and kept with its sockets.
 * Never read from what a client says of itself.
 */
import * as z from 'zod'

export const role = z.enum(['guest', 'user', 'moderator', 'admin', 'service'])

export const principal = z.object({
  userId: z.string().min(1).max(128),
  name: z.string().max(64),
  role,
  kind: z.enum(['user', 'guest', 'service']),
  /** Name of the plan whose quotas apply; absent: that of the kind. */
  plan: z.string().max(32).optional(),
  /** The session of this device, for people with an account of ours. */
  sessionId: z.string().max(64).optional(),
  /** When the proof of this was made and when it ends, in seconds since the epoch. */
  issuedAt: z.int().optional(),
  expiresAt: z.int().optional(),
  /** Whose quotas a machine draws on: those of who made its key. */
  ownerId: z.string().max(128).optional(),
  /** What a machine's key is limited to. */
  scopes: z.array(z.string().max(32)).max(16).optional(),
})
export type Principal = z.infer<typeof principal>

/** Carries the verified principal, as JSON, with a socket's upgrade request from the Worker to the conversation. */
export const PRINCIPAL_HEADER = 'x-parley-principal'
