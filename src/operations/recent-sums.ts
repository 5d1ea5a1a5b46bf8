/**
 * Sums of the calls of the last five minutes, for an operator who looks: a ring of short slots, the oldest of which falls
 * away. In memory only.
 */
import type { CallReport } from '../models/provider-gate.ts'
import { ModelSums } from './call-sums.ts'

const SLOT_MS = 10_000
const SLOTS = 30
/** How far back it goes. */
export const RECENT_MS = SLOT_MS * SLOTS

export class RecentSums {
  readonly #slots = new Map<number, ModelSums>()

  add(report: CallReport, micros: number, now: number): void {
    const index = Math.floor(now / SLOT_MS)
    let slot = this.#slots.get(index)
    if (!slot) {
      this.#forgetBefore(index)
      this.#slots.set(index, (slot = new ModelSums()))
    }
    slot.add(report, micros)
  }

  total(now: number): ModelSums {
    this.#forgetBefore(Math.floor(now / SLOT_MS))
    const total = new ModelSums()
    for (const slot of this.#slots.values()) total.merge(slot)
    return total
  }

  #forgetBefore(index: number): void {
    for (const known of this.#slots.keys()) if (known <= index - SLOTS) this.#slots.delete(known)
  }
}
