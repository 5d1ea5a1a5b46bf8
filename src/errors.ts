/**
 * The one error table, and the one error class that carries an entry of it.
 *
 * HTTP responses, SSE events, socket frames and close codes are all read from this table, so a code means the same
 * everywhere. An error that is not an `AppError` is unexpected: it becomes `internal`, and its message stays in the log.
 * Imported by every folder and by the browser; imports no code.
 */
import type { LimitReached } from './protocol/limit-reached.ts'

interface ErrorRow {
  /** HTTP status. */
  readonly status: number
  /** WebSocket close code, used where the error ends the connection (4000–4999 are the application's). */
  readonly closeCode: number
  /** Whether the same request may succeed later, unchanged. */
  readonly retryable: boolean
  /** Short, stable summary of the kind of problem (RFC 9457 `title`). */
  readonly title: string
}

export const ERRORS = {
  bad_request: { status: 400, closeCode: 4400, retryable: false, title: 'The request is malformed' },
  invalid_json: {
    status: 400,
    closeCode: 4400,
    retryable: false,
    title: 'The body or frame is not valid JSON',
  },
  invalid_frame: {
    status: 400,
    closeCode: 4400,
    retryable: false,
    title: 'The frame is not one of this protocol',
  },
  not_joined: { status: 400, closeCode: 4400, retryable: false, title: 'Join the conversation first' },
  unauthorized: {
    status: 401,
    closeCode: 4401,
    retryable: false,
    title: 'Authentication is missing or invalid',
  },
  invalid_credentials: {
    status: 401,
    closeCode: 4401,
    retryable: false,
    title: 'The email or the password is wrong',
  },
  auth_required: {
    status: 401,
    closeCode: 4401,
    retryable: false,
    title: 'Send a fresh access token',
  },
  suspended: { status: 403, closeCode: 4403, retryable: false, title: 'This account is suspended' },
  access_changed: {
    status: 403,
    closeCode: 4403,
    retryable: false,
    title: 'Your access to the conversation has changed',
  },
  forbidden: { status: 403, closeCode: 4403, retryable: false, title: 'This is not allowed' },
  not_found: { status: 404, closeCode: 4404, retryable: false, title: 'No such resource' },
  conversation_deleted: {
    status: 404,
    closeCode: 4410,
    retryable: false,
    title: 'The conversation was deleted',
  },
  email_taken: { status: 409, closeCode: 4409, retryable: false, title: 'This email is registered' },
  last_admin: { status: 409, closeCode: 4409, retryable: false, title: 'This is the last admin' },
  conflict: {
    status: 409,
    closeCode: 4409,
    retryable: false,
    title: 'The request conflicts with what is there',
  },
  payload_too_large: { status: 413, closeCode: 4413, retryable: false, title: 'The body is too large' },
  frame_too_large: { status: 413, closeCode: 4413, retryable: false, title: 'The frame is too large' },
  unsupported_media_type: {
    status: 415,
    closeCode: 4415,
    retryable: false,
    title: 'The content type is not supported',
  },
  validation_failed: { status: 422, closeCode: 4422, retryable: false, title: 'A field is invalid' },
  rate_limited: { status: 429, closeCode: 4429, retryable: true, title: 'Too many requests' },
  quota_exceeded: {
    status: 429,
    closeCode: 4429,
    retryable: true,
    title: 'The quota of your plan is used up',
  },
  too_many_connections: { status: 429, closeCode: 4429, retryable: true, title: 'Too many connections' },
  queue_full: { status: 429, closeCode: 4429, retryable: true, title: 'Too many messages are waiting' },
  internal: { status: 500, closeCode: 1011, retryable: true, title: 'Something went wrong on our side' },
  model_error: { status: 502, closeCode: 4502, retryable: true, title: 'The model provider failed' },
  model_auth: {
    status: 502,
    closeCode: 4502,
    retryable: false,
    title: 'The model provider refused our credentials',
  },
  model_rejected: {
    status: 502,
    closeCode: 4502,
    retryable: false,
    title: 'The model provider refused the request',
  },
  model_refused_content: {
    status: 502,
    closeCode: 4502,
    retryable: false,
    title: 'The model provider refused the content',
  },
  model_context_length: {
    status: 502,
    closeCode: 4502,
    retryable: false,
    title: 'The conversation is longer than the model accepts',
  },
  model_unreachable: {
    status: 502,
    closeCode: 4502,
    retryable: true,
    title: 'The model provider cannot be reached',
  },
  model_quota: {
    status: 503,
    closeCode: 4503,
    retryable: false,
    title: 'The quota at the model provider is used up',
  },
  model_overloaded: {
    status: 503,
    closeCode: 4503,
    retryable: true,
    title: 'The model provider is overloaded',
  },
  model_unavailable: {
    status: 503,
    closeCode: 4503,
    retryable: true,
    title: 'No model provider can be asked right now',
  },
  paused: { status: 503, closeCode: 4503, retryable: true, title: 'An operator has paused this' },
  queue_timeout: {
    status: 504,
    closeCode: 4504,
    retryable: true,
    title: 'The message waited too long for the model provider',
  },
  model_rate_limited: {
    status: 503,
    closeCode: 4503,
    retryable: true,
    title: 'The model provider is limiting requests',
  },
  interrupted: { status: 503, closeCode: 4503, retryable: true, title: 'The answer was interrupted' },
  unavailable: {
    status: 503,
    closeCode: 4503,
    retryable: true,
    title: 'The service is not available right now',
  },
  misconfigured: { status: 503, closeCode: 4503, retryable: false, title: 'The service is not configured' },
  model_timeout: {
    status: 504,
    closeCode: 4504,
    retryable: true,
    title: 'The model provider did not answer in time',
  },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

export interface ErrorOptions {
  /** The field of the input at fault, as a dotted path (`content`, `metadata.tags.0`). */
  readonly field?: string | undefined
  /** When to try again, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined
  /** Which limit was reached. */
  readonly limit?: LimitReached | undefined
  /** Overrides the table where one occurrence differs (a 501 of a provider will not heal by itself). */
  readonly retryable?: boolean | undefined
  readonly cause?: unknown
}

/** What an error looks like when it crosses an RPC boundary, is stored with a turn, or is sent in a frame. */
export interface ErrorShape {
  readonly code: ErrorCode
  readonly detail: string
  readonly field?: string | undefined
  readonly retryable: boolean
  readonly retryAfterMs?: number | undefined
  readonly limit?: LimitReached | undefined
}

/** An expected failure. `detail` is written for the caller: it never holds secrets or internals. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly field: string | undefined
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly limit: LimitReached | undefined

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(detail, { cause: options.cause })
    this.code = code
    this.field = options.field
    this.retryable = options.retryable ?? ERRORS[code].retryable
    this.retryAfterMs = options.retryAfterMs
    this.limit = options.limit
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  toShape(): ErrorShape {
    return {
      code: this.code,
      detail: this.message,
      retryable: this.retryable,
      ...(this.field !== undefined && { field: this.field }),
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.limit !== undefined && { limit: this.limit }),
    }
  }

  static fromShape(shape: ErrorShape): AppError {
    return new AppError(shape.code, shape.detail, shape)
  }
}

/** Expected outcomes cross RPC as values, because a thrown error loses its class on the way. */
export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ErrorShape }

/** @throws AppError when the result is a failure */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value
  throw AppError.fromShape(result.error)
}
