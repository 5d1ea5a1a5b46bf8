/**
 * How often one may ask. First a flood guard per address, by Cloudflare's own counter, before anything is verified; it is
 * per location and approximate. Then, once somebody is known, their limiter object decides: one call per request, which
 * also refuses who is suspended and tokens that are void.
 *
 * What is left is told with every answer, as the IETF draft has it (draft-ietf-httpapi-ratelimit-headers).
 */
import type { Context, MiddlewareHandler } from 'hono'
import { networkOf } from '../auth/attempts.ts'
import type { AppEnv } from '../env.ts'
import { AppError } from '../errors.ts'
import type { LimitState, RouteClass } from '../limits/standing.ts'
import type { Action } from '../protocol/permissions.ts'
import type { Principal } from '../protocol/principal.ts'

/** The period of the flood guard in wrangler.toml; its limit there is that of the variable `FLOOD_LIMIT`. */
export const FLOOD_PERIOD_S = 10

/** Headers that browsers of other origins may read. */
export const LIMIT_HEADERS = ['ratelimit', 'ratelimit-policy', 'retry-after']

/** @throws AppError `rate_limited` */
export function floodGuard(): MiddlewareHandler<AppEnv> {
  return async function floodGuard(c, next) {
    const guard = c.env.FLOOD_GUARD
    // Set by Cloudflare, whatever a client sends; without it (a test, another Worker) there is no address to count.
    const address = c.req.header('cf-connecting-ip')
    if (guard && address !== undefined && !(await guard.limit({ key: networkOf(address) })).success) {
      const { FLOOD_LIMIT: limit } = c.var.services.config
      const name = 'address'
      tell(c, [{ name, limit, windowS: FLOOD_PERIOD_S, remaining: 0, resetS: FLOOD_PERIOD_S }])
      const retryAfterMs = FLOOD_PERIOD_S * 1000
      const resetAt = new Date(Date.now() + retryAfterMs).toISOString()
      throw new AppError('rate_limited', 'Too many requests from this address. Wait a moment.', {
        retryAfterMs,
        limit: { name, unit: 'requests', limit, remaining: 0, resetAt },
      })
    }
    await next()
  }
}

/**
 * For what nobody has to be known for and that costs much, a password's hash or rows of D1, even when it succeeds: a bucket
 * of the network, of the size of a guest's.
 *
 * @throws AppError `rate_limited`
 */
export function byAddress(): MiddlewareHandler<AppEnv> {
  return async function byAddress(c, next) {
    const address = c.req.header('cf-connecting-ip')
    if (address !== undefined) {
      const standing = c.var.services.standing(`address:${networkOf(address)}`)
      const admission = await standing.admit('auth', { kind: 'guest' })
      if (!admission.ok) throw AppError.fromShape(admission.error)
    }
    await next()
  }
}

const READ: readonly Action[] = ['conversation:read', 'conversation:list', 'account:read', 'usage:read']
const AUTH: readonly Action[] = ['socket:ticket', 'account:sessions']
/** What is entered into the audit trail. */
const MANAGE: readonly Action[] = [
  'conversation:members',
  'conversation:share',
  'conversation:leave',
  'invite:accept',
  'keys:manage',
  'webhooks:manage',
  'account:password',
  'account:update',
  'account:export',
  'account:erase',
]

/** Which bucket an action draws from. */
export function routeClassOf(action: Action, method: string): RouteClass {
  if (action.startsWith('admin:')) return 'admin'
  if (READ.includes(action)) return 'read'
  if (AUTH.includes(action)) return 'auth'
  if (!MANAGE.includes(action)) return 'write'
  // A list is no entry; an export is one.
  return method === 'GET' && action !== 'account:export' ? 'read' : 'manage'
}

/**
 * Asks the limiter of this person, and tells what is left.
 *
 * @returns the principal with the plan that counts
 * @throws AppError `suspended`, `unauthorized`, `rate_limited`, `unavailable`
 */
export async function admit(c: Context<AppEnv>, principal: Principal, route: RouteClass): Promise<Principal> {
  const { kind, plan, sessionId, issuedAt, userId } = principal
  const admission = await c.var.services.standing(userId).admit(route, { kind, plan, sessionId, issuedAt })
  tell(c, admission.limits)
  if (!admission.ok) throw AppError.fromShape(admission.error)
  return { ...principal, plan: admission.plan }
}

/** Where the limits stand when the answer is made; an upgrade to a socket has no room for it. */
function tell(c: Context<AppEnv>, limits: readonly LimitState[]): void {
  if (limits.length === 0) return
  c.header(
    'RateLimit-Policy',
    limits.map(({ name, limit, windowS }) => `"${name}";q=${limit};w=${windowS}`).join(', '),
  )
  c.header(
    'RateLimit',
    limits.map(({ name, remaining, resetS }) => `"${name}";r=${remaining};t=${resetS}`).join(', '),
  )
}
