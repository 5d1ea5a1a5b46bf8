/**
 * All that limits one person: their standing, their token buckets and their quotas, over two stored facts. It decides;
 * `limiter-object.ts` carries calls to it and keeps the facts in rows.
 *
 * Buckets live in memory: who finds them full again after the object slept had waited longer than they take to fill.
 * Each change of a fact is one row, and what changes nothing writes nothing.
 */
import { AppError, type ErrorShape } from '../errors.ts'
import type { BucketSize } from '../protocol/plan.ts'
import type { Quota } from '../protocol/usage.ts'
import { countsTurns, planOf, type Plans } from './plans.ts'
import * as quotas from './quotas.ts'
import type {
  Admission,
  AdmissionFacts,
  Connected,
  EndedSessions,
  LimitState,
  RouteClass,
} from './standing.ts'
import { take, type BucketState, type Taken } from './token-bucket.ts'

/** What is known of the person beside what they used. */
export interface StandingFacts {
  readonly suspended: string | null
  /** Tokens issued before this are void, seconds. */
  readonly voidBefore: number | null
  /** Sessions that ended, with the time at which the last of their tokens ends by itself, seconds. */
  readonly ended: Readonly<Record<string, number>>
  /** The plan that was given, whatever tokens say. */
  readonly plan: string | null
  /** Conversations that hold sockets of this person. */
  readonly connections: readonly string[]
}

export interface FactStore {
  readonly standing: StandingFacts | null
  readonly quotas: quotas.QuotaState | null
  /** Durable before anything that is said afterwards is heard. */
  keepStanding(facts: StandingFacts): void
  keepQuotas(state: quotas.QuotaState): void
  /** Removes all rows. */
  clear(): void
}

const NOTHING: StandingFacts = { suspended: null, voidBefore: null, ended: {}, plan: null, connections: [] }
/** Far more than anyone has open; beyond it the oldest have to go, for what is not remembered could not be cut. */
const MOST_CONNECTIONS = 256
/** Ended sessions that are remembered by name; beyond it all tokens that are out are void, and have to be refreshed. */
const MOST_ENDED = 256
/** Another turn may end at any moment: how long to wait before asking again. */
const CONCURRENCY_RETRY_MS = 1_000

export class PersonLimits {
  readonly #store: FactStore
  readonly #plans: Plans
  readonly #now: () => number
  #standing: StandingFacts
  #quotas: quotas.QuotaState
  readonly #buckets = new Map<RouteClass, BucketState>()

  constructor(store: FactStore, plans: Plans, now: () => number) {
    this.#store = store
    this.#plans = plans
    this.#now = now
    this.#standing = store.standing ?? NOTHING
    this.#quotas = store.quotas ?? quotas.EMPTY
  }

