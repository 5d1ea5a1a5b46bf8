/**
 * The one error that the library throws or hands out. It carries what the server's error table said; failures that the
 * server never saw have codes of their own: `network` (no answer came) and `bad_answer` (an answer that is not ours).
 */
import type { ErrorCode } from '../errors.ts'
import { problem } from '../protocol/http.ts'
import type { LimitReached } from '../protocol/limit-reached.ts'
import type { TurnError } from '../protocol/message.ts'
import type { FrameOf } from '../protocol/server-frames.ts'

/**
 * Codes that this library knows; a newer server may send others. `signed_out`: the session has ended, and nothing can be
 * asked before somebody signs in.
 */
export type ParleyErrorCode = ErrorCode | 'network' | 'bad_answer' | 'signed_out' | (string & {})

interface ParleyErrorInit {
  readonly code: ParleyErrorCode
  readonly detail: string
  readonly retryable: boolean
  readonly status?: number | undefined
  readonly field?: string | undefined
  readonly retryAfterMs?: number | undefined
  readonly limit?: LimitReached | undefined
  readonly requestId?: string | undefined
  readonly cause?: unknown
}

/** Why a message was not taken. */
export type SendError = TurnError & { readonly limit?: LimitReached | undefined }

export class ParleyError extends Error {
  override readonly name = 'ParleyError'
  readonly code: ParleyErrorCode
  /** HTTP status; 0 when no answer came, or when the error came in a frame. */
  readonly status: number
  /** Whether the same request may succeed later, unchanged. */
  readonly retryable: boolean
  readonly field: string | undefined
  readonly retryAfterMs: number | undefined
  /** Which limit was reached, where one was. */
  readonly limit: LimitReached | undefined
  readonly requestId: string | undefined

  constructor(init: ParleyErrorInit) {
    super(init.detail, { cause: init.cause })
    this.code = init.code
    this.status = init.status ?? 0
    this.retryable = init.retryable
    this.field = init.field
    this.retryAfterMs = init.retryAfterMs
    this.limit = init.limit
    this.requestId = init.requestId
  }

  /** Reads a failed response; one that is not problem+json (a proxy's page) still becomes a clear error. */
  static async fromResponse(response: Response): Promise<ParleyError> {
    const body: unknown = await response.json().catch(() => null)
    const parsed = problem.safeParse(body)
    if (parsed.success) return new ParleyError(parsed.data)
    return new ParleyError({
      code: 'bad_answer',
      detail: `The server answered with status ${response.status}.`,
      status: response.status,
      retryable: response.status >= 500 || response.status === 429,
    })
  }

  static fromFrame(frame: FrameOf<'error'>): ParleyError {
    return new ParleyError(frame)
  }

  static network(cause: unknown): ParleyError {
    return new ParleyError({
      code: 'network',
      detail: 'The server could not be reached.',
      retryable: true,
      cause,
    })
  }

  /** Anything that was caught, as one of these. */
  static from(error: unknown): ParleyError {
    return error instanceof ParleyError ? error : ParleyError.network(error)
  }

  /** The shape in which errors stand beside messages. */
  toTurnError(): SendError {
    return {
      code: this.code,
      detail: this.message,
      retryable: this.retryable,
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.limit !== undefined && { limit: this.limit }),
    }
  }
}
