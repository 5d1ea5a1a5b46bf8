/**
 * Everything that can go wrong between us and a provider that speaks as OpenAI does, as a `ModelFailure`.
 *
 * The class decides what a turn does next (ask again, wait, ask elsewhere, give up), so it is read from what is stable:
 * the HTTP status, the headers, the documented `code` and `type` of an error object; of its message only whether the
 * conversation was too long. The provider's own words are never passed on: they may quote key, address or conversation.
 */
import { APIConnectionError, APIConnectionTimeoutError, APIError } from 'openai'
import { ERRORS } from '../errors.ts'
import { FAILURES, ModelFailure, type FailureClass, type ModelFailureOptions } from './failure.ts'
import { SseOverflowError } from './sse-reader.ts'

/** Longest wait that a provider may ask for: a day. More is a mistake, or a timer overflow in waiting. */
const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1000

/** What was thrown by the SDK, by `fetch`, or by reading the body. */
export function classifyThrown(error: unknown): ModelFailure {
  if (error instanceof ModelFailure) return error
  if (error instanceof APIConnectionTimeoutError) {
    return new ModelFailure('timeout', 'The model provider did not answer in time.', { cause: error })
  }
  if (error instanceof APIConnectionError) {
    return new ModelFailure('network', 'The model provider could not be reached.', {
      cause: error,
      providerCode: networkCodeOf(error),
    })
  }
  if (error instanceof APIError && typeof error.status === 'number') {
    const headers: unknown = error.headers
    const said = fieldsOf(error.error)
    return classifyStatus(
      error.status,
      { ...said, code: error.code ?? said.code, type: error.type ?? said.type },
      headers instanceof Headers ? headers : new Headers(),
      error,
    )
  }
  if (error instanceof SseOverflowError) {
    return new ModelFailure('server', 'The model provider sent a message that is too large.', {
      cause: error,
      providerCode: 'overflow',
    })
  }
  return new ModelFailure('network', 'The connection to the model provider broke.', {
    cause: error,
    providerCode: networkCodeOf(error),
  })
}

/** An `error` object inside a stream whose status was 200. */
export function classifyStreamed(error: unknown): ModelFailure {
  const fields = fieldsOf(error)
  const status = [fields.code, fields.status].map(Number).find((n) => n >= 400 && n <= 599)
  if (status !== undefined) return classifyStatus(status, fields, new Headers(), undefined)
  const kind = kindOf(fields)
  const providerCode = codeOf(fields)
  return kind === undefined
    ? new ModelFailure('server', 'The model provider failed while answering.', { providerCode })
    : new ModelFailure(kind.failure, `${kind.says}.`, { providerCode })
}

/** What an error object may hold; nothing of it is believed to be there. */
interface ErrorFields {
  readonly code?: unknown
  readonly type?: unknown
  readonly status?: unknown
  readonly message?: unknown
}

function fieldsOf(error: unknown): ErrorFields {
  if (typeof error === 'string') return { message: error }
  return typeof error === 'object' && error !== null ? error : {}
}

/** @param said what the error object says, which tells apart what has one status */
export function classifyStatus(
  status: number,
  said: ErrorFields,
  headers: Headers,
  cause: unknown,
): ModelFailure {
  const kind = kindOf(said)
  const retryAfterMs = readRetryAfter(headers)
  const make = (failure: FailureClass, says: string, options: ModelFailureOptions = {}): ModelFailure => {
    const retryable = options.retryable ?? ERRORS[FAILURES[failure].code].retryable
    return new ModelFailure(failure, `${says} (HTTP ${status}).`, {
      cause,
      providerStatus: status,
      providerCode: codeOf(said),
      repeatable: readShouldRetry(headers),
      retryable,
      ...(retryable && { retryAfterMs }),
    })
  }
  const ofKind = (...allowed: readonly FailureClass[]): ModelFailure | undefined =>
    kind !== undefined && allowed.includes(kind.failure) ? make(kind.failure, kind.says) : undefined
  switch (status) {
    case 401:
    case 403:
      return ofKind('quota', 'content_filter') ?? make('auth', 'The model provider refused our credentials')
    case 402:
      return make('quota', 'The quota at the model provider is used up')
    case 404:
      return make('bad_request', 'The model provider does not know this model or address')
    case 408:
    case 504:
      return make('timeout', 'The model provider did not answer in time')
    case 409:
      return make('server', 'The model provider reports a conflict')
    case 413:
      return make('context_length', 'The conversation is larger than the model provider accepts')
    case 429:
      return (
        ofKind('quota', 'overloaded', 'context_length') ??
        make('rate_limit', 'The model provider is limiting requests')
      )
    case 501:
      return make('server', 'The model provider does not support this request', { retryable: false })
    case 503:
    case 529:
      return make('overloaded', 'The model provider is overloaded')
  }
  if (status >= 500) {
    return ofKind('overloaded', 'context_length', 'rate_limit') ?? make('server', 'The model provider failed')
  }
  if (status >= 400) {
    return (
      ofKind('context_length', 'content_filter', 'quota', 'bad_request') ??
      make('bad_request', 'The model provider refused the request')
    )
  }
  return make('server', 'The model provider gave an unexpected answer')
}

