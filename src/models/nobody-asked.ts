/**
 * Why nobody answered a turn, gathered while providers were asked or passed over, and made into the one error that the
 * person is told: what helps them most, which is when to try again.
 */
import { AppError } from '../errors.ts'
import type { ModelFailure } from './failure.ts'
import type { Closed } from './provider-gate.ts'

/** A breaker that lets calls through one by one is asked again this soon. */
const HALF_OPEN_MS = 1_000

export class NobodyAsked {
  readonly #failures: ModelFailure[] = []
  readonly #closed: Closed[] = []

  /** Asked, and it failed. */
  failed(failure: ModelFailure): void {
    this.#failures.push(failure)
  }

  /** Not asked. One that only has no room is not told of here: there is nothing to say about it. */
  closed(closed: Closed): void {
    this.#closed.push(closed)
  }

  /** A failure that may pass before one that will not; else why nobody could be asked. */
  error(): AppError {
    const failure = this.#failures.find((each) => each.retryable) ?? this.#failures[0]
    if (failure !== undefined) return failure
    const [first] = this.#closed
    if (first?.why === 'paused' && this.#closed.every((each) => each.why === 'paused')) {
      return pausedError(first.reason)
    }
    const waits = this.#closed.flatMap((each) => {
      if (each.why === 'breaker_open') return [each.retryAfterMs]
      return each.why === 'half_open' ? [HALF_OPEN_MS] : []
    })
    return new AppError('model_unavailable', 'No model provider can be asked right now.', {
      retryAfterMs: waits.length === 0 ? undefined : Math.min(...waits),
    })
  }
}

/** @param reason what the operator wrote; may be empty */
export function pausedError(reason: string): AppError {
  const said = reason.trim()
  return new AppError(
    'paused',
    said === '' ? 'An operator has paused answers.' : `Answers are paused: ${said}`,
  )
}
