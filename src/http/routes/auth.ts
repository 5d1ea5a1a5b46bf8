/**
 * `POST /api/auth/guest`: a name and an access token for someone who brings nothing. `POST /api/auth/ticket`: a ticket
 * for one socket, because a browser cannot send headers with it and a token has no place in a URL.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import type { GuestAnswer, TicketAnswer } from '../../protocol/http.ts'
import type { Principal } from '../../protocol/principal.ts'
import { bearerToken } from '../authenticate.ts'
import { permit } from '../permit.ts'

export const authRoutes = new Hono<AppEnv>()
  /** With a guest's valid token it is renewed: same guest, later expiry. */
  .post('/guest', permit('public'), async (c) => {
    const { tokens } = c.var.services
    const old = bearerToken(c.req.header('authorization'))
    const principal = old === null ? newGuest() : await tokens.verifyAccess(old)
    const { token, expiresIn } = await tokens.issueAccess(principal)
    const { userId: id, name, role } = principal
    const answer: GuestAnswer = {
      accessToken: token,
      tokenType: 'Bearer',
      expiresIn,
      user: { id, name, role },
    }
    return c.json(answer, 201)
  })
  .post('/ticket', permit('socket:ticket'), async (c) => {
    const { token, expiresIn } = await c.var.services.tokens.issueTicket(c.var.principal)
    const answer: TicketAnswer = { ticket: token, expiresIn }
    return c.json(answer, 201)
  })

function newGuest(): Principal {
  const id = crypto.randomUUID()
  return {
    userId: `guest:${id}`,
    name: `Guest ${id.slice(0, 4).toUpperCase()}`,
    role: 'guest',
    kind: 'guest',
  }
}
