/**
 * Who waits for the end of which turn. In memory: a wait does not outlive the process, and is taken up again by whoever
 * waits.
 */
export class TurnWaiters {
  readonly #waiters = new Map<number, (() => void)[]>()

  wait(turn: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.set(turn, [...(this.#waiters.get(turn) ?? []), resolve])
    })
  }

  ended(turn: number): void {
    for (const resolve of this.#waiters.get(turn) ?? []) resolve()
    this.#waiters.delete(turn)
  }

  /** There will be no ends any more. */
  release(): void {
    for (const turn of this.#waiters.keys()) this.ended(turn)
  }
}
