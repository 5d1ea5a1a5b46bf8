/**
 * `/api/auth`: coming as a guest, registering, signing in and out, refreshing, changing the password; and tickets for
 * sockets, because a browser cannot send headers with them and a token has no place in a URL.
 *
 * What counts as a right password or a fresh token is decided in `auth/`; here it is only asked and answered.
 */
import { Hono, type Context } from 'hono'
import { type Device } from '../../auth/sessions.ts'
import type { AppEnv } from '../../env.ts'
import { AppError } from '../../errors.ts'
import * as shapes from '../../protocol/accounts.ts'
import type { GuestAnswer, TicketAnswer } from '../../protocol/http.ts'
import type { Principal } from '../../protocol/principal.ts'
import { verifiedPrincipal } from '../authenticate.ts'
import { callerOf } from '../caller.ts'
import { admit, byAddress } from '../limit.ts'
import { permit } from '../permit.ts'
import { jsonOnly, validate } from '../validate.ts'

export const authRoutes = new Hono<AppEnv>()
  .use('/register', byAddress())
  .use('/login', byAddress())
  .use('/refresh', byAddress())
  /** With a guest's valid token it is renewed: same guest, later expiry. */
  .post('/guest', permit('public'), async (c) => {
    const { tokens } = c.var.services
    // The plan that counts is no matter of the token.
    const { plan: _plan, ...principal } = (await bearerOf(c)) ?? (await newGuest(c))
    if (principal.kind !== 'guest') throw new AppError('forbidden', 'Only a guest is renewed here.')
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
  /** A guest who brings their token keeps their id, and with it their conversations. */
  .post('/register', permit('public'), jsonOnly(), validate('json', shapes.registerBody), async (c) => {
    const guest = await bearerOf(c)
    if (guest && guest.kind !== 'guest') throw new AppError('forbidden', 'You have an account already.')
    if (!guest) await welcome(c)
    const answer = await c.var.services.identity.accounts.register(c.req.valid('json'), guest, deviceOf(c))
    await c.var.audit('register', answer.user.id, { guest: guest !== null }, actorOf(answer))
    return c.json(answer, 201)
  })
  .post('/login', permit('public'), jsonOnly(), validate('json', shapes.loginBody), async (c) => {
    const { email, password } = c.req.valid('json')
    const answer = await tried(c, () => c.var.services.identity.accounts.login(email, password, deviceOf(c)))
    await c.var.audit('sign_in', answer.user.id, null, actorOf(answer))
    return c.json(answer)
  })
  .post('/refresh', permit('public'), jsonOnly(), validate('json', shapes.refreshBody), async (c) => {
    const refreshed = await c.var.services.identity.sessions.refresh(c.req.valid('json').refreshToken)
    if (refreshed.ok) return c.json(refreshed.answer)
    if (refreshed.reused) {
      const { userId, id } = refreshed.reused
      c.var.logger.warn('refresh_reused', { userId, sessionId: id })
      await c.var.services.cutSockets(userId, 'auth_required')
      await c.var.audit('refresh_reused', userId, { session: id }, null)
    }
    throw refreshed.error
  })
  /** This device. Somebody of the external provider has no session here: what was issued up to their token is void. */
  .post('/logout', permit('account:sessions'), async (c) => {
    const { services, principal } = c.var
    const { userId, sessionId, issuedAt } = principal
    if (sessionId !== undefined) await services.identity.sessions.end(userId, [sessionId])
    else await services.standing(userId).endSessions({ before: (issuedAt ?? 0) + 1 })
    await services.cutSockets(userId, 'auth_required')
    await c.var.audit('sign_out', userId)
    return c.body(null, 204)
  })
  .post('/logout-all', permit('account:sessions'), async (c) => {
    const { services, principal } = c.var
    await services.identity.sessions.endAll(principal.userId)
    await services.cutSockets(principal.userId, 'auth_required')
    await c.var.audit('sign_out_everywhere', principal.userId)
    return c.body(null, 204)
  })
  .post(
    '/password',
    permit('account:password'),
    jsonOnly(),
    validate('json', shapes.passwordBody),
    async (c) => {
      const { services, principal } = c.var
      const { currentPassword, newPassword } = c.req.valid('json')
      const answer = await tried(c, () =>
        services.identity.accounts.changePassword(
          principal.userId,
          currentPassword,
          newPassword,
          deviceOf(c),
        ),
      )
      await services.cutSockets(principal.userId, 'auth_required')
      await c.var.audit('password_changed', principal.userId)
      return c.json(answer)
    },
  )
  .post('/ticket', permit('socket:ticket'), async (c) => {
    const { token, expiresIn } = await c.var.services.tokens.issueTicket(c.var.principal)
    const answer: TicketAnswer = { ticket: token, expiresIn }
    return c.json(answer, 201)
  })

/** Who brings a token to a route that needs none. @throws AppError as any route that needs one */
async function bearerOf(c: Context<AppEnv>): Promise<Principal | null> {
  const { identity } = c.var.services
  if (c.req.header('authorization') === undefined) return null
  const principal = await admit(c, await verifiedPrincipal(c), 'auth')
  if (principal.kind === 'guest' && (await identity.isRegistered(principal.userId))) {
    throw new AppError('unauthorized', 'This guest has registered: sign in.')
  }
  return principal
}

/** Notes who failed to prove themselves; whose account it was meant to be is not said, nobody has proved it. */
async function tried<T>(c: Context<AppEnv>, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid_credentials') {
      await c.var.audit('sign_in_failed', null, null)
    }
    throw error
  }
}

/** Tries are counted by the whole address; of it, only the network is kept with a session. */
function deviceOf(c: Context<AppEnv>): Device {
  const { agent, address } = callerOf(c)
  return {
    agent: agent ?? '',
    network: address ?? '',
    address: c.req.header('cf-connecting-ip') ?? 'local',
  }
}

const actorOf = ({ user }: shapes.SessionAnswer) => ({ userId: user.id, role: user.role })

/** Without an address (a test, another Worker) there is nothing to count by. */
async function welcome(c: Context<AppEnv>): Promise<void> {
  const address = c.req.header('cf-connecting-ip')
  if (address !== undefined) await c.var.services.identity.welcome(address)
}

async function newGuest(c: Context<AppEnv>): Promise<Principal> {
  await welcome(c)
  const id = crypto.randomUUID()
  return {
    userId: `guest:${id}`,
    name: `Guest ${id.slice(0, 4).toUpperCase()}`,
    role: 'guest',
    kind: 'guest',
    // So that this one's tokens can be told from all others', when the guest registers.
    sessionId: crypto.randomUUID(),
  }
}
