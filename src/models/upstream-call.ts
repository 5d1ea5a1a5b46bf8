/**
 * One call of one provider, watched: when its first text came, how long it took, what it used, and that the gate is told
 * all of it exactly once, however the call ends. The chain decides which calls there are; this decides nothing.
 *
 * Reading goes past it: whoever reads takes `events` and tells what was seen, so that a chunk costs no promise of ours.
 */
import type { Usage } from '../protocol/message.ts'
import { monotonicMs } from './call-guard.ts'
import type { Candidate } from './candidates.ts'
import { fingerprintOf, ModelFailure } from './failure.ts'
import type { Model, ModelEvent, ModelRequest } from './model.ts'
import type { CallReport, Lease, ProviderGate } from './provider-gate.ts'

export interface CallOptions {
  readonly candidate: Candidate
  readonly model: Model
  readonly request: ModelRequest
  /** The turn's. */
  readonly signal: AbortSignal
  readonly kind: CallReport['kind']
  readonly probe: boolean
  readonly lease: Lease | undefined
  /** Whether {@link UpstreamCall.cancel} will be needed; without it a call has no signal of its own. */
  readonly cancellable: boolean
  readonly gate: ProviderGate
  /** Ms since the epoch. */
  readonly now: () => number
  /** Tokens of the request, as far as they can be told without a tokeniser. */
  readonly estimate: () => number
}

/** Of text, for a call that ends without telling. */
const CHARS_PER_TOKEN = 4

const NOTHING: Usage = { inputTokens: 0, outputTokens: 0 }

export class UpstreamCall {
  readonly candidate: Candidate
  readonly probe: boolean
  readonly events: AsyncIterator<ModelEvent, unknown>
  readonly #options: CallOptions
  readonly #own: AbortController | undefined
  readonly #startedMs = monotonicMs()
  #firstTokenMs: number | null = null
  #chars = 0
  #first: ModelEvent | undefined
  #reported = false

  constructor(options: CallOptions) {
    this.#options = options
    this.candidate = options.candidate
    this.probe = options.probe
    this.#own = options.cancellable ? new AbortController() : undefined
    const signal = this.#own ? AbortSignal.any([options.signal, this.#own.signal]) : options.signal
    this.events = options.model.stream(options.request, signal)[Symbol.asyncIterator]()
  }

  /**
   * Waits for the first event, which {@link takeFirst} then gives.
   *
   * @throws what {@link failed} gives
   */
  async begin(): Promise<void> {
    try {
      const event = eventOf(await this.events.next())
      if (isEmpty(event) && (this.#options.request.prefix ?? '') === '') {
        throw new ModelFailure('server', 'The model provider ended without an answer.', {
          providerCode: 'empty',
        })
      }
      this.saw(event)
      this.#first = event
    } catch (error) {
      throw this.failed(error)
    }
  }

  /** What it has used so far, as far as that can be told from outside. */
  get estimated(): Usage {
    return {
      inputTokens: this.#options.estimate(),
      outputTokens: Math.ceil(this.#chars / CHARS_PER_TOKEN),
    }
  }

  /** Whether it was told of: it has ended, well or not. */
  get isOver(): boolean {
    return this.#reported
  }

  takeFirst(): ModelEvent | undefined {
    const first = this.#first
    this.#first = undefined
    return first
  }

  /** To be told of each event; the finish ends the call well. */
  saw(event: ModelEvent): void {
    if (event.type === 'text') {
      this.#firstTokenMs ??= monotonicMs() - this.#startedMs
      this.#chars += event.text.length
    } else {
      this.#report('ok', null, event.usage)
    }
  }

  /** Ends the call as what was thrown says. @returns what the turn is to be told: a failure, the signal's reason, or a bug */
  failed(error: unknown): unknown {
    if (this.#options.signal.aborted || this.#own?.signal.aborted) {
      this.#report('cancelled', null)
    } else if (error instanceof ModelFailure) {
      // A provider that refused has counted nothing; one that broke off has.
      this.#report(error.failure, error, this.#chars > 0 ? undefined : NOTHING)
    } else {
      this.#report('server', null, NOTHING)
    }
    return error
  }

  /** Another was faster. */
  cancel(): void {
    this.#report('cancelled', null)
    this.#own?.abort(new Error('another provider was faster'))
    void this.#leave()
  }

  /** Lets go of it, however far it is: what was not at its end is cancelled. */
  async close(): Promise<void> {
    this.#report('cancelled', null)
    await this.#leave()
  }

  async #leave(): Promise<void> {
    try {
      await this.events.return?.()
    } catch {
      // It was told of already, or nobody wants to know.
    }
  }

  /** @param used undefined: it has to be estimated */
  #report(outcome: CallReport['outcome'], failure: ModelFailure | null, used?: Usage): void {
    if (this.#reported) return
    this.#reported = true
    const { inputTokens, outputTokens } = used ?? this.estimated
    const { candidate, kind, probe, lease, gate, now } = this.#options
    lease?.release(inputTokens + outputTokens)
    gate.report({
      ...candidate,
      at: now(),
      outcome,
      firstTokenMs: this.#firstTokenMs,
      durationMs: monotonicMs() - this.#startedMs,
      probe,
      kind,
      fingerprint: failure && fingerprintOf(candidate.provider, failure),
      detail: failure && failure.message,
      retryAfterMs: failure?.retryAfterMs,
      inputTokens,
      outputTokens,
    })
  }
}

/** @throws ModelFailure `server` when the stream ended without a finish */
export function eventOf(step: IteratorResult<ModelEvent, unknown>): ModelEvent {
  if (!step.done) return step.value
  throw new ModelFailure('server', 'The model provider ended its answer early.', {
    providerCode: 'early_end',
  })
}

/** It says that it is at its end, and has said nothing: no answer that anybody could read. */
function isEmpty(event: ModelEvent): boolean {
  return event.type === 'finish' && (event.reason === 'stop' || event.reason === 'unknown')
}
