/**
 * Sums of model calls: for one interval that is told to the incidents object, and for the last minutes that an operator
 * looks at. In memory only; nothing of any conversation is in them.
 */
import {
  FIRST_TOKEN_BOUNDS_MS,
  type FailureObservation,
  type ModelObservation,
} from '../incidents/observation.ts'
import type { CallReport } from '../models/provider-gate.ts'
import type { FailureClass } from '../models/failure.ts'
import { keyOf } from './snapshot.ts'

/** As of breakers: what is beyond is not counted. */
const MAX_MODELS = 2_048
/** Kinds of failures told apart in one interval; the rest is one kind. */
export const MAX_KINDS = 200

export interface ModelSum {
  readonly provider: string
  readonly model: string
  calls: number
  readonly failures: Partial<Record<FailureClass, number>>
  /** One count per class of `FIRST_TOKEN_BOUNDS_MS`, and one for above. */
  readonly firstToken: number[]
  inputTokens: number
  outputTokens: number
  micros: number
}

export class ModelSums {
  readonly #all = new Map<string, ModelSum>()

  get isEmpty(): boolean {
    return this.#all.size === 0
  }

  get all(): Iterable<ModelSum> {
    return this.#all.values()
  }

  of(provider: string, model: string): ModelSum | undefined {
    return this.#all.get(keyOf(provider, model))
  }

  add(
    { provider, model, outcome, firstTokenMs, inputTokens, outputTokens }: CallReport,
    micros: number,
  ): void {
    const sum = this.#sumOf(provider, model)
    if (!sum) return
    sum.calls++
    if (outcome !== 'ok') sum.failures[outcome] = (sum.failures[outcome] ?? 0) + 1
    if (firstTokenMs !== null) {
      const index = classOf(firstTokenMs)
      sum.firstToken[index] = (sum.firstToken[index] ?? 0) + 1
    }
    sum.inputTokens += inputTokens
    sum.outputTokens += outputTokens
    sum.micros += micros
  }

  merge(other: ModelSums): void {
    for (const from of other.all) {
      const sum = this.#sumOf(from.provider, from.model)
      if (!sum) continue
      sum.calls += from.calls
      for (const [failure, count] of Object.entries(from.failures) as [FailureClass, number][])
        sum.failures[failure] = (sum.failures[failure] ?? 0) + count
      for (const [index, count] of from.firstToken.entries())
        sum.firstToken[index] = (sum.firstToken[index] ?? 0) + count
      sum.inputTokens += from.inputTokens
      sum.outputTokens += from.outputTokens
      sum.micros += from.micros
    }
  }

  observations(): ModelObservation[] {
    return [...this.#all.values()].map(({ provider, model, calls, failures, firstToken, micros }) => ({
      provider,
      model,
      calls,
      failures,
      firstToken,
      micros,
    }))
  }

  #sumOf(provider: string, model: string): ModelSum | null {
    const key = keyOf(provider, model)
    const known = this.#all.get(key)
    if (known) return known
    if (this.#all.size >= MAX_MODELS) return null
    const sum: ModelSum = {
      provider,
      model,
      calls: 0,
      failures: {},
      firstToken: Array.from({ length: FIRST_TOKEN_BOUNDS_MS.length + 1 }, () => 0),
      inputTokens: 0,
      outputTokens: 0,
      micros: 0,
    }
    this.#all.set(key, sum)
    return sum
  }
}

function classOf(firstTokenMs: number): number {
  const index = FIRST_TOKEN_BOUNDS_MS.findIndex((bound) => firstTokenMs <= bound)
  return index === -1 ? FIRST_TOKEN_BOUNDS_MS.length : index
}

/**
 * Estimates a percentile from counts per class, as if times lay evenly within their class; above the last bound, that bound.
 *
 * @param share 0.95 for p95
 * @returns ms; null when nothing was counted
 */
export function percentile(firstToken: readonly number[], share: number): number | null {
  const total = firstToken.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let rank = share * total
  for (const [index, count] of firstToken.entries()) {
    if (count > 0 && rank <= count) {
      const from = FIRST_TOKEN_BOUNDS_MS[index - 1] ?? 0
      const to = FIRST_TOKEN_BOUNDS_MS[index] ?? from
      return Math.round(from + (to - from) * (rank / count))
    }
    rank -= count
  }
  return FIRST_TOKEN_BOUNDS_MS.at(-1) ?? null
}

/** Failures by what they are grouped by. */
export class FailureSums {
  #all = new Map<string, FailureObservation>()
  /** Of kinds that found no room. */
  #further = 0

  get isEmpty(): boolean {
    return this.#all.size === 0
  }

  add(failure: FailureObservation): void {
    const { fingerprint, count } = failure
    const known = this.#all.get(fingerprint)
    if (known) this.#all.set(fingerprint, { ...known, count: known.count + count })
    else if (this.#all.size < MAX_KINDS) this.#all.set(fingerprint, failure)
    else this.#further += count
  }

  /** @returns what was counted, and begins anew */
  take(): FailureObservation[] {
    const taken = [...this.#all.values()]
    if (this.#further > 0) taken.push({ ...FURTHER, count: this.#further })
    this.#all = new Map()
    this.#further = 0
    return taken
  }
}

const FURTHER = {
  fingerprint: 'further',
  kind: 'further',
  provider: null,
  route: null,
  detail: 'Further kinds of failures, more than are told apart.',
}
