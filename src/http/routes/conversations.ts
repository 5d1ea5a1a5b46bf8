/**
 * `/api/conversations`: create, list, read, rename, delete, page through messages, stop a turn.
 *
 * Everything but the list is answered by the conversation itself, which knows who may; the list comes from D1.
 */
import { Hono } from 'hono'
import * as z from 'zod'
import type { AppEnv } from '../../env.ts'
import { AppError, unwrap } from '../../errors.ts'
import * as shapes from '../../protocol/http.ts'
import * as ids from '../../protocol/ids.ts'
import { createdConversationOf } from '../conversation-id.ts'
import { conversationParam } from '../conversation-param.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

/** The end of a page as clients carry it: opaque, checked when it comes back. */
const cursor = {
  encode: (end: { lastActivityAt: number; id: string }): string =>
    `${end.lastActivityAt.toString(36)}~${end.id}`,
  decode(text: string): { lastActivityAt: number; id: string } {
    const [time, id] = text.split('~')
    const lastActivityAt = /^[0-9a-z]{1,11}$/.test(time ?? '') ? Number.parseInt(time ?? '', 36) : Number.NaN
    const parsed = z
      .object({ lastActivityAt: z.int(), id: ids.conversationId })
      .safeParse({ lastActivityAt, id })
    if (parsed.success) return parsed.data
    throw new AppError('validation_failed', 'The field "cursor" is not one that this list gave.', {
      field: 'cursor',
    })
  },
}

export const conversationRoutes = new Hono<AppEnv>()
  .post(
    '/',
    permit('conversation:create'),
    jsonOnly(),
    validate('json', shapes.createConversationBody),
    async (c) => {
      const { services, principal } = c.var
      const { title, idempotencyKey } = c.req.valid('json')
      const id = await createdConversationOf(principal.userId, idempotencyKey)
      const conversation = unwrap(await services.conversation(id).create(principal, id, title ?? ''))
      return c.json(conversation, 201, { location: `/api/conversations/${id}` })
    },
  )
  .get('/', permit('conversation:list'), validate('query', shapes.listConversationsQuery), async (c) => {
    const { limit, cursor: after } = c.req.valid('query')
    const from = after === undefined ? null : cursor.decode(after)
    const page = await c.var.services.directory.list(c.var.principal.userId, limit, from)
    const answer: shapes.ConversationPage = {
      conversations: page.conversations,
      next: page.end && cursor.encode(page.end),
    }
    return c.json(answer)
  })
  .get('/:id', permit('conversation:read'), conversationParam(), async (c) => {
    const { services, principal } = c.var
    return c.json(unwrap(await services.conversation(c.req.param('id')).describe(principal)))
  })
  .patch(
    '/:id',
    permit('conversation:rename'),
    conversationParam(),
    jsonOnly(),
    validate('json', shapes.updateConversationBody),
    async (c) => {
      const { services, principal } = c.var
      const { title } = c.req.valid('json')
      return c.json(unwrap(await services.conversation(c.req.param('id')).rename(principal, title)))
    },
  )
  .delete('/:id', permit('conversation:delete'), conversationParam(), async (c) => {
    const { services, principal } = c.var
    const isListed = !unwrap(await services.conversation(c.req.param('id')).remove(principal))
    // Gone for everyone; the list may show it until the database answers again.
    return c.body(null, isListed ? 202 : 204)
  })
  .get(
    '/:id/messages',
    permit('conversation:read'),
    conversationParam(),
    validate('query', shapes.listMessagesQuery),
    async (c) => {
      const { services, principal } = c.var
      const { before, limit } = c.req.valid('query')
      return c.json(unwrap(await services.conversation(c.req.param('id')).messages(principal, before, limit)))
    },
  )
  .post(
    '/:id/stop',
    permit('conversation:write'),
    conversationParam(),
    jsonOnly(),
    validate('json', shapes.stopBody),
    async (c) => {
      const { services, principal } = c.var
      const { turnId } = c.req.valid('json')
      return c.json(unwrap(await services.conversation(c.req.param('id')).stop(principal, turnId)))
    },
  )
  .post(
    '/:id/continue',
    permit('conversation:write'),
    conversationParam(),
    jsonOnly(),
    validate('json', shapes.continueBody),
    async (c) => {
      const { services, principal } = c.var
      const { turnId } = c.req.valid('json')
      return c.json(unwrap(await services.conversation(c.req.param('id')).resume(principal, turnId)), 202)
    },
  )
