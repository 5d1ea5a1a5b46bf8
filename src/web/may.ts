/**
 * What the page offers in a conversation: what the server's table of permissions allows a member of that role. Where the
 * role is not known yet, everything is offered, and the server decides.
 */
import { can, type MemberAction, type MemberRole } from '../protocol/permissions.ts'

export function may(action: MemberAction, role: MemberRole | undefined): boolean {
  return role === undefined || can({ role: 'user' }, action, { member: role })
}
