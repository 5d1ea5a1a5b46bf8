/**
 * What one turn goes through until somebody answers it: the order of candidates, repeats, fallbacks, and the going on of
 * an answer that broke off. `ModelChain` reads the answer; this finds who gives it.
 *
 * After the first text nobody else is asked but for a continuation. Repeats, hedges and continuations draw on the retry
 * budget; fallbacks only count in it. A time-out is not repeated while somebody else is left: it was waited for already.
 */
import { estimateTokenCount } from 'tokenx'
import { AppError } from '../errors.ts'
import type { Degraded, Usage } from '../protocol/message.ts'
import { pauseBefore } from './backoff.ts'
import type { Candidate } from './candidates.ts'
import type { ChainDeps } from './chain.ts'
import { FAILURES, ModelFailure } from './failure.ts'
import { firstToBegin } from './hedge.ts'
import type { ModelEvent, ModelMessage, ModelRequest } from './model.ts'
import { NobodyAsked } from './nobody-asked.ts'
import type { CallReport, Closed, Lease } from './provider-gate.ts'
import { trimContext } from './trim-context.ts'
import { UpstreamCall } from './upstream-call.ts'

/** One answer may break off this often and still go on. */
const MAX_CONTINUATIONS = 2

/** Permission to make one call. */
interface Entry {
  readonly probe: boolean
  readonly lease: Lease | undefined
}

export class ChainTurn {
  readonly #deps: ChainDeps
  readonly #request: ModelRequest
  readonly #signal: AbortSignal
  readonly #candidates: readonly [Candidate, ...Candidate[]]
  readonly #nobody = new NobodyAsked()
  readonly #tried = new Set<Candidate>()
  #messages: readonly ModelMessage[]
  #trimmed = false
  /** How the answer begins: what the request said, and what was yielded since, if it may be needed. */
  #prefix: string
  #calls = 0
  #continuations = 0
  /** The next call was taken from the budget already. */
  #paid = false
  /** What the parts used that broke off, as far as it can be told. */
  #broken: Usage = { inputTokens: 0, outputTokens: 0 }
  /** Why the one that was meant does not answer. */
  #why: string | undefined
  #tokens: number | undefined
  readonly #started: UpstreamCall[] = []

  constructor(deps: ChainDeps, request: ModelRequest, signal: AbortSignal) {
    this.#deps = deps
    this.#request = request
    this.#signal = signal
    this.#messages = request.messages
    this.#prefix = request.prefix ?? ''
    this.#candidates = deps.candidatesOf(request.model)
  }