interface Kind {
  readonly failure: FailureClass
  readonly says: string
}

/** By `code`, then by `type`, as OpenAI, Azure, OpenRouter, vLLM and llama.cpp name them. First match wins. */
const KINDS: readonly (readonly [RegExp, Kind])[] = [
  // No waiting helps: somebody has to pay.
  [
    /insufficient_quota|billing|credit/,
    { failure: 'quota', says: 'The quota at the model provider is used up' },
  ],
  [
    /rate_limit|too_many_requests|tokens_per_min|requests_per_min/,
    { failure: 'rate_limit', says: 'The model provider is limiting requests' },
  ],
  [
    /api_key|authentication|unauthorized|permission|forbidden/,
    { failure: 'auth', says: 'The model provider refused our credentials' },
  ],
  [/time_?d?_?out/, { failure: 'timeout', says: 'The model provider did not answer in time' }],
  [/overloaded|unavailable|capacity/, { failure: 'overloaded', says: 'The model provider is overloaded' }],
  [
    /context_length|context_window|exceed_context|string_above_max/,
    { failure: 'context_length', says: 'The conversation is longer than the model accepts' },
  ],
  [
    /content_filter|content_policy|moderation|responsible_?ai/,
    { failure: 'content_filter', says: 'The model provider refused the content' },
  ],
  [
    /model_not_found|not_found/,
    { failure: 'bad_request', says: 'The model provider does not know this model' },
  ],
  [
    /invalid_request|invalid_prompt|bad_?request|unsupported/,
    { failure: 'bad_request', says: 'The model provider refused the request' },
  ],
]

/**
 * How servers say it that have no code for it: vLLM and SGLang ("maximum context length is 4096 tokens"), llama.cpp
 * ("exceeds the available context size"), TGI ("must be <= 4096"), Anthropic's ("prompt is too long"), Gemini's ("input
 * token count exceeds"), Workers AI ("context window limit").
 */
const TOO_LONG =
  /context (?:length|window|size)|prompt is too long|too many (?:input |prompt )?tokens|input token count|tokens? .{0,60}must be <=|max(?:imum)?_?(?: model| input| prompt)?[ _]len(?:gth)?/i

export function isTooLong(message: unknown): boolean {
  // The words that say it are at the beginning; what follows may be the conversation.
  return typeof message === 'string' && TOO_LONG.test(message.slice(0, 500))
}

function kindOf(error: ErrorFields): Kind | undefined {
  let kind: Kind | undefined
  for (const name of [error.code, error.type]) {
    if (typeof name !== 'string') continue
    kind ??= KINDS.find(([pattern]) => pattern.test(name.toLowerCase()))?.[1]
  }
  // `invalid_request_error` is what a too long prompt is called where there is no name for it.
  if ((kind === undefined || kind.failure === 'bad_request') && isTooLong(error.message)) {
    return { failure: 'context_length', says: 'The conversation is longer than the model accepts' }
  }
  return kind
}

function codeOf({ code, type }: ErrorFields): string | undefined {
  for (const name of [code, type]) {
    if (typeof name === 'string' && name !== '') return name
    if (typeof name === 'number') return String(name)
  }
  return undefined
}

/** `ECONNREFUSED` and the like, where the runtime tells it: at the end of a chain of causes. */
function networkCodeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    const { code } = at as { code?: unknown }
    if (typeof code === 'string') return code
  }
  return undefined
}

/** `x-should-retry`, which the provider knows best; undefined when it does not say. */
function readShouldRetry(headers: Headers): boolean | undefined {
  const said = headers.get('x-should-retry')?.trim().toLowerCase()
  return said === 'true' ? true : said === 'false' ? false : undefined
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
