/**
 * The Durable Object of one person's limits: transport only. It keeps two facts in two rows, and hands each call to
 * `PersonLimits` in one line. People spread over objects by their user id.
 *
 * Nothing is written for a person who did nothing: not even the table exists. Its callers are Workers and conversations of
 * this application, which have verified who is meant.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import type { ErrorShape } from '../errors.ts'
import type { Quota } from '../protocol/usage.ts'
import { plansOf } from '../services.ts'
import { PersonLimits, type FactStore, type StandingFacts } from './person-limits.ts'
import type { Amounts, QuotaState } from './quotas.ts'
import type { Admission, AdmissionFacts, Connected, EndedSessions, RouteClass } from './standing.ts'

/** Keys of the rows. */
const STANDING = 1
const QUOTAS = 2

const CREATE = 'CREATE TABLE IF NOT EXISTS facts (id INTEGER PRIMARY KEY, value TEXT NOT NULL)'
const PUT =
  'INSERT INTO facts (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value'

export interface Settlement {
  readonly key: string
  /** Null: give everything back. */
  readonly truth: Amounts | null
}

export class LimiterObject extends DurableObject<Env> {
  readonly #limits: PersonLimits

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#limits = new PersonLimits(storeOf(ctx.storage), plansOf(env), () => Date.now())
  }

  admit(route: RouteClass, facts: AdmissionFacts): Admission {
    return this.#limits.admit(route, facts)
  }

  reserve(turnKey: string, facts: AdmissionFacts, amounts: Amounts): ErrorShape | null {
    return this.#limits.reserve(turnKey, facts, amounts)
  }

  settle(turnKey: string, truth: Amounts): void {
    this.#limits.settle(turnKey, truth)
  }

  settleAll(settlements: readonly Settlement[]): void {
    this.#limits.settleAll(settlements)
  }

  release(turnKey: string): void {
    this.#limits.release(turnKey)
  }

  quotas(facts: AdmissionFacts): { plan: string; quotas: Quota[] } {
    return this.#limits.quotas(facts)
  }

  suspend(reason: string): void {
    this.#limits.suspend(reason)
  }

  isSuspended(): boolean {
    return this.#limits.isSuspended()
  }

  reinstate(): void {
    this.#limits.reinstate()
  }

  endSessions(which: EndedSessions): void {
    this.#limits.endSessions(which)
  }

  setPlan(plan: string | null): void {
    this.#limits.setPlan(plan)
  }

  connected(conversationId: string, facts: AdmissionFacts): Connected {
    return this.#limits.connected(conversationId, facts)
  }

  disconnected(conversationId: string): void {
    this.#limits.disconnected(conversationId)
  }

  connections(): string[] {
    return [...this.#limits.connections()]
  }

  forget(): void {
    this.#limits.forget()
  }
}

function storeOf({ sql }: DurableObjectStorage): FactStore {
  let exists = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'facts'").toArray().length > 0
  const facts = new Map<number, string>()
  if (exists) {
    for (const { id, value } of sql.exec<{ id: number; value: string }>('SELECT id, value FROM facts'))
      facts.set(id, value)
  }
  const read = (id: number): unknown => JSON.parse(facts.get(id) ?? 'null')
  const put = (id: number, fact: object): void => {
    if (!exists) sql.exec(CREATE)
    exists = true
    sql.exec(PUT, id, JSON.stringify(fact))
  }
  return {
    // Our own rows: what we wrote is what we read.
    standing: read(STANDING) as StandingFacts | null,
    quotas: read(QUOTAS) as QuotaState | null,
    keepStanding: (fact) => put(STANDING, fact),
    keepQuotas: (fact) => put(QUOTAS, fact),
    clear() {
      if (exists) sql.exec('DELETE FROM facts')
    },
  }
}
