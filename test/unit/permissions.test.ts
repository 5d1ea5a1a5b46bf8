/**
 * The table of permissions against what was decided, written out once more in full: a slip in the table must not pass
 * because the test reads the same table.
 */
import { describe, expect, test } from 'vitest'
import { MEMBER_ROLES, SCOPES, can, type Action, type Role } from '../../src/protocol/permissions.ts'

const ROLES: readonly Role[] = ['guest', 'user', 'moderator', 'admin', 'service']

/** Who may, by the first letter of the role: guest, user, moderator, admin, service (with every scope). */
const BY_ROLE: Partial<Record<Action, string>> = {
  'conversation:create': 'gumas',
  'conversation:list': 'gumas',
  'socket:ticket': 'gumas',
  'invite:accept': 'guma',
  'account:read': 'gumas',
  'account:update': 'uma',
  'account:sessions': 'uma',
  'account:password': 'uma',
  'account:export': 'guma',
  'account:erase': 'guma',
  'keys:manage': 'uma',
  'webhooks:manage': 'uma',
  'usage:read': 'gumas',
  'admin:users:read': 'ma',
  'admin:users:suspend': 'ma',
  'admin:users:update': 'a',
  'admin:usage:read': 'a',
  'admin:audit:read': 'a',
  'admin:incidents:read': 'ma',
  'admin:incidents:handle': 'ma',
  'admin:operations:read': 'ma',
  'admin:operations:switch': 'a',
  'admin:webhooks:manage': 'a',
  'admin:queue:read': 'a',
  'admin:queue:update': 'a',
}

/** Which members may, by the first letter: owner, editor, viewer. */
const BY_MEMBERSHIP: Partial<Record<Action, string>> = {
  'conversation:read': 'oev',
  'conversation:leave': 'ev',
  'conversation:write': 'oe',
  'conversation:rename': 'oe',
  'conversation:members': 'o',
  'conversation:share': 'o',
  'conversation:delete': 'o',
}

describe('can', () => {
  test.each(Object.entries(BY_ROLE))('%s is for %s', (action, letters) => {
    const allowed = ROLES.filter((role) => can({ role, scopes: [...SCOPES] }, action as Action))
    expect(allowed.map((role) => role[0]).join('')).toBe(letters)
  })

  test.each(Object.entries(BY_MEMBERSHIP))('%s is for members: %s', (action, letters) => {
    for (const role of ['guest', 'user', 'moderator', 'admin'] as const) {
      const allowed = MEMBER_ROLES.filter((member) => can({ role }, action as Action, { member }))
      expect(allowed.map((member) => member[0]).join('')).toBe(letters)
    }
  })

  test('no role opens the conversation of others, not even admin', () => {
    for (const role of ROLES) {
      for (const action of Object.keys(BY_MEMBERSHIP) as Action[]) {
        expect(can({ role, scopes: [...SCOPES] }, action, { member: null })).toBe(false)
        expect(can({ role, scopes: [...SCOPES] }, action)).toBe(false)
      }
    }
  })

  test('a machine does what the scopes of its key name, and nothing without one', () => {
    const service = (scopes?: string[]) => ({ role: 'service' as const, scopes })
    expect(can(service(['read']), 'conversation:list')).toBe(true)
    expect(can(service(['read']), 'conversation:create')).toBe(false)
    expect(can(service(['chat']), 'conversation:create')).toBe(true)
    expect(can(service(['chat']), 'conversation:read', { member: 'owner' })).toBe(false)
    for (const action of [...Object.keys(BY_ROLE), ...Object.keys(BY_MEMBERSHIP)] as Action[]) {
      expect(can(service(), action, { member: 'owner' })).toBe(false)
      expect(can(service(['everything', '__proto__']), action, { member: 'owner' })).toBe(false)
    }
  })

  test('people are not narrowed by scopes', () => {
    expect(can({ role: 'user', scopes: [] }, 'conversation:create')).toBe(true)
  })
})
