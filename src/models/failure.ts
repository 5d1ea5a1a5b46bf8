/**
 * What can go wrong with a model call, in one list for all providers, and what each means for us: the code of the error
 * table, whether the same call may be repeated, and whether another provider may be asked instead.
 *
 * An adapter finds the class (openai-errors.ts, workers-ai.ts); the chain and the breaker decide by it.
 */
import { AppError, type ErrorCode, type ErrorOptions } from '../errors.ts'

export const FAILURE_CLASSES = [
  'auth',
  'quota',
  'rate_limit',
  'timeout',
  'overloaded',
  'content_filter',
  'context_length',
  'bad_request',
  'server',
  'network',
  'cancelled',
] as const
export type FailureClass = (typeof FAILURE_CLASSES)[number]

interface FailureRow {
  readonly code: ErrorCode
  /** The same call may succeed on the same provider, soon. */
  readonly repeatable: boolean
  /** Another provider may succeed where this one failed. */
  readonly elsewhere: boolean
  /** It says something about the provider's health, and counts for its breaker. */
  readonly counts: boolean
}

export const FAILURES: Record<FailureClass, FailureRow> = {
  auth: { code: 'model_auth', repeatable: false, elsewhere: true, counts: true },
  quota: { code: 'model_quota', repeatable: false, elsewhere: true, counts: true },
  rate_limit: { code: 'model_rate_limited', repeatable: true, elsewhere: true, counts: true },
  timeout: { code: 'model_timeout', repeatable: true, elsewhere: true, counts: true },
  overloaded: { code: 'model_overloaded', repeatable: true, elsewhere: true, counts: true },
  content_filter: { code: 'model_refused_content', repeatable: false, elsewhere: false, counts: false },
  context_length: { code: 'model_context_length', repeatable: false, elsewhere: true, counts: false },
  bad_request: { code: 'model_rejected', repeatable: false, elsewhere: true, counts: false },
  server: { code: 'model_error', repeatable: true, elsewhere: true, counts: true },
  network: { code: 'model_unreachable', repeatable: true, elsewhere: true, counts: true },
  cancelled: { code: 'interrupted', repeatable: false, elsewhere: false, counts: false },
}

export interface ModelFailureOptions extends ErrorOptions {
  readonly providerStatus?: number | undefined
  readonly providerCode?: string | undefined
  /** Overrides the table: the provider has said itself whether the call may be repeated. */
  readonly repeatable?: boolean | undefined
}

/** A failed model call. `detail` is written for the person who asked; what the provider said is only in `cause`. */
export class ModelFailure extends AppError {
  readonly failure: FailureClass
  /** HTTP status of the provider's answer, where there was one. */
  readonly providerStatus: number | undefined
  /** The provider's own code of the error, as it came: only {@link fingerprintOf} makes of it what may be kept. */
  readonly providerCode: string | undefined
  /** Whether the same call may be made again, soon, of the same provider. */
  readonly repeatable: boolean

  constructor(
    failure: FailureClass,
    detail: string,
    { providerStatus, providerCode, repeatable, ...options }: ModelFailureOptions = {},
  ) {
    super(FAILURES[failure].code, detail, options)
    this.failure = failure
    this.providerStatus = providerStatus
    this.providerCode = providerCode
    this.repeatable = repeatable ?? (FAILURES[failure].repeatable && this.retryable)
  }
}

/** A word such as `rate_limit_exceeded`, or a number such as 3040. Ids, keys and sentences are neither. */
const CODE = /^(?:[a-z]+(?:_[a-z]+)*|\d{3,4})$/
const MAX_CODE_CHARS = 48

/** What failures are grouped by: `openai:rate_limit:429:requests`; `-` stands for what is not known. */
export function fingerprintOf(provider: string, failure: ModelFailure): string {
  const code = failure.providerCode?.toLowerCase() ?? ''
  const known = code.length <= MAX_CODE_CHARS && CODE.test(code) ? code : '-'
  return `${provider}:${failure.failure}:${failure.providerStatus ?? '-'}:${known}`
}
