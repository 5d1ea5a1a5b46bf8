/**
 * The turns of conversations, on the accounts of the people who wrote: reserved with their limiter object, settled there,
 * and entered into the ledger of D1. Says what a turn is worth in messages, tokens and money; what fits is `quotas.ts`.
 *
 * Settling may be repeated: both receivers know what they have counted.
 */
import type { ErrorShape } from '../errors.ts'
import type { Principal } from '../protocol/principal.ts'
import { addUsage, type LedgerEntry } from '../storage/usage.ts'
import type { Settlement } from './limiter-object.ts'
import { countsTurns, planOf, type Plans } from './plans.ts'
import type { Amounts } from './quotas.ts'
import type { AdmissionFacts } from './standing.ts'

interface Tokens {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** A turn that ended, as its conversation tells it. */
type Ended = Omit<LedgerEntry, 'micros' | 'priced'> & {
  readonly turnKey: string
  readonly payerId: string | null
}

export interface TurnAccountsDeps {
  readonly db: D1Database
  readonly plans: Plans
  cost(model: string, tokens: Tokens): { readonly micros: number; readonly priced: boolean }
  reserve(userId: string, key: string, facts: AdmissionFacts, amounts: Amounts): Promise<ErrorShape | null>
  release(userId: string, key: string): Promise<void>
  settle(userId: string, settlements: readonly Settlement[]): Promise<void>
}

export class TurnAccounts {
  readonly #deps: TurnAccountsDeps

  constructor(deps: TurnAccountsDeps) {
    this.#deps = deps
  }

  counts(author: Principal): boolean {
    return countsTurns(planOf(this.#deps.plans, author).plan)
  }

  async reserve(
    author: Principal,
    turnKey: string,
    { model, ...tokens }: Tokens & { readonly model: string },
  ): Promise<ErrorShape | null> {
    return await this.#deps.reserve(payerOf(author), turnKey, factsOfPayer(author), {
      messages: 1,
      tokens: tokens.inputTokens + tokens.outputTokens,
      micros: this.#deps.cost(model, tokens).micros,
    })
  }

  async release(author: Principal, turnKey: string): Promise<void> {
    await this.#deps.release(payerOf(author), turnKey)
  }

  async settle(ended: readonly Ended[]): Promise<void> {
    const turns = ended.map((turn) => ({ ...turn, ...this.#deps.cost(turn.model, turn) }))
    const people = Map.groupBy(turns, ({ userId, payerId }) => payerId ?? userId)
    await Promise.all([
      addUsage(
        this.#deps.db,
        turns.filter(({ messages }) => messages > 0),
      ),
      ...[...people].map(([userId, own]) => this.#deps.settle(userId, own.map(settlementOf))),
    ])
  }
}

function settlementOf(turn: Ended & { readonly micros: number }): Settlement {
  const { turnKey: key, messages, inputTokens, outputTokens, micros } = turn
  return { key, truth: messages === 0 ? null : { messages, tokens: inputTokens + outputTokens, micros } }
}

/** Whose quotas this is on: a machine draws on those of who made its key, so that more keys are not more quota. */
export function payerOf({ userId, ownerId }: Pick<Principal, 'userId' | 'ownerId'>): string {
  return ownerId ?? userId
}

/** What their limiter looks at; of a machine's owner not which of their tokens are void: a key is none of them. */
export function factsOfPayer(principal: Principal): AdmissionFacts {
  return principal.ownerId === undefined
    ? factsOf(principal)
    : { kind: 'user', plan: principal.plan, issuedAt: Infinity }
}

/** What of a principal their limiter looks at. */
export function factsOf({ kind, plan, sessionId, issuedAt }: Principal): AdmissionFacts {
  return { kind, plan, sessionId, issuedAt }
}
