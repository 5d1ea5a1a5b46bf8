/**
 * The kill switch: what an operator has paused. Each pause is a row until it is ended; the last word about a target counts.
 * Who may switch, and whether a target exists, is for the route to say.
 */
import type { SwitchTarget } from '../protocol/operations.ts'
import type { FactStore } from './facts.ts'
import type { Pause } from './snapshot.ts'

/** More than there can be things to pause. */
const MAX_PAUSES = 2_048

export class Switches {
  readonly #facts: FactStore
  readonly #pauses = new Map<SwitchTarget, Pause>()

  constructor(facts: FactStore) {
    this.#facts = facts
    for (const [, fact] of facts.load('pause')) {
      const pause = fact as Pause
      this.#pauses.set(pause.target, pause)
    }
  }

  get all(): Pause[] {
    return [...this.#pauses.values()]
  }

  /** Pausing what is paused replaces the reason. @returns false when there are too many already */
  pause(pause: Pause): boolean {
    if (!this.#pauses.has(pause.target) && this.#pauses.size >= MAX_PAUSES) return false
    this.#pauses.set(pause.target, pause)
    this.#facts.put('pause', pause.target, pause)
    return true
  }

  /** @returns whether it was paused */
  resume(target: SwitchTarget): boolean {
    if (!this.#pauses.delete(target)) return false
    this.#facts.remove('pause', target)
    return true
  }
}