  /**
   * @returns the call that answers, begun
   * @throws ModelFailure when nobody does; AppError `paused` or `model_unavailable` when nobody could be asked
   */
  async open(): Promise<UpstreamCall> {
    if (this.#prefix === '') return await this.#ask(this.#candidates)
    const able = this.#candidates.filter((candidate) => this.#continues(candidate))
    if (able[0] !== this.#candidates[0]) this.#why ??= 'cannot_continue'
    if (able.length === 0) {
      throw new AppError('model_unavailable', 'No model provider can go on with an answer.', {
        retryable: false,
      })
    }
    return await this.#ask(able)
  }

  /** Why an operator wants every call that runs now to end; null when there is none, or one may go on. */
  stoppedBy(): string | null {
    let why: string | null = null
    for (const call of this.#started) {
      if (call.isOver) continue
      why = this.#deps.gate.stopped(call.candidate.provider, call.candidate.model)
      if (why === null) return null
    }
    return why
  }

  /** What was yielded. */
  keep(text: string): void {
    if (this.#deps.continues) this.#prefix += text
  }

  /**
   * The answer broke off. @returns the call that goes on with it
   *
   * @throws what it broke off with, when nobody does
   */
  async goOn(broken: UpstreamCall, error: unknown): Promise<UpstreamCall> {
    const failure = broken.failed(error)
    this.#signal.throwIfAborted()
    if (!(failure instanceof ModelFailure) || !this.#deps.continues) throw failure
    const pauseMs = failure.repeatable
      ? pauseBefore(this.#continuations, failure.retryAfterMs, this.#deps.random)
      : undefined
    const others = FAILURES[failure.failure].elsewhere
      ? this.#candidates.filter((each) => each !== broken.candidate && this.#continues(each))
      : []
    const again = pauseMs !== undefined && this.#continues(broken.candidate) && this.#isWell(broken.candidate)
    const able = again ? [broken.candidate, ...others] : others
    if (able.length === 0 || this.#continuations >= MAX_CONTINUATIONS || !this.#deps.budget.take())
      throw failure
    this.#continuations += 1
    this.#paid = true
    this.#broken = addUp(this.#broken, broken.estimated)
    this.#blame(broken.candidate, failure.failure)
    try {
      if (again) await this.#deps.wait(pauseMs, this.#signal)
      this.#tried.clear()
      return await this.#ask(able)
    } catch (later) {
      if (this.#signal.aborted || !(later instanceof AppError)) throw later
      throw failure
    }
  }

  finish(call: UpstreamCall, event: Extract<ModelEvent, { type: 'finish' }>): ModelEvent {
    const provider = call.candidate.provider
    const [meant] = this.#candidates
    const degraded: Degraded | undefined =
      call.candidate === meant
        ? undefined
        : { provider, reason: this.#why ?? 'timeout', instead: meant.provider }
    return { ...event, provider, ...(degraded && { degraded }), usage: this.#sum(event.usage) }
  }

  async #ask(candidates: readonly Candidate[]): Promise<UpstreamCall> {
    for (const [at, candidate] of candidates.entries()) {
      if (this.#tried.has(candidate)) continue
      const call = await this.#try(candidate, candidates.slice(at + 1))
      if (call !== null) return call
    }
    throw this.#nobody.error()
  }

  /** @returns null when this one does not answer, and another may be asked */
  async #try(candidate: Candidate, others: readonly Candidate[]): Promise<UpstreamCall | null> {
    this.#tried.add(candidate)
    for (let repeats = 0, again = false; ; again = true) {
      const entered = this.#enter(candidate)
      // The usual case costs no promise.
      const entry = entered instanceof Promise ? await entered : entered
      // Stopped while a place was being taken: nobody else will give it back.
      if (this.#signal.aborted) entry?.lease?.release(0)
      this.#signal.throwIfAborted()
      if (entry === null) return null
      const call = this.#start(candidate, entry, again ? 'retry' : this.#kind())
      try {
        if (this.#deps.hedgeMs === 0 || again || others.length === 0) {
          await call.begin()
          return call
        }
        return await firstToBegin(call, this.#deps.hedgeMs, () => this.#hedge(others), this.#deps.wait)
      } catch (error) {
        await call.close()
        this.#signal.throwIfAborted()
        if (!(error instanceof ModelFailure)) throw error
        this.#nobody.failed(error)
        this.#blame(candidate, error.failure)
        if (this.#trim(error)) continue
        const pauseMs = entry.probe ? undefined : this.#pauseAfter(error, repeats, others)
        if (pauseMs === undefined) {
          if (!FAILURES[error.failure].elsewhere) throw error
          return null
        }
        repeats += 1
        await this.#deps.wait(pauseMs, this.#signal)
      }
    }
  }

  /** @returns undefined when the same call is not to be made again */
  #pauseAfter(failure: ModelFailure, repeats: number, others: readonly Candidate[]): number | undefined {
    const { retries, budget, random } = this.#deps
    if (!failure.repeatable || repeats >= retries) return undefined
    if (failure.failure === 'timeout' && others.some((other) => this.#isWell(other))) return undefined
    const pauseMs = pauseBefore(repeats, failure.retryAfterMs, random)
    return pauseMs !== undefined && budget.take() ? pauseMs : undefined
  }

  /** Once in a turn, a conversation that is too long is made shorter; that is a repeat that is not counted as one. */
  #trim(failure: ModelFailure): boolean {
    if (failure.failure !== 'context_length' || this.#trimmed) return false
    const shorter = trimContext(this.#messages)
    if (shorter === null) return false
    this.#trimmed = true
    this.#messages = shorter
    this.#tokens = undefined
    this.#deps.budget.extra()
    return true
  }

  #start(candidate: Candidate, { probe, lease }: Entry, kind: CallReport['kind']): UpstreamCall {
    const { budget, gate, now, hedgeMs, modelOf } = this.#deps
    if (this.#calls === 0) budget.first()
    else if (!this.#paid && (kind === 'fallback' || kind === 'continuation')) budget.extra()
    this.#paid = false
    this.#calls += 1
    const call = new UpstreamCall({
      candidate,
      model: modelOf(candidate.provider),
      request: {
        ...this.#request,
        messages: this.#messages,
        model: candidate.model,
        prefix: this.#prefix === '' ? undefined : this.#prefix,
      },
      signal: this.#signal,
      kind,
      probe,
      lease,
      cancellable: hedgeMs > 0,
      gate,
      now,
      estimate: () => this.#estimate(),
    })
    this.#started.push(call)
    return call
  }

  #kind(): CallReport['kind'] {
    if (this.#prefix !== '') return 'continuation'
    return this.#calls === 0 ? 'first' : 'fallback'
  }

  /** @returns null when this one cannot be asked now; why is noted */
  #enter(candidate: Candidate): Promise<Entry | null> | Entry | null {
    const { provider, model } = candidate
    const verdict = this.#deps.gate.verdict(provider, model)
    if (verdict.ok) return this.#takePlace(candidate, false)
    return verdict.why === 'half_open'
      ? this.#enterAsProbe(candidate, verdict)
      : this.#pass(candidate, verdict)
  }

  /** The place first: a probe that finds no room would be one of the few, and find out nothing. */
  async #enterAsProbe(candidate: Candidate, verdict: Closed): Promise<Entry | null> {
    const entry = await this.#takePlace(candidate, true)
    if (entry === null || (await this.#deps.gate.probe(candidate.provider, candidate.model))) return entry
    entry.lease?.release(0)
    return this.#pass(candidate, verdict)
  }

  #pass(candidate: Candidate, verdict: Closed): null {
    this.#nobody.closed(verdict)
    this.#blame(candidate, verdict.why === 'paused' ? 'paused' : 'breaker_open')
    return null
  }

  /** @returns null when there is no room with a provider that has limits */
  #takePlace(candidate: Candidate, probe: boolean): Promise<Entry | null> | Entry {
    const { provider } = candidate
    if (this.#request.admitted === provider) return { probe, lease: undefined }
    const tokens = (): number => this.#estimate() + this.#deps.answerTokens
    const place = this.#deps.gate.tryEnter(provider, tokens)
    return place === undefined
      ? { probe, lease: undefined }
      : place.then((lease) => {
          if (lease === null) this.#blame(candidate, 'no_room')
          return lease && { probe, lease }
        })
  }

  async #hedge(others: readonly Candidate[]): Promise<UpstreamCall | null> {
    const candidate = others.find((other) => !this.#tried.has(other) && this.#isWell(other))
    if (candidate === undefined || this.#signal.aborted || !this.#deps.budget.take()) return null
    const entry = await this.#enter(candidate)
    if (entry === null) return null
    this.#tried.add(candidate)
    return this.#start(candidate, entry, 'hedge')
  }

  #blame(candidate: Candidate, why: string): void {
    if (candidate === this.#candidates[0]) this.#why ??= why
  }

  #isWell(candidate: Candidate): boolean {
    return this.#deps.gate.verdict(candidate.provider, candidate.model).ok
  }

  #continues(candidate: Candidate): boolean {
    return this.#deps.modelOf(candidate.provider).continues ?? false
  }

  #estimate(): number {
    this.#tokens ??= this.#messages.reduce((sum, { content }) => sum + estimateTokenCount(content), 0)
    return this.#tokens
  }

  /** A part that broke off has told no usage, and cost some all the same: what is estimated of it is added. */
  #sum(usage: Usage | undefined): Usage | undefined {
    return usage && addUp(this.#broken, usage)
  }
}

function addUp(a: Usage, b: Usage): Usage {
  return { inputTokens: a.inputTokens + b.inputTokens, outputTokens: a.outputTokens + b.outputTokens }
}