  admit(route: RouteClass, facts: AdmissionFacts): Admission {
    const refused = this.#refusal(facts)
    if (refused) return { ok: false, error: refused.toShape(), limits: [] }
    const { name, plan } = planOf(this.#plans, facts, this.#standing.plan)
    const size = plan.buckets[route]
    const taken = take(this.#buckets.get(route) ?? null, size, this.#now())
    this.#buckets.set(route, taken.state)
    const limits = [limitState(route, size, taken)]
    if (taken.ok) return { ok: true, limits, plan: name }
    return { ok: false, error: tooFast(route, size, taken, this.#now()).toShape(), limits }
  }

  /** @returns why the turn cannot be taken; null when it is reserved, or needs no reservation */
  reserve(key: string, facts: AdmissionFacts, amounts: quotas.Amounts): ErrorShape | null {
    const refused = this.#refusal(facts)
    if (refused) return refused.toShape()
    const { plan } = planOf(this.#plans, facts, this.#standing.plan)
    if (!countsTurns(plan)) return null
    const now = this.#now()
    const result = quotas.reserve(this.#quotas, plan, key, amounts, now)
    if (result.refused) return exceeded(result.refused, now).toShape()
    this.#keepQuotas(result.state)
    return null
  }

  settle(key: string, truth: quotas.Amounts): void {
    this.#change((state, now) => quotas.settle(state, key, truth, now))
  }

  /** Several at once, in one row. */
  settleAll(settlements: readonly { readonly key: string; readonly truth: quotas.Amounts | null }[]): void {
    this.#change((before, now) =>
      settlements.reduce(
        (state, { key, truth }) =>
          truth ? quotas.settle(state, key, truth, now) : quotas.release(state, key, now),
        before,
      ),
    )
  }

  release(key: string): void {
    this.#change((state, now) => quotas.release(state, key, now))
  }

  quotas(facts: AdmissionFacts): { plan: string; quotas: Quota[] } {
    const { name, plan } = planOf(this.#plans, facts, this.#standing.plan)
    return { plan: name, quotas: quotas.quotas(this.#quotas, plan, this.#now()) }
  }

  suspend(reason: string): void {
    this.#keepStanding({ suspended: reason })
  }

  isSuspended(): boolean {
    return this.#standing.suspended !== null
  }

  reinstate(): void {
    if (this.#standing.suspended !== null) this.#keepStanding({ suspended: null })
  }

  setPlan(plan: string | null): void {
    if (plan !== this.#standing.plan) this.#keepStanding({ plan })
  }

  endSessions(which: EndedSessions): void {
    if ('before' in which) {
      const voidBefore = Math.max(which.before, this.#standing.voidBefore ?? 0)
      if (voidBefore !== this.#standing.voidBefore) this.#keepStanding({ voidBefore })
      return
    }
    const now = this.#now() / 1000
    const current = Object.entries(this.#standing.ended).filter(([, until]) => until > now)
    if (current.length < MOST_ENDED)
      return this.#keepStanding({ ended: Object.fromEntries([...current, [which.sessionId, which.until]]) })
    // The row must stay small, or nothing could be written of this person any more, not even that they are suspended.
    this.#keepStanding({ ended: {}, voidBefore: Math.floor(now) + 1 })
  }

  connected(conversationId: string, facts: AdmissionFacts): Connected {
    const refused = this.#refusal(facts)?.toShape() ?? null
    const { connections } = this.#standing
    if (refused || connections.includes(conversationId)) return { refused, dropped: [] }
    const all = [...connections, conversationId]
    this.#keepStanding({ connections: all.slice(-MOST_CONNECTIONS) })
    return { refused, dropped: all.slice(0, -MOST_CONNECTIONS) }
  }

  disconnected(conversationId: string): void {
    const { connections } = this.#standing
    if (!connections.includes(conversationId)) return
    this.#keepStanding({ connections: connections.filter((id) => id !== conversationId) })
  }

  connections(): readonly string[] {
    return this.#standing.connections
  }

  forget(): void {
    this.#store.clear()
    this.#buckets.clear()
    this.#quotas = quotas.EMPTY
    this.#standing = NOTHING
    this.#keepStanding({ voidBefore: Math.floor(this.#now() / 1000) + 1 })
  }

  #refusal({ issuedAt, sessionId }: AdmissionFacts): AppError | null {
    const { suspended, voidBefore, ended } = this.#standing
    if (suspended !== null) return new AppError('suspended', 'This account is suspended.')
    const isVoid = voidBefore !== null && (issuedAt === undefined || issuedAt < voidBefore)
    const hasEnded =
      sessionId !== undefined &&
      Object.hasOwn(ended, sessionId) &&
      (ended[sessionId] ?? 0) > this.#now() / 1000
    return isVoid || hasEnded ? new AppError('unauthorized', 'This session has ended. Sign in again.') : null
  }

  #change(step: (state: quotas.QuotaState, now: number) => quotas.QuotaState): void {
    const now = this.#now()
    const next = step(this.#quotas, now)
    // New periods and lapsed leases are found again at any time: alone they are not worth a row.
    if (next !== quotas.at(this.#quotas, now)) this.#keepQuotas(next)
  }

  #keepQuotas(state: quotas.QuotaState): void {
    if (state === this.#quotas) return
    // The row first: what it refuses must not count as kept, or the repeat of the call would be told so.
    this.#store.keepQuotas(state)
    this.#quotas = state
  }

  #keepStanding(change: Partial<StandingFacts>): void {
    const standing = { ...this.#standing, ...change }
    this.#store.keepStanding(standing)
    this.#standing = standing
  }
}

function limitState(name: string, { capacity, perSecond }: BucketSize, taken: Taken): LimitState {
  return {
    name,
    limit: capacity,
    windowS: Math.ceil(capacity / perSecond),
    remaining: taken.remaining,
    resetS: Math.ceil(taken.fullAfterMs / 1000),
  }
}

function tooFast(route: RouteClass, { capacity }: BucketSize, taken: Taken, now: number): AppError {
  return new AppError('rate_limited', `Too many requests of the kind "${route}". Wait a moment.`, {
    retryAfterMs: taken.retryAfterMs,
    limit: {
      name: route,
      unit: 'requests',
      limit: capacity,
      remaining: taken.remaining,
      resetAt: new Date(now + taken.fullAfterMs).toISOString(),
    },
  })
}

function exceeded({ name, unit, limit, remaining, resetAt }: Quota, now: number): AppError {
  const detail =
    name === 'concurrent_turns'
      ? `Your plan allows ${limit} unfinished turns at a time; wait until one has ended.`
      : `Your plan has no room for this: the limit is ${limit} (${name}), and ${remaining} are left.`
  return new AppError('quota_exceeded', detail, {
    // Only time, or the end of a turn, makes room: documents must be removed.
    retryable: resetAt !== null || name === 'concurrent_turns',
    ...(resetAt !== null && { retryAfterMs: Math.max(0, Date.parse(resetAt) - now) }),
    ...(name === 'concurrent_turns' && { retryAfterMs: CONCURRENCY_RETRY_MS }),
    limit: { name, unit, limit: limit ?? 0, remaining: remaining ?? 0, resetAt },
  })
}
