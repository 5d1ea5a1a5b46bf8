/**
 * What the administration is asked and answers: people, and the audit trail. For the server and the client.
 * Request bodies refuse unknown fields; lists are paged by key, newest first.
 */
import * as z from 'zod'
import { queryInt } from './http.ts'
import { userId } from './members.ts'
import { role as anyRole } from './principal.ts'

const at = z.iso.datetime()

/** Rows in one page of people or of the trail: default and most. */
export const PAGE_ROWS = 50
export const MAX_PAGE_ROWS = 200
const page = {
  limit: queryInt(MAX_PAGE_ROWS, PAGE_ROWS),
  /** `next` of the page before. */
  cursor: z.string().max(200).optional(),
}

/** Longest reason of a suspension, in UTF-16 code units. */
export const MAX_REASON_CHARS = 500

/** What an admin can make of somebody: guests come by themselves, and a service is a key. */
export const givenUserRole = z.enum(['user', 'moderator', 'admin'])
/** Name of a plan; which there are is configuration. */
export const planName = z
  .string()
  .max(32)
  .regex(/^[a-z0-9][a-z0-9_-]*$/, 'must be the name of a plan')

export const listUsersQuery = z.strictObject({
  /** The whole id, or how an email or a name begins; letters of both cases are the same. */
  q: z.string().min(1).max(254).optional(),
  ...page,
})

export const adminUser = z.object({
  id: z.string(),
  email: z.string().nullable(),
  name: z.string(),
  role: anyRole,
  plan: z.string(),
  createdAt: at,
  lastSeenAt: at.nullable(),
  suspended: z.object({ at, reason: z.string() }).nullable(),
})
export type AdminUser = z.infer<typeof adminUser>

/** `GET /admin/users` */
export const userPage = z.object({
  users: z.array(adminUser),
  /** Pass as `cursor` to read on; null at the end. */
  next: z.string().nullable(),
})
export type UserPage = z.infer<typeof userPage>

/** `PATCH /admin/users/:id` → the user. */
export const changeUserBody = z
  .strictObject({ role: givenUserRole.optional(), plan: planName.optional() })
  .refine(({ role, plan }) => role !== undefined || plan !== undefined, 'must change something')
export type ChangeUserBody = z.infer<typeof changeUserBody>

/** What a person in charge writes down: one line, without control characters. */
export const reason = z
  .string()
  .max(MAX_REASON_CHARS, `is longer than ${MAX_REASON_CHARS} characters`)
  .refine((text) => text.isWellFormed(), 'holds half a surrogate pair')
  .refine((text) => !/\p{Cc}/u.test(text), 'holds a control character')
  .transform((text) => text.trim())
  .refine((text) => text !== '', 'is empty')

/** `POST /admin/users/:id/suspend` → the user; `…/unsuspend` has no body. */
export const suspendBody = z.strictObject({ reason })

/** All that is written to the trail; a name is never reused for something else. */
export const AUDIT_ACTIONS = [
  'sign_in',
  'sign_in_failed',
  'register',
  'sign_out',
  'sign_out_everywhere',
  'session_ended',
  'refresh_reused',
  'password_changed',
  'key_created',
  'key_revoked',
  'webhook_created',
  'webhook_removed',
  'webhook_rotated',
  'webhook_tested',
  'role_changed',
  'plan_changed',
  'user_suspended',
  'user_unsuspended',
  'member_added',
  'member_changed',
  'member_removed',
  'invite_created',
  'invite_revoked',
  'invite_accepted',
  'share_created',
  'share_revoked',
  'export',
  'erasure_requested',
  'admin_users_read',
  'admin_usage_read',
  'admin_audit_read',
  'incident_acknowledged',
  'incident_resolved',
  'incident_noted',
  'admin_providers_read',
  'switch_paused',
  'switch_resumed',
  'breaker_reset',
  'admin_queue_read',
  'dead_letter_requeued',
] as const
export const auditAction = z.enum(AUDIT_ACTIONS)
export type AuditAction = z.infer<typeof auditAction>

/** Codes, counts and ids; never a name, an email, an address, a token or a text that somebody wrote. */
export const auditDetails = z.record(
  z.string().max(64),
  z.union([z.string().max(200), z.number(), z.boolean(), z.null()]),
)
export type AuditDetails = z.infer<typeof auditDetails>

/** `user:…`, or `erased:…` for one who is no longer known: the same person is the same word. */
const person = z
  .string()
  .max(128)
  .regex(/^(?:guest|user|oidc|service|erased):[\w-]+$/, 'must be a user id, or "erased:…"')

export const listAuditQuery = z.strictObject({
  /** Who did it; `erased:…` too. */
  actor: person.optional(),
  action: auditAction.optional(),
  /** To whom or to what: a user id, or for example `conversation:<id>`. */
  resource: z
    .string()
    .max(200)
    // Names of models hold dots and slashes, too.
    .regex(/^[a-z]+:[\w@][\w.:/@-]*$/, 'must be a kind and an id, such as "conversation:…"')
    .optional(),
  /** From this time on, and before that one. */
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
  ...page,
})
export type ListAuditQuery = z.infer<typeof listAuditQuery>

export const auditEntry = z.object({
  /** Rises in the order in which entries were written. */
  id: z.int(),
  at,
  action: auditAction,
  /** Null when nobody had proved who they are. */
  actor: z.string().nullable(),
  actorRole: anyRole.nullable(),
  resource: z.string().nullable(),
  details: auditDetails.nullable(),
  requestId: z.string(),
  /** The network that it came from: an address without its last part. */
  address: z.string().nullable(),
  agent: z.string().nullable(),
})
export type AuditEntry = z.infer<typeof auditEntry>

/** `GET /admin/audit` */
export const auditPage = z.object({ entries: z.array(auditEntry), next: z.string().nullable() })
export type AuditPage = z.infer<typeof auditPage>

export const adminUserParam = z.strictObject({ id: userId })
