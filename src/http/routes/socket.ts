/**
 * `GET /api/conversations/:id/ws?ticket=…`: checks the ticket and hands the socket to the conversation. Once per
 * connection; frames do not pass through here.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError, type ErrorShape } from '../../errors.ts'
import { PRINCIPAL_HEADER } from '../../protocol/principal.ts'
import { conversationParam } from '../conversation-param.ts'
import { permit } from '../permit.ts'

export const socketRoutes = new Hono<AppEnv>().get(
  '/:id/ws',
  permit('public'),
  conversationParam(),
  async (c) => {
    if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') {
      throw new AppError('bad_request', 'This address takes WebSockets: send "Upgrade: websocket".')
    }
    const { services } = c.var
    const ticket = await services.tokens.verifyTicket(c.req.query('ticket') ?? '')
    const { principal } = ticket
    if (!(await services.redeemTicket(principal.userId, ticket.id, ticket.expiresAt))) {
      throw new AppError('unauthorized', 'The ticket was used before.')
    }
    c.set('principal', principal)
    const headers = { upgrade: 'websocket', [PRINCIPAL_HEADER]: JSON.stringify(principal) }
    const response = await services.conversation(c.req.param('id')).fetch(c.req.url, { headers })
    if (response.webSocket) return response
    throw AppError.fromShape(await response.json<ErrorShape>())
  },
)
