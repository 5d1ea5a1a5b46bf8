/**
 * Everything that can go wrong between us and an OpenAI-compatible provider, as an `AppError`.
 *
 * The code decides what a turn does next (ask again, wait, give up), so it is read from what is stable: the HTTP status,
 * the headers, and the documented `code` and `type` of an error object. The provider's own words are never passed
 * on: they are written for whoever holds the key, and may quote it, the address or the conversation.
 */
import { APIConnectionError, APIConnectionTimeoutError, APIError } from 'openai'
import { AppError } from '../errors.ts'
import type { ErrorCode, ErrorOptions } from '../errors.ts'
import { SseOverflowError } from './sse-reader.ts'

/** Longest wait that a provider may ask for: a day. More is a mistake, or a timer overflow in waiting. */
const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1000

/** What was thrown by the SDK, by `fetch`, or by reading the body. */
export function classifyThrown(error: unknown): AppError {
  if (error instanceof AppError) return error
  if (error instanceof APIConnectionTimeoutError) {
    return new AppError('model_timeout', 'The model provider did not answer in time.', { cause: error })
  }
  if (error instanceof APIConnectionError) {
    return new AppError('model_error', 'The model provider could not be reached.', { cause: error })
  }
  if (error instanceof APIError && typeof error.status === 'number') {
    const headers: unknown = error.headers
    const retryAfterMs = headers instanceof Headers ? readRetryAfter(headers) : undefined
    return classifyStatus(error.status, kindOf({ code: error.code, type: error.type }), retryAfterMs, error)
  }
  if (error instanceof SseOverflowError) {
    return new AppError('model_error', 'The model provider sent a message that is too large.', {
      cause: error,
    })
  }
  return new AppError('model_error', 'The connection to the model provider broke.', { cause: error })
}

/** An `error` object inside a stream whose status was 200. */
export function classifyStreamed(error: unknown): AppError {
  const fields: { code?: unknown; type?: unknown; status?: unknown } =
    typeof error === 'object' && error !== null ? error : {}
  const status = [fields.code, fields.status].map(Number).find((n) => n >= 400 && n <= 599)
  if (status !== undefined) return classifyStatus(status, kindOf(fields), undefined, undefined)
  const kind = kindOf(fields)
  return kind === undefined
    ? new AppError('model_error', 'The model provider failed while answering.')
    : new AppError(kind.code, `${kind.says}.`, { retryable: kind.retryable })
}

/** @param kind what the error object says, which tells apart what has one status */
function classifyStatus(
  status: number,
  kind: Kind | undefined,
  retryAfterMs: number | undefined,
  cause: unknown,
): AppError {
  const make = (code: ErrorCode, says: string, options: ErrorOptions = {}): AppError =>
    new AppError(code, `${says} (HTTP ${status}).`, {
      cause,
      ...options,
      ...((options.retryable ?? true) && retryAfterMs !== undefined && { retryAfterMs }),
    })
  switch (status) {
    case 401:
    case 403:
      return make('model_auth', 'The model provider refused our credentials', { retryable: false })
    case 404:
      return make('model_rejected', 'The model provider does not know this model or address', {
        retryable: false,
      })
    case 408:
    case 504:
      return make('model_timeout', 'The model provider did not answer in time')
    case 409:
      return make('model_error', 'The model provider reports a conflict')
    case 413:
      return make('model_rejected', 'The conversation is larger than the model provider accepts', {
        retryable: false,
      })
    case 429:
      return kind?.code === 'model_rate_limited'
        ? make(kind.code, kind.says, { retryable: kind.retryable })
        : make('model_rate_limited', 'The model provider is limiting requests')
    case 501:
      return make('model_error', 'The model provider does not support this request', { retryable: false })
    case 503:
    case 529:
      return make('model_error', 'The model provider is overloaded')
  }
  if (status >= 500) return make('model_error', 'The model provider failed')
  if (status >= 400) {
    const says = kind?.code === 'model_rejected' ? kind.says : 'The model provider refused the request'
    return make('model_rejected', says, { retryable: false })
  }
  return make('model_error', 'The model provider gave an unexpected answer')
}

interface Kind {
  readonly code: ErrorCode
  readonly says: string
  readonly retryable: boolean
}

/** By `code`, then by `type`, as OpenAI, Azure, OpenRouter, vLLM and llama.cpp name them. First match wins. */
const KINDS: readonly (readonly [RegExp, Kind])[] = [
  [
    // No waiting helps: somebody has to pay.
    /insufficient_quota|billing/,
    { code: 'model_rate_limited', says: 'The quota at the model provider is used up', retryable: false },
  ],
  [
    /rate_limit|too_many_requests|tokens_per_min|requests_per_min/,
    { code: 'model_rate_limited', says: 'The model provider is limiting requests', retryable: true },
  ],
  [
    /api_key|authentication|unauthorized|permission|forbidden/,
    { code: 'model_auth', says: 'The model provider refused our credentials', retryable: false },
  ],
  [
    /time_?d?_?out/,
    { code: 'model_timeout', says: 'The model provider did not answer in time', retryable: true },
  ],
  [
    /overloaded|unavailable/,
    { code: 'model_error', says: 'The model provider is overloaded', retryable: true },
  ],
  [
    /context_length|exceed_context|string_above_max/,
    {
      code: 'model_rejected',
      says: 'The conversation is longer than the model accepts',
      retryable: false,
    },
  ],
  [
    /content_filter|content_policy|moderation/,
    { code: 'model_rejected', says: 'The model provider refused the content', retryable: false },
  ],
  [
    /model_not_found|not_found/,
    { code: 'model_rejected', says: 'The model provider does not know this model', retryable: false },
  ],
  [
    /invalid_request|invalid_prompt|bad_request|unsupported/,
    { code: 'model_rejected', says: 'The model provider refused the request', retryable: false },
  ],
]

function kindOf(error: { readonly code?: unknown; readonly type?: unknown }): Kind | undefined {
  for (const name of [error.code, error.type]) {
    if (typeof name !== 'string') continue
    const kind = KINDS.find(([pattern]) => pattern.test(name.toLowerCase()))
    if (kind !== undefined) return kind[1]
  }
  return undefined
}

/** `retry-after-ms` (OpenAI), else `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); in milliseconds from now. */
export function readRetryAfter(headers: Headers, nowMs = Date.now()): number | undefined {
  const inMs = readNumber(headers.get('retry-after-ms'))
  if (inMs !== undefined) return clampRetryAfter(inMs)
  const header = headers.get('retry-after')
  const seconds = readNumber(header)
  if (seconds !== undefined) return clampRetryAfter(seconds * 1000)
  // A bare number that is not a delay (negative) must not be taken for a year.
  const at = header !== null && /[a-z]/i.test(header) ? Date.parse(header) : Number.NaN
  return Number.isNaN(at) ? undefined : clampRetryAfter(at - nowMs)
}

function readNumber(header: string | null): number | undefined {
  return header !== null && /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) : undefined
}

function clampRetryAfter(ms: number): number {
  return Math.ceil(Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS))
}
