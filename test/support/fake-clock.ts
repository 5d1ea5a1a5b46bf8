/**
 * A clock that stands still until a test moves it, with the timers that depend on it. Timers run in order of time, at
 * the moment that they were set for.
 */
export class FakeClock {
  #now: number
  #timers: { readonly at: number; readonly run: () => void }[] = []

  constructor(now = Date.parse('2026-11-20T10:00:00Z')) {
    this.#now = now
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.length
  }

  readonly now = (): number => this.#now

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  advance(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0]
      if (!next || next.at > until) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
    this.#now = until
  }

  /** What happens when the machine's time is corrected: timers are not moved by it. */
  setBack(ms: number): void {
    this.#now -= ms
    this.#timers = this.#timers.map(({ at, run }) => ({ at: at - ms, run }))
  }
}
