/**
 * Who may do what: one table of roles, one of members, and `can`, which reads both. Pure, and the same for the server,
 * which enforces it, and the page, which does not offer what would be refused.
 *
 * A role says what kind of user somebody is; a member role, what they are in one conversation. A conversation's content is
 * for its members alone: no role, not even `admin`, replaces membership.
 */
import type { Principal } from './principal.ts'

export type Role = Principal['role']
export const MEMBER_ROLES = ['owner', 'editor', 'viewer'] as const
export type MemberRole = (typeof MEMBER_ROLES)[number]

const ANYONE: readonly Role[] = ['guest', 'user', 'moderator', 'admin', 'service']
const PEOPLE: readonly Role[] = ['guest', 'user', 'moderator', 'admin']
const ACCOUNTS: readonly Role[] = ['user', 'moderator', 'admin']
const STAFF: readonly Role[] = ['moderator', 'admin']
const ADMINS: readonly Role[] = ['admin']

/** What a role allows. A `service` is narrowed further by the scopes of its key. */
const BY_ROLE = {
  'conversation:create': ANYONE,
  'conversation:list': ANYONE,
  'socket:ticket': ANYONE,
  'invite:accept': PEOPLE,
  'account:read': ANYONE,
  'account:update': ACCOUNTS,
  'account:sessions': ACCOUNTS,
  'account:password': ACCOUNTS,
  'account:export': PEOPLE,
  'account:erase': PEOPLE,
  'keys:manage': ACCOUNTS,
  'webhooks:manage': ACCOUNTS,
  'usage:read': ANYONE,
  'admin:users:read': STAFF,
  'admin:users:suspend': STAFF,
  'admin:users:update': ADMINS,
  'admin:usage:read': ADMINS,
  'admin:audit:read': ADMINS,
  'admin:incidents:read': STAFF,
  'admin:incidents:handle': STAFF,
  'admin:operations:read': STAFF,
  'admin:operations:switch': ADMINS,
  'admin:webhooks:manage': ADMINS,
  'admin:queue:read': ADMINS,
  'admin:queue:update': ADMINS,
} as const satisfies Record<string, readonly Role[]>

/** What being a member allows. */
const BY_MEMBERSHIP = {
  'conversation:read': ['owner', 'editor', 'viewer'],
  'conversation:leave': ['editor', 'viewer'],
  'conversation:write': ['owner', 'editor'],
  'conversation:rename': ['owner', 'editor'],
  'conversation:members': ['owner'],
  'conversation:share': ['owner'],
  'conversation:delete': ['owner'],
} as const satisfies Record<string, readonly MemberRole[]>

export type RoleAction = keyof typeof BY_ROLE
export type MemberAction = keyof typeof BY_MEMBERSHIP
export type Action = RoleAction | MemberAction

/** What a service key may be limited to. */
export const SCOPES = ['chat', 'read'] as const
export type Scope = (typeof SCOPES)[number]

/** The scope that a machine needs; what is not named here is not for machines. */
const SCOPE_OF: Partial<Record<Action, Scope>> = {
  'conversation:create': 'chat',
  'conversation:write': 'chat',
  'conversation:rename': 'chat',
  'conversation:delete': 'chat',
  'conversation:leave': 'chat',
  'socket:ticket': 'chat',
  'conversation:read': 'read',
  'conversation:list': 'read',
  'account:read': 'read',
  'usage:read': 'read',
}

export interface Resource {
  /** What the principal is in the conversation that the action is about; null for a stranger. */
  readonly member?: MemberRole | null
}

/** Whether this principal may do this, to this resource. */
export function can(
  principal: Pick<Principal, 'role' | 'scopes'>,
  action: Action,
  resource: Resource = {},
): boolean {
  if (principal.role === 'service' && !hasScope(principal.scopes ?? [], action)) return false
  if (isMemberAction(action)) {
    const allowed: readonly MemberRole[] = BY_MEMBERSHIP[action]
    return resource.member != null && allowed.includes(resource.member)
  }
  const allowed: readonly Role[] = BY_ROLE[action]
  return allowed.includes(principal.role)
}

export function isMemberAction(action: Action): action is MemberAction {
  return Object.hasOwn(BY_MEMBERSHIP, action)
}

function hasScope(scopes: readonly string[], action: Action): boolean {
  const needed = SCOPE_OF[action]
  return needed !== undefined && scopes.includes(needed)
}
