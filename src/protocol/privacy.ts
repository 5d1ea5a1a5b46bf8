/**
 * Taking one's data away: the export, the erasure and its receipt. For the server and the client.
 * An export is one JSON object; it is written as it is read, so what failed stands at its end.
 */
import * as z from 'zod'
import { normalPassword, serviceKey, session } from './accounts.ts'
import { auditEntry } from './admin.ts'
import * as ids from './ids.ts'
import { memberRole } from './members.ts'
import { message } from './message.ts'
import { usageDay } from './usage.ts'
import { webhook } from './webhooks.ts'

const at = z.iso.datetime()

/** Longest password that is looked at, in UTF-16 code units; how long a good one is, registration says. */
const MAX_PASSWORD_CHARS = 1_024

/** `DELETE /me` → 202. Who has a password sends it; guests, and people of another identity provider, send none. */
export const eraseBody = z.strictObject({
  password: z.string().max(MAX_PASSWORD_CHARS).transform(normalPassword).optional(),
})
export type EraseBody = z.input<typeof eraseBody>

/** 128 random bits; it says nothing of whose it is, and whoever has it may read the receipt. */
export const receiptId = z.string().regex(/^[0-9a-f]{32}$/, 'must be the id of a receipt')

export const eraseAnswer = z.object({
  receiptId,
  /** Where the receipt is read; without a token, because the token is void from now on. */
  statusUrl: z.string(),
})
export type EraseAnswer = z.infer<typeof eraseAnswer>

/** How many of each kind are gone. */
export const removedCounts = z.object({
  /** Of one's own, with everything in them. */
  conversations: z.int(),
  /** Of others, which one has left; what was said there is blanked. */
  memberships: z.int(),
  messages: z.int(),
  sessions: z.int(),
  keys: z.int(),
  webhooks: z.int(),
  usageRows: z.int(),
  account: z.int(),
})
export type RemovedCounts = z.infer<typeof removedCounts>
export const NOTHING_REMOVED: RemovedCounts = {
  conversations: 0,
  memberships: 0,
  messages: 0,
  sessions: 0,
  keys: 0,
  webhooks: 0,
  usageRows: 0,
  account: 0,
}

/** `GET /erasures/:receiptId` */
export const receipt = z.object({
  receiptId,
  state: z.enum(['running', 'finished']),
  requestedAt: at,
  finishedAt: at.nullable(),
  removed: removedCounts,
})
export type Receipt = z.infer<typeof receipt>

export const exportedLink = z.object({
  kind: z.enum(['invite', 'share']),
  id: z.string(),
  createdAt: at,
  expiresAt: at.nullable(),
})

/** One's own conversation whole; of one of somebody else only what one said oneself. */
export const exportedConversation = z.object({
  id: ids.conversationId,
  /** Who is meant by "one": oneself, or a machine (`service:…`) that acts for one. */
  userId: z.string(),
  /** Null, like what is null below, for one that one has left. */
  role: memberRole.nullable(),
  title: z.string().nullable(),
  createdAt: at.nullable(),
  /** Invites and shares that one made; their tokens are known to nobody. */
  links: z.array(exportedLink),
  messages: z.array(message),
})

/** `GET /me/export` */
export const exported = z.object({
  format: z.literal('parley-export/1'),
  exportedAt: at,
  /** Null when it could not be read. */
  profile: z
    .object({
      id: z.string(),
      name: z.string(),
      email: z.string().nullable(),
      role: z.string(),
      plan: z.string().nullable(),
      createdAt: at.nullable(),
    })
    .nullable(),
  sessions: z.array(session.omit({ current: true })),
  keys: z.array(serviceKey),
  webhooks: z.array(webhook),
  usage: z.array(usageDay),
  audit: z.array(auditEntry),
  conversations: z.array(exportedConversation),
  /** What could not be read; asking again may help. */
  errors: z.array(z.object({ part: z.string(), code: z.string() })),
  /** The last field: a file without it was cut off on its way. */
  complete: z.boolean(),
})
export type Exported = z.infer<typeof exported>
