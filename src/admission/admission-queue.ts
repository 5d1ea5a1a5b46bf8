/**
 * What one queue object decides (rules Q1–Q9): what waits, what runs, and what is granted next. Plain code over its rows,
 * a clock and a way to tell conversations; who is next is `queue-order`, how much fits is `capacity`.
 *
 * A place is given when there is room, and at once. All that has been promised is in rows, so a restart at any moment
 * loses nothing and grants nothing twice; what is only known in memory (renewals, tries, positions) is found again.
 */
import type { Grant, QueueAnswer, QueueEntry, QueueNews } from './admission.ts'
import { Capacity } from './capacity.ts'
import { bury, exhume, forgetOld, revive } from './dead-letters.ts'
import { LEASE_MS, Leases } from './leases.ts'
import { NewsDelivery } from './news-delivery.ts'
import { Places, type DeadReason, type Lease, type Place, type PlaceStore } from './places.ts'
import { PositionNews } from './position-news.ts'
import { statusOf, type QueueInterval, type QueueStatus } from './queue-status.ts'
import type { ShardLimits } from './shards.ts'
import { WaitEstimate } from './wait-estimate.ts'
import { WaitStatistics } from './wait-statistics.ts'

/** Turns that wait in one object, and of one user: some megabytes at most. */
export const MAX_WAITING = 10_000
export const MAX_WAITING_OF_USER = 1_000
/** A turn whose conversation lost more places than this takes them and dies: it is not worth another one. */
export const MAX_LOST_LEASES = 3
export interface QueueDeps {
  now(): number
  /** A new id that nobody can guess. */
  newId(): string
  readonly limits: ShardLimits
  readonly store: PlaceStore
  /** @throws when the conversation cannot be reached */
  tell(conversationId: string, turn: number, news: QueueNews): Promise<boolean>
  /** What is due may have changed outside of a call: {@link AdmissionQueue.due} has to be asked again. */
  changed(): void
  warn(event: string, details: Record<string, string | number>): void
}

export class AdmissionQueue {
  readonly #deps: QueueDeps
  readonly #places: Places
  readonly #leases: Leases
  readonly #capacity: Capacity
  readonly #delivery: NewsDelivery
  readonly #positions = new PositionNews()
  readonly #statistics: WaitStatistics
  readonly #estimate: WaitEstimate
  /** The earliest deadline, end of a lease or of a dead letter, or sooner: what is renewed does not move it. */
  #sweepAt = 0
  /** When the minute has room for the one that is next; null when that is not what it waits for. */
  #opensAt: number | null = null

