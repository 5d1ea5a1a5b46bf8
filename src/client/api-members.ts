/**
 * The REST routes of members, invites and shared branches as typed calls.
 * A token of a link is in the answer that made it, and nowhere else: show it at once, or it is lost.
 */
import * as shapes from '../protocol/members.ts'
import type {
  AcceptInviteAnswer,
  CreatedInvite,
  CreatedShare,
  GivenRole,
  Invite,
  MemberList,
  Share,
  SharedBranch,
} from '../protocol/members.ts'
import { conversationPath as at, type Caller } from './caller.ts'

export interface NewInvite {
  readonly role: GivenRole
  readonly expiresInHours?: number
  readonly maxUses?: number
}

export interface NewShare {
  readonly mode: 'snapshot' | 'live'
  readonly messageId?: string
  readonly expiresInDays?: number
  readonly requireSignIn?: boolean
}

export class MembersApi {
  readonly #caller: Caller

  constructor(caller: Caller) {
    this.#caller = caller
  }

  async list(id: string): Promise<MemberList> {
    return await this.#caller.json({ method: 'GET', path: `${at(id)}/members` }, shapes.memberList)
  }

  async changeRole(id: string, userId: string, role: GivenRole): Promise<void> {
    await this.#caller.done({ method: 'PATCH', path: memberPath(id, userId), body: { role } })
  }

  /** Also oneself, which is leaving. */
  async remove(id: string, userId: string): Promise<void> {
    await this.#caller.done({ method: 'DELETE', path: memberPath(id, userId) })
  }

  async invite(id: string, body: NewInvite): Promise<CreatedInvite> {
    return await this.#caller.json({ method: 'POST', path: `${at(id)}/invites`, body }, shapes.createdInvite)
  }

  async invites(id: string): Promise<Invite[]> {
    const call = { method: 'GET', path: `${at(id)}/invites` } as const
    return (await this.#caller.json(call, shapes.inviteList)).invites
  }

  async revokeInvite(id: string, inviteId: string): Promise<void> {
    await this.#caller.done({ method: 'DELETE', path: `${at(id)}/invites/${encodeURIComponent(inviteId)}` })
  }

  async acceptInvite(token: string): Promise<AcceptInviteAnswer> {
    const call = { method: 'POST', path: '/api/invites/accept', body: { token } } as const
    return await this.#caller.json(call, shapes.acceptInviteAnswer)
  }

  async share(id: string, body: NewShare): Promise<CreatedShare> {
    return await this.#caller.json({ method: 'POST', path: `${at(id)}/shares`, body }, shapes.createdShare)
  }

  async shares(id: string): Promise<Share[]> {
    const call = { method: 'GET', path: `${at(id)}/shares` } as const
    return (await this.#caller.json(call, shapes.shareList)).shares
  }

  async revokeShare(id: string, shareId: string): Promise<void> {
    await this.#caller.done({ method: 'DELETE', path: `${at(id)}/shares/${encodeURIComponent(shareId)}` })
  }

  /** What a link shows; nobody has to be anybody for it, unless it says so. */
  async shared(token: string): Promise<SharedBranch> {
    const path = `/api/shares/${encodeURIComponent(token)}`
    return await this.#caller.json({ method: 'GET', path, isPublic: true }, shapes.sharedBranch)
  }
}

const memberPath = (id: string, userId: string) => `${at(id)}/members/${encodeURIComponent(userId)}`
