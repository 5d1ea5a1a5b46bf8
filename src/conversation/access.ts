/**
 * Who may do what here, and what follows when that changes: the rows, the event that tells the room, and the end of what
 * a removed or demoted member was receiving (rules M2, C5). Membership alone decides; a role of the installation opens no
 * conversation.
 *
 * Ownership is not handed on: it would put a conversation, with what it costs, on somebody who was not asked.
 */
import { AppError } from '../errors.ts'
import { MAX_MEMBERS } from '../protocol/limits.ts'
import type { GivenRole, Member, MemberList } from '../protocol/members.ts'
import { can, type MemberAction, type MemberRole } from '../protocol/permissions.ts'
import type { Principal } from '../protocol/principal.ts'
import type { EventRow } from './events.ts'
import type { Membership } from './membership.ts'

export interface AccessDeps {
  readonly membership: Membership
  now(): number
  isDeleted(): boolean
  /** Shows an event to the room at once, then tells D1 of it. */
  announce(event: EventRow): Promise<void>
  /** Ends what this person receives. */
  cut(userId: string, error: AppError): void
}

export class Access {
  readonly #deps: AccessDeps
  readonly #membership: Membership

  constructor(deps: AccessDeps) {
    this.#deps = deps
    this.#membership = deps.membership
  }

  /**
   * @throws AppError `not_found`, the same for a stranger as for nothing (rule E3); `forbidden` for a member whose role,
   *   or the scope of whose key, does not allow it
   */
  authorize(principal: Principal, action: MemberAction): MemberRole {
    const member = this.#deps.isDeleted() ? null : this.#membership.roleOf(principal.userId)
    if (member === null) throw notFound()
    if (!can(principal, action, { member })) throw new AppError('forbidden', refusalOf(member))
    return member
  }

  list(principal: Principal): MemberList {
    const you = this.authorize(principal, 'conversation:read')
    return { members: this.#membership.list(), you }
  }

  /** One who is a member already stays what they are. */
  async add(userId: string, role: GivenRole): Promise<Member> {
    const known = this.#membership.find(userId)
    if (known) return known
    this.refuseIfFull()
    const event = this.#membership.add({ userId, name: null, role }, this.#deps.now())
    await this.#deps.announce(event)
    return this.#membership.find(userId) ?? noSuchMember()
  }

  /** @throws AppError `conflict` */
  refuseIfFull(): void {
    if (this.#membership.size >= MAX_MEMBERS)
      throw new AppError('conflict', `A conversation has room for ${MAX_MEMBERS} people.`)
  }

  /** @throws AppError `not_found`, `conflict` for the owner */
  async change(userId: string, role: GivenRole): Promise<Member> {
    const before = this.#membership.find(userId) ?? noSuchMember()
    if (before.role === 'owner')
      throw new AppError('conflict', 'The owner stays the owner.', { field: 'role' })
    if (before.role === role) return before
    const event = this.#membership.setRole(userId, role)
    // A demoted member may come back, as what they are now; a promoted one hears of it with everyone else.
    if (role === 'viewer')
      this.#deps.cut(userId, new AppError('access_changed', 'Your role in this conversation has changed.'))
    await this.#deps.announce(event)
    return this.#membership.find(userId) ?? noSuchMember()
  }

  /** @throws AppError `not_found`, `conflict` for the owner, who can only delete the conversation */
  async remove(principal: Principal, userId: string): Promise<void> {
    const isSelf = principal.userId === userId
    const own = this.authorize(principal, isSelf ? 'conversation:read' : 'conversation:members')
    if (isSelf && own === 'owner')
      throw new AppError('conflict', 'The owner cannot leave; delete it instead.')
    if (isSelf) this.authorize(principal, 'conversation:leave')
    if (!this.#membership.find(userId)) noSuchMember()
    await this.#end(userId, isSelf ? this.#membership.drop(userId) : this.#membership.remove(userId))
  }

  /** Nothing stays of somebody who was in here, or was removed; D1 hears of it with the room. */
  async forget(userId: string): Promise<void> {
    if (!this.#membership.find(userId) && this.#membership.removedSeq(userId) === null) return
    await this.#end(userId, this.#membership.drop(userId))
  }

  async #end(userId: string, event: EventRow): Promise<void> {
    this.#deps.cut(userId, removed())
    await this.#deps.announce(event)
  }
}

export const removed = (): AppError =>
  new AppError('access_changed', 'You are no longer in this conversation.')

export function notFound(): AppError {
  return new AppError('not_found', 'There is no such conversation.')
}

function noSuchMember(): never {
  throw new AppError('not_found', 'There is no such member.', { field: 'userId' })
}

const refusalOf = (role: MemberRole): string =>
  role === 'viewer'
    ? 'You may read in this conversation, and nothing else.'
    : 'Your role in this conversation, or the scope of your key, does not allow this.'