  constructor(deps: QueueDeps) {
    this.#deps = deps
    const { places, window } = deps.store.load()
    this.#places = new Places(deps.store, places)
    this.#leases = new Leases(this.#places)
    this.#capacity = new Capacity(deps.limits, window, this.#places.granted.size)
    this.#statistics = new WaitStatistics(deps.now())
    this.#estimate = new WaitEstimate(this.#capacity.concurrent)
    this.#delivery = new NewsDelivery({
      now: () => deps.now(),
      tell: (conversationId, turn, news) => deps.tell(conversationId, turn, news),
      told: (id, wanted) => this.#afterNews(id, (place, now) => this.#told(place, wanted, now)),
      gaveUp: (id, tries) => this.#afterNews(id, (place, now) => this.#gaveUp(place, tries, now)),
      failed: () => deps.changed(),
    })
    // Nobody knows whether they heard it before.
    for (const place of this.#places.granted.values()) {
      const { lease } = place
      if (lease && !lease.answered) this.#tell(place, this.#granted(place, lease))
    }
    for (const place of this.#places.timedOut.values()) this.#tell(place, { state: 'timed_out' })
  }

  /** Asks for a place. Repeated, it answers what is so now, and a grant that was lost on the way again. */
  enter(entry: QueueEntry): QueueAnswer {
    const now = this.#begin()
    let place = this.#places.find(entry)
    if (!place) {
      if (this.#isFull(entry.userId)) {
        this.#end(now)
        return { state: 'full' }
      }
      exhume(this.#places, entry)
      const { id } = this.#arrive(entry, false, now)
      place = this.#places.get(id)
      if (place?.state === 'waiting') this.#places.keep(place)
    } else if (place.state === 'granted') {
      this.#delivery.cancel(place.id)
      this.#leases.renew(place, now)
    }
    const answer = this.#answer(place, now)
    this.#end(now)
    return answer
  }

  /**
   * A place without waiting, for one call that comes to nobody's queue: it is not taken before those who wait.
   *
   * @param id of the call: repeated with the same one, it is the same place
   */
  pass(entry: Pick<QueueEntry, 'provider' | 'tokens'>, id: string): Omit<Grant, 'provider'> | null {
    const now = this.#begin()
    const turn = { conversationId: id, turn: 0 }
    let lease = this.#places.find(turn)?.lease ?? null
    if (!lease && this.#places.waiting.size === 0 && this.#capacity.fits(entry.tokens, now)) {
      const { provider, tokens } = entry
      const rest = { userId: id, priority: 'normal', since: now, deadline: now } as const
      const place = this.#arrive({ provider, tokens, ...turn, ...rest }, true, now)
      lease = this.#places.get(place.id)?.lease ?? null
    }
    this.#end(now)
    return lease && { grantId: lease.grantId, leaseMs: LEASE_MS }
  }

  leave(turn: Pick<QueueEntry, 'conversationId' | 'turn'>): void {
    const now = this.#begin()
    const place = this.#places.find(turn)
    if (place) this.#free(place, 0)
    this.#end(now)
  }

  /** @returns false when the place was taken away */
  renew(grantId: string, conversationId: string): boolean {
    const now = this.#begin()
    const place = this.#places.findGrant(grantId)
    const isHeld = place?.conversationId === conversationId
    if (place && isHeld) {
      this.#delivery.cancel(place.id)
      this.#leases.renew(place, now)
    }
    this.#end(now)
    return isHeld
  }

  release(grantId: string, conversationId: string, usedTokens: number): void {
    const now = this.#begin()
    const place = this.#places.findGrant(grantId)
    if (place?.lease && place.conversationId === conversationId) {
      this.#estimate.callEnded(Math.max(0, now - place.lease.at))
      this.#free(place, usedTokens)
    }
    this.#end(now)
  }

  /** @returns false when there is no such dead letter */
  requeue(id: number): boolean {
    const now = this.#begin()
    const isThere = revive(this.#places, id, now)
    this.#sweepAt = Math.min(this.#sweepAt, this.#places.get(id)?.deadline ?? Infinity)
    this.#positions.changed()
    this.#end(now)
    return isThere
  }

  status(): QueueStatus {
    return statusOf(this.#places, this.#statistics, this.#deps.now())
  }

  /** @param after as in `WaitStatistics.untold` */
  interval(after: number | null): QueueInterval {
    return { waiting: this.#places.waiting.size, ...this.#statistics.untold(after, this.#deps.now()) }
  }

  /** Sees to all that is due. */
  tick(): void {
    this.#end(this.#begin())
  }

  /**
   * When {@link tick} has to be called, ms since the epoch: `durable` also after a restart, `prompt` while in memory.
   * Null: not for anything that is known.
   */
  due(): { readonly durable: number | null; readonly prompt: number | null } {
    const now = this.#deps.now()
    const durable = earliest(this.#sweepAt, this.#opensAt, this.#delivery.nextDue())
    return {
      durable,
      prompt: earliest(durable, this.#positions.nextDue(this.#places.waiting.size > 0, now)),
    }
  }

  #begin(): number {
    const now = this.#deps.now()
    if (now >= this.#sweepAt) this.#sweep(now)
    return now
  }

  /** After every change: whoever fits is granted, and what there is to tell is told. */
  #end(now: number): void {
    this.#grantAll(now)
    this.#keepWindow(now)
    this.#delivery.tick()
    const moved = this.#positions.tick(this.#places.waiting, this.#places.round, now)
    for (const { place, position } of moved) {
      const news = { state: 'waiting', position, etaMs: this.#etaMs(position, now) } as const
      this.#deps.tell(place.conversationId, place.turn, news).catch(() => {
        // A courtesy; the next position is told anyway.
      })
    }
  }

  #isFull(userId: string): boolean {
    const { waiting } = this.#places
    return waiting.size >= MAX_WAITING || this.#places.waitingOf(userId) >= MAX_WAITING_OF_USER
  }

  #arrive(entry: QueueEntry, passing: boolean, now: number): Place {
    const fresh = { state: 'waiting', arrivedAt: now, lost: 0, lease: null, dead: null } as const
    const place: Place = { ...entry, ...fresh, id: this.#places.nextId(), passing }
    this.#places.hold(place)
    this.#sweepAt = Math.min(this.#sweepAt, place.deadline)
    this.#positions.changed()
    this.#grantAll(now, place.id)
    return place
  }

  /** @param asking the place whose grant goes into the answer */
  #grantAll(now: number, asking?: number): void {
    this.#opensAt = null
    while (this.#capacity.hasPlace) {
      const next = this.#places.next(now)
      if (!next) return
      if (!this.#capacity.fits(next.tokens, now)) {
        // Nobody smaller goes before it: otherwise a large one would wait for ever.
        this.#opensAt = this.#capacity.opensAt(next.tokens, now)
        return
      }
      this.#grant(next, next.id === asking, now)
    }
  }

  #grant(place: Place, answered: boolean, now: number): void {
    const taken = this.#capacity.take(place.tokens, now)
    const lease = this.#leases.give(place, taken, this.#deps.newId(), answered, now)
    this.#sweepAt = Math.min(this.#sweepAt, lease.expiresAt)
    this.#positions.gone(place.id)
    this.#positions.changed()
    if (!place.passing) this.#statistics.granted(place.priority, now - place.arrivedAt, now)
    if (!answered) this.#tell(place, this.#granted(place, lease))
  }

  #answer(place: Place | undefined, now: number): QueueAnswer {
    if (place?.lease) return this.#granted(place, place.lease)
    // One whose time is over hears that in a moment.
    if (place?.state !== 'waiting') return { state: 'waiting', position: 1, etaMs: null }
    const { waiting, round } = this.#places
    const position = this.#positions.positionOf(place.id, waiting, round, now)
    this.#positions.heard(place.id, position, now)
    return { state: 'waiting', position, etaMs: this.#etaMs(position, now) }
  }

  #etaMs(position: number, now: number): number | null {
    return this.#estimate.etaMs(position, this.#statistics.pace(now))
  }

  #tell(place: Place, news: QueueNews): void {
    this.#delivery.start(place.id, place.conversationId, place.turn, news)
  }

  #granted({ provider, again }: Place, { grantId }: Lease): QueueAnswer {
    return { state: 'granted', provider, grantId, leaseMs: LEASE_MS, ...(again && { again }) }
  }

  /** Something was told, or could not be; what it was about may have changed meanwhile. */
  #afterNews(id: number, act: (place: Place, now: number) => void): void {
    const now = this.#begin()
    const place = this.#places.get(id)
    if (place?.state === 'granted' || place?.state === 'timed_out') act(place, now)
    this.#end(now)
    this.#deps.changed()
  }

  #told(place: Place, wanted: boolean, now: number): void {
    if (place.lease && wanted) this.#leases.renew(place, now)
    else this.#free(place, 0)
  }

  #gaveUp(place: Place, tries: number, now: number): void {
    if (place.lease) this.#capacity.giveBack(place.lease, 0)
    this.#bury(place, 'not_told', tries, now)
  }

  #free(place: Place, usedTokens: number): void {
    if (place.lease) this.#capacity.giveBack(place.lease, usedTokens)
    this.#forget(place)
    this.#places.remove(place)
    this.#positions.changed()
  }

  #forget({ id }: Place): void {
    this.#delivery.cancel(id)
    this.#positions.gone(id)
    this.#leases.forget(id)
  }

  #bury(place: Place, why: DeadReason, attempts: number, now: number): void {
    this.#forget(place)
    bury(this.#places, place, why, attempts, now)
    // Its own end is a week away: the next sweep finds it.
    this.#sweepAt = Math.min(this.#sweepAt, now + LEASE_MS)
    const { conversationId, turn, provider } = place
    this.#deps.warn('dead_letter', { provider, conversationId, turn, why, attempts })
  }

  #sweep(now: number): void {
    for (const place of this.#leases.ended(now)) this.#expire(place, now)
    for (const place of this.#places.waiting.values()) {
      if (place.deadline > now) continue
      this.#forget(place)
      this.#places.put({ ...place, state: 'timed_out' })
      this.#statistics.timedOut(now)
      this.#positions.changed()
      this.#tell(place, { state: 'timed_out' })
    }
    let next = Math.min(forgetOld(this.#places, now), this.#leases.nextEnd())
    for (const { deadline } of this.#places.waiting.values()) next = Math.min(next, deadline)
    this.#sweepAt = next
  }

  #expire(place: Place, now: number): void {
    if (place.lease) this.#capacity.giveBack(place.lease, place.lease.tokens)
    const lost = place.lost + 1
    if (place.passing) {
      this.#forget(place)
      this.#places.remove(place)
    } else if (lost > MAX_LOST_LEASES) this.#bury({ ...place, lost }, 'lost_leases', lost, now)
    else {
      this.#forget(place)
      this.#places.put({ ...place, state: 'waiting', arrivedAt: now, lost, lease: null })
    }
    this.#positions.changed()
  }

  #keepWindow(now: number): void {
    const fact = this.#capacity.unkept(now)
    if (fact) this.#deps.store.keepWindow(fact)
  }
}

function earliest(...times: readonly (number | null)[]): number | null {
  const least = times.reduce<number>((a, b) => Math.min(a, b ?? Infinity), Infinity)
  return least === Infinity ? null : least
}
