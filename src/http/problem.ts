/**
 * Every failed request leaves through here, as RFC 9457 problem details from the one error table. What is not an
 * `AppError` is unexpected: it is logged, and the caller hears `internal` and the request id.
 */
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { matchedRoutes } from 'hono/route'
import { METHOD_NAME_ALL } from 'hono/router'
import { AppError, ERRORS, type ErrorCode } from '../errors.ts'
import type { AppEnv } from '../env.ts'
import type { Problem } from '../protocol/http.ts'
import { loggerOf, type Services } from '../services.ts'

/** What Hono's own middleware throws, by status. */
const OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
}

export function onError(error: Error, c: Context<AppEnv>): Response {
  const known = toAppError(error, c.var.requestId)
  if (known.code === 'internal' || known.code === 'misconfigured' || known.code === 'unavailable') {
    // The context may have failed before there was a logger.
    const logger = c.var.logger ?? loggerOf(c.env).with({ requestId: c.var.requestId })
    logger.error('request_failed', error, { method: c.req.method, path: c.req.path })
  }
  if (known.status >= 500) noteFailure(c, known, error)
  return problemResponse(c, known)
}

/** For the operators, who are told of what fails often. Costs no call: it goes along with what is told of model calls. */
function noteFailure(c: Context<AppEnv>, { code, message }: AppError, error: Error): void {
  // The context may have failed before there were services.
  const services = c.var.services as Services | undefined
  const pattern = matchedRoutes(c).findLast(({ method }) => method !== METHOD_NAME_ALL)?.path
  if (!services || pattern === undefined) return
  // What nobody expected says nothing here but what it is: its message may hold anything.
  const detail = code === 'internal' ? error.name : message
  services.operationsLink.routeFailed(`${c.req.method} ${pattern}`, code, detail, (promise) =>
    c.executionCtx.waitUntil(promise),
  )
}

export function problemResponse(c: Context<AppEnv>, error: AppError): Response {
  const { status, title } = ERRORS[error.code]
  const body: Problem = {
    type: 'about:blank',
    title,
    status,
    detail: error.message,
    code: error.code,
    requestId: c.var.requestId,
    retryable: error.retryable,
    ...(error.field !== undefined && { field: error.field }),
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
    ...(error.limit !== undefined && { limit: error.limit }),
  }
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' }
  if (error.retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(error.retryAfterMs / 1000))
  if (error.code === 'unauthorized') headers['www-authenticate'] = 'Bearer'
  return c.body(JSON.stringify(body), status, headers)
}

function toAppError(error: Error, requestId: string): AppError {
  if (error instanceof AppError) return error
  if (error instanceof HTTPException) {
    const badJson = error.status === 400 && error.message.startsWith('Malformed JSON')
    const code = badJson ? 'invalid_json' : OF_STATUS[error.status]
    if (code) return new AppError(code, error.message || ERRORS[code].title, { cause: error })
  }
  return new AppError('internal', `Something went wrong on our side. The request id is ${requestId}.`, {
    cause: error,
  })
}
