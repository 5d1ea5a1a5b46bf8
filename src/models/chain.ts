/**
 * All providers of the installation as one model: whoever can answers, and one that fails is not the end.
 *
 * It reads the answer and hands it on; who gives it is found by chain-turn.ts. What is known about providers (paused,
 * breakers, room) is behind the gate, which is told of every call. When all is well it adds no promise to a chunk.
 *
 * Breakers and waiting are our own, and so are the five lines of backoff: libraries wrap a promise, and what is repeated
 * here is a stream before its first token, with a budget and a breaker that all objects share.
 */
import type { Candidate } from './candidates.ts'
import { ChainTurn } from './chain-turn.ts'
import type { Model, ModelEvent, ModelHealth, ModelRequest } from './model.ts'
import { pausedError } from './nobody-asked.ts'
import type { ProviderGate } from './provider-gate.ts'
import type { RetryBudget } from './retry-budget.ts'
import { eventOf, type UpstreamCall } from './upstream-call.ts'
import type { waitFor } from './wait.ts'

/**
 * How often a running call is looked after: what is known is half a second old at most then, and a kill switch is to take
 * effect within a second.
 */
export const STOP_CHECK_MS = 250

export interface ChainDeps {
  readonly gate: ProviderGate
  /** One for all conversations. */
  readonly budget: RetryBudget
  /** Who may answer a request that names this, in order; each provider once. */
  readonly candidatesOf: (name: string) => readonly [Candidate, ...Candidate[]]
  /** The adapter of a provider. */
  readonly modelOf: (provider: string) => Model
  /** Repeats of a call that failed before its first text, per provider. */
  readonly retries: number
  /** Whether an answer that broke off goes on. */
  readonly continues: boolean
  /** How late the first text is when a second provider is asked; 0: never. */
  readonly hedgeMs: number
  /** What an answer is expected to have, for providers that limit tokens. */
  readonly answerTokens: number
  /** Ms since the epoch. */
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  readonly wait: typeof waitFor
  /** Calls `run` each `ms`; the result ends that. */
  readonly every: (ms: number, run: () => void) => () => void
}

export class ModelChain implements Model {
  readonly name = 'chain'
  readonly defaultModel: string
  readonly continues: boolean
  readonly #deps: ChainDeps

  constructor(deps: ChainDeps) {
    this.#deps = deps
    const candidates = deps.candidatesOf('')
    this.defaultModel = candidates[0].model
    // Every provider is a candidate for everything: whoever can go on with an answer is among them.
    this.continues = deps.continues && candidates.some(({ provider }) => deps.modelOf(provider).continues)
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void> {
    signal.throwIfAborted()
    const { gate } = this.#deps
    const fresh = gate.fresh()
    if (fresh !== undefined) {
      await fresh
      signal.throwIfAborted()
    }
    const paused = gate.pausedForAll()
    if (paused !== null) throw pausedError(paused)
    const stop = new AbortController()
    const turn = new ChainTurn(this.#deps, request, AbortSignal.any([signal, stop.signal]))
    const unwatch = this.#deps.every(STOP_CHECK_MS, () => {
      const why = turn.stoppedBy()
      if (why !== null) stop.abort(pausedError(why))
    })
    let call: UpstreamCall | undefined
    try {
      call = await turn.open()
      for (;;) {
        let event = call.takeFirst()
        if (event === undefined) {
          try {
            event = eventOf(await call.events.next())
          } catch (error) {
            call = await turn.goOn(call, error)
            continue
          }
          call.saw(event)
        }
        if (event.type === 'finish') {
          yield turn.finish(call, event)
          return
        }
        turn.keep(event.text)
        yield event
      }
    } finally {
      unwatch()
      await call?.close()
    }
  }

  /** Asks the first provider that is not paused. */
  async check(signal: AbortSignal): Promise<ModelHealth> {
    const { gate, candidatesOf, modelOf } = this.#deps
    await gate.fresh()
    const paused = 'An operator has paused the model providers.'
    if (gate.pausedForAll() !== null) return { ok: false, detail: paused }
    for (const { provider, model } of candidatesOf('')) {
      const verdict = gate.verdict(provider, model)
      if (verdict.ok || verdict.why !== 'paused') return await modelOf(provider).check(signal)
    }
    return { ok: false, detail: paused }
  }
}
