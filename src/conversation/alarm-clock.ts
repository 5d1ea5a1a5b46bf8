/**
 * Several due times behind the object's one alarm. The alarm itself is the only thing that is stored: what is due is
 * known again, after a wake, from rows and attachments.
 *
 * Setting an alarm is paid for like a row. Hence `within`: an alarm that comes sooner anyway serves as well.
 */
export interface AlarmClockDeps {
  now(): number
  /** Replaces the object's alarm. */
  wakeAt(time: number): void
  /** When the object's alarm is due, as far as it is known from before this process; null when there is none. */
  readonly stored: number | null
}

export class AlarmClock<Name extends string> {
  readonly #deps: AlarmClockDeps
  readonly #due = new Map<Name, number>()
  /** When the object's alarm is due; 0 when none is. */
  #armed: number

  constructor(deps: AlarmClockDeps) {
    this.#deps = deps
    this.#armed = deps.stored ?? 0
  }

  /** At that time (ms since the epoch), and not sooner for the sake of this. */
  at(name: Name, time: number): void {
    this.#due.set(name, time)
    this.#arm(this.#earliest())
  }

  /** At that time or sooner: an alarm that is set for sooner is left as it is. */
  within(name: Name, time: number): void {
    this.#due.set(name, time)
    const comesSooner = this.#armed > this.#deps.now() && this.#armed <= time
    if (!comesSooner) this.#arm(this.#earliest())
  }

  /** It need not be waited for any more. An alarm that was set for it stays, and finds nothing to do. */
  clear(name: Name): void {
    this.#due.delete(name)
  }

  /** The object's alarm went off. @returns what is due; it is forgotten, and whoever needs it again sets it again */
  ring(): Name[] {
    this.#armed = 0
    const now = this.#deps.now()
    const due = [...this.#due].filter(([, time]) => time <= now).map(([name]) => name)
    for (const name of due) this.#due.delete(name)
    return due
  }

  /** Sets the alarm for what is still to come, after {@link ring}. */
  wind(): void {
    if (this.#due.size === 0) return
    const next = this.#earliest()
    const comesSooner = this.#armed > this.#deps.now() && this.#armed <= next
    if (!comesSooner) this.#arm(next)
  }

  #earliest(): number {
    return Math.min(...this.#due.values())
  }

  #arm(time: number): void {
    if (time === this.#armed) return
    this.#armed = time
    this.#deps.wakeAt(time)
  }
}
