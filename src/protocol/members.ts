/**
 * Who is in a conversation, and the links that lead into it: bodies and answers of the routes for members, invites and
 * shares, each once, for the server and the client. A token of a link is in one answer only: the one that made it.
 */
import * as z from 'zod'
import * as ids from './ids.ts'
import { INVITE_HOURS, MAX_INVITE_HOURS, MAX_INVITE_USES, MAX_SHARE_DAYS, MAX_TOKEN_CHARS } from './limits.ts'
import { role as messageRole } from './message.ts'
import { MEMBER_ROLES } from './permissions.ts'

const at = z.iso.datetime()

export const memberRole = z.enum(MEMBER_ROLES)
/** What can be given to somebody: an owner is made with the conversation only. */
export const givenRole = z.enum(['editor', 'viewer'])
export type GivenRole = z.infer<typeof givenRole>

/** `guest:…`, `user:…`, `oidc:…` or `service:…`. */
export const userId = z
  .string()
  .max(128)
  .regex(/^(guest|user|oidc|service):[\w-]+$/, 'must be a user id such as "user:…"')

export const member = z.object({
  userId: z.string(),
  /** Null until that person was here for the first time. */
  name: z.string().nullable(),
  role: memberRole,
  joinedAt: at,
})
export type Member = z.infer<typeof member>

/** `GET /conversations/:id/members`; in the order in which they came, the owner first. */
export const memberList = z.object({ members: z.array(member), you: memberRole })
export type MemberList = z.infer<typeof memberList>

/** `POST /conversations/:id/members` → 201 with the member. One who is there already is answered as they are. */
export const addMemberBody = z.strictObject({ userId, role: givenRole })
/** `PATCH /conversations/:id/members/:userId` → the member. */
export const changeMemberBody = z.strictObject({ role: givenRole })

/** `POST /conversations/:id/invites` → 201 with the invite and its token. */
export const createInviteBody = z.strictObject({
  role: givenRole,
  expiresInHours: z.int().min(1).max(MAX_INVITE_HOURS).default(INVITE_HOURS),
  /** Absent: as many as there is room for. */
  maxUses: z.int().min(1).max(MAX_INVITE_USES).optional(),
})
export type CreateInviteBody = z.infer<typeof createInviteBody>

export const invite = z.object({
  id: z.string(),
  role: givenRole,
  createdAt: at,
  expiresAt: at,
  /** Null: no limit. */
  maxUses: z.int().nullable(),
  uses: z.int(),
})
export type Invite = z.infer<typeof invite>
export const createdInvite = invite.extend({ token: z.string() })
export type CreatedInvite = z.infer<typeof createdInvite>
/** `GET /conversations/:id/invites`: what was not revoked, newest first; expired and used-up ones are there. */
export const inviteList = z.object({ invites: z.array(invite) })

/** `POST /invites/accept`; somebody who is a member already stays what they are. */
export const acceptInviteBody = z.strictObject({ token: z.string().max(MAX_TOKEN_CHARS) })
export const acceptInviteAnswer = z.object({ conversationId: ids.conversationId, role: memberRole })
export type AcceptInviteAnswer = z.infer<typeof acceptInviteAnswer>

/** `snapshot`: the branch that ends in one message, for ever; `live`: that of the newest finished answer, as it is now. */
export const shareMode = z.enum(['snapshot', 'live'])

/** `POST /conversations/:id/shares` → 201 with the share and its token. */
export const createShareBody = z.strictObject({
  mode: shareMode,
  /** Where a snapshot ends; absent: at the newest finished answer. */
  messageId: ids.messageId.optional(),
  /** Absent: until it is revoked. */
  expiresInDays: z.int().min(1).max(MAX_SHARE_DAYS).optional(),
  /** Only for people with an account, not for guests. */
  requireSignIn: z.boolean().default(false),
})
export type CreateShareBody = z.infer<typeof createShareBody>

export const share = z.object({
  id: z.string(),
  mode: shareMode,
  /** Where a snapshot ends; null for a live one. */
  messageId: ids.messageId.nullable(),
  requireSignIn: z.boolean(),
  createdAt: at,
  expiresAt: at.nullable(),
})
export type Share = z.infer<typeof share>
export const createdShare = share.extend({ token: z.string() })
export type CreatedShare = z.infer<typeof createdShare>
/** `GET /conversations/:id/shares`: what was not revoked, newest first; expired ones are there. */
export const shareList = z.object({ shares: z.array(share) })

/** `GET /shares/:token`: one branch, oldest first, without ids and without names. */
export const sharedBranch = z.object({
  title: z.string(),
  mode: shareMode,
  sharedAt: at,
  messages: z.array(z.object({ role: messageRole, text: z.string(), createdAt: at })),
  /** False: the branch is very long, and its beginning is left out. */
  isWhole: z.boolean(),
})
export type SharedBranch = z.infer<typeof sharedBranch>
