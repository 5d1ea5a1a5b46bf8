/**
 * Links that make whoever holds one a member: `/api/conversations/:id/invites` for owners, `POST /api/invites/accept` for
 * those who were sent one. A token leads to its conversation by way of its hash, and names nothing.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError, unwrap } from '../../errors.ts'
import { hashOfLinkToken, newLinkToken } from '../../auth/link-tokens.ts'
import { acceptInviteBody, createInviteBody, type CreatedInvite } from '../../protocol/members.ts'
import { conversationParam } from '../conversation-param.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

export const inviteRoutes = new Hono<AppEnv>()
  .post(
    '/:id/invites',
    permit('conversation:members'),
    conversationParam(),
    jsonOnly(),
    validate('json', createInviteBody),
    async (c) => {
      const { services, principal } = c.var
      const { token, hash } = await newLinkToken('invite')
      const stub = services.conversation(c.req.param('id'))
      const invite = unwrap(await stub.createInvite(principal, c.req.valid('json'), hash))
      const answer: CreatedInvite = { ...invite, token }
      await c.var.audit('invite_created', `conversation:${c.req.param('id')}`, {
        invite: invite.id,
        role: invite.role,
      })
      return c.json(answer, 201, { 'cache-control': 'no-store' })
    },
  )
  .get('/:id/invites', permit('conversation:members'), conversationParam(), async (c) => {
    const { services, principal } = c.var
    return c.json({ invites: unwrap(await services.conversation(c.req.param('id')).invites(principal)) })
  })
  .delete('/:id/invites/:inviteId', permit('conversation:members'), conversationParam(), async (c) => {
    const { services, principal } = c.var
    unwrap(await services.conversation(c.req.param('id')).revokeInvite(principal, c.req.param('inviteId')))
    await c.var.audit('invite_revoked', `conversation:${c.req.param('id')}`, {
      invite: c.req.param('inviteId'),
    })
    return c.body(null, 204)
  })

export const acceptRoutes = new Hono<AppEnv>().post(
  '/accept',
  permit('invite:accept'),
  jsonOnly(),
  validate('json', acceptInviteBody),
  async (c) => {
    const { services, principal } = c.var
    const hash = await hashOfLinkToken('invite', c.req.valid('json').token)
    const id = hash && (await services.directory.findLink('invite', hash))
    // Word for word what a conversation says of an invite that does not serve any more.
    if (!id) throw new AppError('not_found', 'This invite link does not exist, or is no longer valid.')
    const accepted = unwrap(await services.conversation(id).acceptInvite(principal, hash))
    await c.var.audit('invite_accepted', `conversation:${id}`, { role: accepted.role })
    return c.json(accepted)
  },
)
