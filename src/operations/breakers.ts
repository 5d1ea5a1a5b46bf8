/**
 * The breakers of all models of all providers, by name. It stores those that are open, makes and forgets the others as
 * they are needed, and tells of every change. When one opens and closes is in `breaker.ts`.
 */
import type { Observation } from '../incidents/observation.ts'
import type { CallReport } from '../models/provider-gate.ts'
import type { BreakerSettings } from '../protocol/breaker-settings.ts'
import { Breaker, type BreakerChange, type BreakerState, type OpenFact } from './breaker.ts'
import type { FactStore } from './facts.ts'
import { keyOf, type UnhealthyModel } from './snapshot.ts'

/** Far above what can be configured (16 providers, 64 models each); what is beyond is not watched. */
const MAX_BREAKERS = 2_048

export interface NamedChange extends BreakerChange {
  readonly provider: string
  readonly model: string
  /** When an open one is tried again, ms since the epoch. */
  readonly retryAt: number | null
}

export interface BreakerDetails {
  readonly provider: string
  readonly model: string
  readonly state: BreakerState
  readonly why: string | null
  readonly since: number | null
  readonly retryAt: number | null
  readonly opened: number
}

interface Named {
  readonly provider: string
  readonly model: string
  readonly breaker: Breaker
}

export class Breakers {
  readonly #settings: BreakerSettings
  readonly #facts: FactStore
  readonly #changed: (change: NamedChange) => void
  readonly #all = new Map<string, Named>()

  /** @param isOffered whether this model of this provider may be called at all: nobody would ever close another's breaker */
  constructor(
    settings: BreakerSettings,
    facts: FactStore,
    changed: (change: NamedChange) => void,
    isOffered: (provider: string, model: string) => boolean,
  ) {
    this.#settings = settings
    this.#facts = facts
    this.#changed = changed
    for (const [name, fact] of facts.load('breaker')) {
      const space = name.indexOf(' ')
      const [provider, model] = [name.slice(0, space), name.slice(space + 1)]
      if (isOffered(provider, model)) this.#add(provider, model, fact as OpenFact)
      else facts.remove('breaker', name)
    }
  }

  count(report: CallReport, now: number): void {
    const found = this.#find(report.provider, report.model)
    if (!found) return
    const before = found.breaker.openFact
    found.breaker.count(report, now)
    this.#store(found, before)
  }

  probe(provider: string, model: string, now: number): boolean {
    return this.#all.get(keyOf(provider, model))?.breaker.probe(now) ?? true
  }

  /**
   * By hand.
   *
   * @param model null: all of this provider
   * @returns models whose breaker was not closed
   */
  reset(provider: string, model: string | null, now: number): string[] {
    const closed: string[] = []
    for (const named of this.#all.values()) {
      if (named.provider !== provider || (model !== null && named.model !== model)) continue
      const before = named.breaker.openFact
      if (named.breaker.reset(now)) closed.push(named.model)
      this.#store(named, before)
    }
    return closed
  }

  /** All that are not closed at this time. */
  unhealthy(now: number): UnhealthyModel[] {
    const found: UnhealthyModel[] = []
    for (const { provider, model, breaker } of this.#all.values()) {
      const state = breaker.state(now)
      if (state !== 'closed') found.push({ provider, model, state, retryAt: breaker.openFact?.until ?? now })
    }
    return found
  }

  /** The same, as the incidents are told of them. */
  observed(now: number): Observation['breakers'] {
    return [...this.#all.values()].flatMap(({ provider, model, breaker }) => {
      const state = breaker.state(now)
      return state === 'closed' ? [] : [{ provider, model, state, heardAt: breaker.heardAt(now) }]
    })
  }

  details(now: number): BreakerDetails[] {
    return [...this.#all.values()].map(({ provider, model, breaker }) => {
      const state = breaker.state(now)
      const { why, since, opened, openFact } = breaker
      return {
        provider,
        model,
        state,
        why,
        since,
        retryAt: state === 'open' ? (openFact?.until ?? null) : null,
        opened,
      }
    })
  }

  #find(provider: string, model: string): Named | null {
    const known = this.#all.get(keyOf(provider, model))
    if (known) return known
    return this.#all.size < MAX_BREAKERS ? this.#add(provider, model, null) : null
  }

  #add(provider: string, model: string, fact: OpenFact | null): Named {
    const breaker = new Breaker(this.#settings, fact, (change) => {
      const retryAt = change.to === 'open' ? (breaker.openFact?.until ?? null) : null
      this.#changed({ provider, model, ...change, retryAt })
    })
    const named = { provider, model, breaker }
    this.#all.set(keyOf(provider, model), named)
    return named
  }

  #store({ provider, model, breaker }: Named, before: OpenFact | null): void {
    const after = breaker.openFact
    if (after === before) return
    if (after) this.#facts.put('breaker', keyOf(provider, model), after)
    else this.#facts.remove('breaker', keyOf(provider, model))
  }
}
