/**
 * Conversations with more than one person in them, and what owners do about that. What a test says of it is its own.
 */
import {
  createdInvite,
  createdShare,
  memberList,
  type CreatedInvite,
  type CreatedShare,
  type MemberList,
} from '../../src/protocol/members.ts'
import { newConversation } from './started-conversation.ts'
import { Guest } from './worker-guest.ts'

/** An owner's conversation, with another guest in it. */
export async function sharedConversation(role: 'editor' | 'viewer' = 'editor') {
  const [{ guest: owner, id }, member] = await Promise.all([newConversation('A title'), Guest.arrive()])
  await add(owner, id, member, role)
  return { owner, member, id }
}

export async function add(owner: Guest, id: string, { userId }: Guest, role: string): Promise<void> {
  const response = await owner.request('POST', `/api/conversations/${id}/members`, { userId, role })
  if (response.status !== 201) throw new Error(`add: ${response.status} ${await response.text()}`)
}

export const changeRole = (owner: Guest, id: string, { userId }: Guest, role: string): Promise<Response> =>
  owner.request('PATCH', `/api/conversations/${id}/members/${userId}`, { role })

export const remove = (by: Guest, id: string, { userId }: Guest): Promise<Response> =>
  by.request('DELETE', `/api/conversations/${id}/members/${userId}`)

export async function membersOf(guest: Guest, id: string): Promise<MemberList> {
  const response = await guest.request('GET', `/api/conversations/${id}/members`)
  return memberList.strict().parse(await response.json())
}

export async function invite(owner: Guest, id: string, body: object): Promise<CreatedInvite> {
  const response = await owner.request('POST', `/api/conversations/${id}/invites`, body)
  return createdInvite.strict().parse(await response.json())
}

export const accept = (guest: Guest, token: string): Promise<Response> =>
  guest.request('POST', '/api/invites/accept', { token })

export async function share(owner: Guest, id: string, body: object): Promise<CreatedShare> {
  const response = await owner.request('POST', `/api/conversations/${id}/shares`, body)
  return createdShare.strict().parse(await response.json())
}
