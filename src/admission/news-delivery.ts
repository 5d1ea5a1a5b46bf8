/**
 * Tells conversations what became of their turns until they answer: at least once, with a wait that grows between the
 * tries. One that never answers is given up. Pure over its deps; nothing here is stored, for what has to be told is known
 * again from the rows after a restart.
 */
import type { QueueNews } from './admission.ts'

/** Waits between tries: doubles from the first to the last. Eight tries take about 16 s, less than a lease. */
const RETRY_FIRST_MS = 200
const RETRY_MOST_MS = 5_000
/** Then nobody is there. */
export const MAX_TRIES = 8
/** A call that takes longer is made again: whoever was called may have died, and hearing something twice is harmless. */
const ANSWER_MS = 5_000

export interface DeliveryDeps {
  now(): number
  /** @throws when the conversation cannot be reached */
  tell(conversationId: string, turn: number, news: QueueNews): Promise<boolean>
  /** It was heard. @param wanted what the conversation answered */
  told(id: number, wanted: boolean): void
  gaveUp(id: number, tries: number): void
  /** A try failed: when the next one is due is known now. */
  failed(): void
}

interface Delivery {
  readonly conversationId: string
  readonly turn: number
  readonly news: QueueNews
  tries: number
  /** When it is tried (again), ms since the epoch. */
  at: number
}

export class NewsDelivery {
  readonly #deps: DeliveryDeps
  readonly #pending = new Map<number, Delivery>()

  constructor(deps: DeliveryDeps) {
    this.#deps = deps
  }

  /** Something to tell of this place, instead of what there was before. The first try is made by {@link tick}. */
  start(id: number, conversationId: string, turn: number, news: QueueNews): void {
    this.#pending.set(id, { conversationId, turn, news, tries: 0, at: this.#deps.now() })
  }

  cancel(id: number): void {
    this.#pending.delete(id)
  }

  /** When {@link tick} has to be called at the latest; null when nothing is to be told. */
  nextDue(): number | null {
    let next: number | null = null
    for (const { at } of this.#pending.values()) next = next === null ? at : Math.min(next, at)
    return next
  }

  tick(): void {
    const now = this.#deps.now()
    for (const [id, delivery] of this.#pending) {
      if (delivery.at > now) continue
      if (delivery.tries >= MAX_TRIES) {
        this.#pending.delete(id)
        this.#deps.gaveUp(id, delivery.tries)
      } else void this.#try(id, delivery, now)
    }
  }

  async #try(id: number, delivery: Delivery, now: number): Promise<void> {
    delivery.tries++
    delivery.at = now + ANSWER_MS
    const { tries, conversationId, turn, news } = delivery
    const answer = await this.#deps.tell(conversationId, turn, news).then(
      (wanted) => ({ wanted }),
      () => null,
    )
    // Something else is told now, or nothing any more.
    if (this.#pending.get(id) !== delivery) return
    if (answer) {
      this.#pending.delete(id)
      this.#deps.told(id, answer.wanted)
    } else if (delivery.tries === tries) {
      // At the last try {@link tick} gives up.
      const wait = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** (tries - 1))
      delivery.at = this.#deps.now() + (tries < MAX_TRIES ? wait : 0)
      this.#deps.failed()
    }
  }
}
