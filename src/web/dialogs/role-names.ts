/**
 * Member roles as people say them, and those that can be given to somebody.
 * What each of them allows is `protocol/permissions.ts`.
 */
import type { MemberRole } from '../../protocol/permissions.ts'

export const ROLE_NAMES: Record<MemberRole, string> = {
  owner: 'Owner',
  editor: 'Can write',
  viewer: 'Can read',
}

export const GIVEN_ROLES = [
  ['editor', ROLE_NAMES.editor],
  ['viewer', ROLE_NAMES.viewer],
] as const
