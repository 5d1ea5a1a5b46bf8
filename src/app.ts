/**
 * The Hono app: which middleware, in which order, and what is mounted where. No logic: what a route does is in
 * `http/routes`, and what goes wrong leaves through `http/problem`.
 */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { readConfig, type AppEnv } from './env.ts'
import { AppError } from './errors.ts'
import { context, ready } from './http/context.ts'
import { floodGuard, LIMIT_HEADERS } from './http/limit.ts'
import { onError, problemResponse } from './http/problem.ts'
import { auditRoutes } from './http/routes/audit.ts'
import { authRoutes } from './http/routes/auth.ts'
import { chatRoutes } from './http/routes/chat.ts'
import { conversationRoutes } from './http/routes/conversations.ts'
import { healthRoutes } from './http/routes/health.ts'
import { keyRoutes } from './http/routes/keys.ts'
import { errorRoutes, incidentRoutes } from './http/routes/incidents.ts'
import { meRoutes } from './http/routes/me.ts'
import { providerRoutes, switchRoutes } from './http/routes/operations.ts'
import { peopleRoutes } from './http/routes/people.ts'
import { acceptRoutes, inviteRoutes } from './http/routes/invites.ts'
import { memberRoutes } from './http/routes/members.ts'
import { erasureRoutes, privacyRoutes } from './http/routes/privacy.ts'
import { queueRoutes } from './http/routes/queue.ts'
import { resumeRoutes } from './http/routes/resume.ts'
import { sharedRoutes, shareRoutes } from './http/routes/shares.ts'
import { socketRoutes } from './http/routes/socket.ts'
import { adminUsageRoutes, usageRoutes } from './http/routes/usage.ts'
import { adminWebhookRoutes, webhookRoutes } from './http/routes/webhooks.ts'

/** Long enough for a UUID or a trace id; what is longer, or has other characters, is replaced. */
const MAX_REQUEST_ID_CHARS = 128
/** How long a browser may keep the answer to a preflight. */
const CORS_MAX_AGE_S = 600

/** `*` allows any page; tokens travel in a header, so a browser never adds them by itself. */
function corsOrigin(origins: string[]): string | string[] {
  return origins.includes('*') ? '*' : origins
}

export const app = new Hono<AppEnv>()
  .basePath('/api')
  .use(requestId({ limitLength: MAX_REQUEST_ID_CHARS }))
  .use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      crossOriginResourcePolicy: 'same-origin',
      referrerPolicy: 'no-referrer',
      xFrameOptions: 'DENY',
    }),
  )
  .use(context())
  .use((c, next) =>
    cors({
      origin: corsOrigin(readConfig(c.env).CORS_ORIGINS),
      allowHeaders: ['authorization', 'content-type', 'last-event-id', 'x-request-id'],
      exposeHeaders: ['x-request-id', 'x-conversation-id', 'x-cache', 'location', ...LIMIT_HEADERS],
      maxAge: CORS_MAX_AGE_S,
    })(c, next),
  )
  .use(floodGuard())
  .use((c, next) => {
    const maxSize = readConfig(c.env).MAX_BODY_BYTES
    const tooLarge = () =>
      problemResponse(c, new AppError('payload_too_large', `A body may have ${maxSize} bytes.`))
    return bodyLimit({ maxSize, onError: tooLarge })(c, next)
  })
  // Health tells what is missing, so it comes before what waits for it.
  .route('/health', healthRoutes)
  .use(ready())
  .route('/auth', authRoutes)
  .route('/me', meRoutes)
  .route('/keys', keyRoutes)
  .route('/webhooks', webhookRoutes)
  // Sockets bring a ticket instead of a token, so they come before what asks for one.
  .route('/conversations', socketRoutes)
  .route('/conversations', resumeRoutes)
  .route('/conversations', conversationRoutes)
  .route('/conversations', memberRoutes)
  .route('/conversations', inviteRoutes)
  .route('/conversations', shareRoutes)
  .route('/invites', acceptRoutes)
  .route('/shares', sharedRoutes)
  .route('/chat', chatRoutes)
  .route('/usage', usageRoutes)
  .route('/admin/usage', adminUsageRoutes)
  .route('/me', privacyRoutes)
  .route('/erasures', erasureRoutes)
  .route('/admin/audit', auditRoutes)
  .route('/admin/users', peopleRoutes)
  .route('/admin/incidents', incidentRoutes)
  .route('/admin/errors', errorRoutes)
  .route('/admin/providers', providerRoutes)
  .route('/admin/switches', switchRoutes)
  .route('/admin/webhooks', adminWebhookRoutes)
  .route('/queue', queueRoutes)
  .notFound((c) => problemResponse(c, new AppError('not_found', 'There is nothing at this address.')))
  .onError(onError)

export type AppType = typeof app
