/**
 * `/api/conversations/:id/members`: who is in a conversation; adding, changing and removing people, and leaving. All of
 * it is answered by the conversation, which knows who may.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import { unwrap } from '../../errors.ts'
import { addMemberBody, changeMemberBody } from '../../protocol/members.ts'
import { conversationParam } from '../conversation-param.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

export const memberRoutes = new Hono<AppEnv>()
  .get('/:id/members', permit('conversation:read'), conversationParam(), async (c) => {
    const { services, principal } = c.var
    return c.json(unwrap(await services.conversation(c.req.param('id')).members(principal)))
  })
  .post(
    '/:id/members',
    permit('conversation:members'),
    conversationParam(),
    jsonOnly(),
    validate('json', addMemberBody),
    async (c) => {
      const { services, principal } = c.var
      const { userId, role } = c.req.valid('json')
      const stub = services.conversation(c.req.param('id'))
      const member = unwrap(await stub.addMember(principal, userId, role))
      await c.var.audit('member_added', userId, { conversation: c.req.param('id'), role: member.role })
      return c.json(member, 201)
    },
  )
  .patch(
    '/:id/members/:userId',
    permit('conversation:members'),
    conversationParam(),
    jsonOnly(),
    validate('json', changeMemberBody),
    async (c) => {
      const { services, principal } = c.var
      const { role } = c.req.valid('json')
      const stub = services.conversation(c.req.param('id'))
      const member = unwrap(await stub.changeMember(principal, c.req.param('userId'), role))
      await c.var.audit('member_changed', member.userId, { conversation: c.req.param('id'), role })
      return c.json(member)
    },
  )
  // Leaving is what any member may ask for; removing others is looked at by the conversation.
  .delete('/:id/members/:userId', permit('conversation:leave'), conversationParam(), async (c) => {
    const { services, principal } = c.var
    unwrap(await services.conversation(c.req.param('id')).removeMember(principal, c.req.param('userId')))
    await c.var.audit('member_removed', c.req.param('userId'), { conversation: c.req.param('id') })
    return c.body(null, 204)
  })
