/**
 * `GET /api/conversations/:id/ws`: checks who asks, by a ticket in the query or an access token among the subprotocols,
 * and hands the socket to the conversation. Once per connection; frames do not pass through here.
 *
 * A browser lets any page open a socket to anywhere, and says in `Origin` which page it was (rule W6).
 */
import { Hono, type Context } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError, type ErrorShape } from '../../errors.ts'
import { PRINCIPAL_HEADER, type Principal } from '../../protocol/principal.ts'
import { can } from '../../protocol/permissions.ts'
import { bearerToken } from '../authenticate.ts'
import { conversationParam } from '../conversation-param.ts'
import { admit, routeClassOf } from '../limit.ts'
import { permit } from '../permit.ts'

/** The subprotocol that is spoken; the token stands beside it in the request, and is never sent back. */
const SUBPROTOCOL = 'parley'

export const socketRoutes = new Hono<AppEnv>().get(
  '/:id/ws',
  permit('public'),
  conversationParam(),
  async (c) => {
    if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') {
      throw new AppError('bad_request', 'This address takes WebSockets: send "Upgrade: websocket".')
    }
    const { services } = c.var
    if (!isWelcome(c.req.header('origin'), c.req.url, services.config.CORS_ORIGINS)) {
      throw new AppError('forbidden', 'Pages of this origin may not open sockets here.')
    }
    const offered = protocolsOf(c.req.header('sec-websocket-protocol'))
    const principal = await principalOf(c, offered)
    c.set('principal', principal)
    const headers = { upgrade: 'websocket', [PRINCIPAL_HEADER]: JSON.stringify(principal) }
    const response = await services.conversation(c.req.param('id')).fetch(c.req.url, { headers })
    if (!response.webSocket) throw AppError.fromShape(await response.json<ErrorShape>())
    if (!offered.includes(SUBPROTOCOL)) return response
    // A browser closes a socket that it offered protocols for, and that speaks none of them.
    const answer = { 'sec-websocket-protocol': SUBPROTOCOL }
    return new Response(null, { status: 101, webSocket: response.webSocket, headers: answer })
  },
)

/** @throws AppError `unauthorized` */
async function principalOf(c: Context<AppEnv>, offered: readonly string[]): Promise<Principal> {
  const { services } = c.var
  const offer = offered.find((name) => name !== SUBPROTOCOL)
  if (offer !== undefined) {
    const token = bearerToken(`Bearer ${offer}`)
    if (!token) throw new AppError('unauthorized', 'Offer the subprotocols "parley" and an access token.')
    const principal = await services.identity.verify(token)
    if (!can(principal, 'socket:ticket'))
      throw new AppError('forbidden', 'Your role, or the scope of your key, does not allow this.')
    return await admit(c, principal, routeClassOf('socket:ticket', c.req.method))
  }
  const ticket = await services.tokens.verifyTicket(c.req.query('ticket') ?? '')
  if (!(await services.redeemTicket(ticket.principal.userId, ticket.id, ticket.expiresAt))) {
    throw new AppError('unauthorized', 'The ticket was used before.')
  }
  // Much may have happened to its owner since it was issued.
  return await admit(c, ticket.principal, routeClassOf('socket:ticket', c.req.method))
}

function protocolsOf(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** Without an origin it is no page that asks: machines are told apart by their tokens alone. */
export function isWelcome(origin: string | undefined, url: string, allowed: readonly string[]): boolean {
  if (origin === undefined || allowed.includes('*')) return true
  return origin === new URL(url).origin || allowed.includes(origin.toLowerCase())
}
