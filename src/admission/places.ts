/**
 * Everything that a queue object holds, in memory and in its rows: turns that wait, places that were given, turns that
 * must be told that their time is over, and dead letters. A place is never changed, only replaced.
 *
 * It keeps the two in step, and answers look-ups; what becomes of a place is decided in `admission-queue`.
 */
import type { QueueEntry } from './admission.ts'
import type { Taken, WindowFact } from './capacity.ts'
import { byAge, type Waiting } from './queue-order.ts'
import { WaitingLine } from './waiting-line.ts'

/** Why something is a dead letter: its conversation does not answer, or took its place and died with it again and again. */
export type DeadReason = 'not_told' | 'lost_leases'

export interface Lease extends Taken {
  readonly grantId: string
  readonly at: number
  readonly expiresAt: number
  /** Whether it was given in an answer; otherwise its conversation has to be told. */
  readonly answered: boolean
  /** It outlived a restart and was given more time, once: renewals are not written, so it may have been renewed. */
  readonly extended: boolean
}

export interface Place extends Waiting {
  readonly state: 'waiting' | 'granted' | 'timed_out' | 'dead'
  readonly provider: string
  readonly conversationId: string
  readonly turn: number
  readonly tokens: number
  readonly deadline: number
  /** It was a dead letter that an operator has sent again. */
  readonly again?: true
  /** When it came into this queue, ms since the epoch: waits are counted from there. */
  readonly arrivedAt: number
  /** Leases of it that expired. */
  readonly lost: number
  /** Of a call that does not wait: nobody is told, and nothing comes back. */
  readonly passing: boolean
  readonly lease: Lease | null
  readonly dead: { readonly why: DeadReason; readonly at: number; readonly attempts: number } | null
}

/** The rows of the object. */
export interface PlaceStore {
  load(): { readonly places: readonly Place[]; readonly window: WindowFact | null }
  put(place: Place): void
  remove(id: number): void
  keepWindow(fact: WindowFact): void
}

const keyOf = ({ conversationId, turn }: Pick<QueueEntry, 'conversationId' | 'turn'>): string =>
  `${conversationId}/${turn}`

export class Places {
  readonly #store: PlaceStore
  readonly #byState: Readonly<Record<Place['state'], Map<number, Place>>> = {
    waiting: new Map(),
    granted: new Map(),
    timed_out: new Map(),
    dead: new Map(),
  }
  readonly #byKey = new Map<string, Place>()
  readonly #byGrant = new Map<string, Place>()
  /** Of each user who waits: how many turns, and their place in the round. */
  readonly #users = new Map<string, { waiting: number; round: number }>()
  readonly #line = new WaitingLine<Place>((userId) => this.round(userId))
  #lastRound = 0
  #lastId = 0

  constructor(store: PlaceStore, stored: readonly Place[]) {
    this.#store = store
    // The oldest first: the round begins anew, in the order in which its users came.
    for (const place of stored.toSorted(byAge)) this.#add(place)
  }

  get waiting(): ReadonlyMap<number, Place> {
    return this.#byState.waiting
  }

  get granted(): ReadonlyMap<number, Place> {
    return this.#byState.granted
  }

  get timedOut(): ReadonlyMap<number, Place> {
    return this.#byState.timed_out
  }

  /** In no order that means anything. */
  get dead(): ReadonlyMap<number, Place> {
    return this.#byState.dead
  }

  readonly round = (userId: string): number => this.#users.get(userId)?.round ?? 0

  /** The one of those who wait that is next. */
  next(now: number): Place | null {
    return this.#line.next(now)
  }

  waitingOf(userId: string): number {
    return this.#users.get(userId)?.waiting ?? 0
  }

  /** What is known of this turn; dead letters are not. */
  find(turn: Pick<QueueEntry, 'conversationId' | 'turn'>): Place | undefined {
    return this.#byKey.get(keyOf(turn))
  }

  findGrant(grantId: string): Place | undefined {
    return this.#byGrant.get(grantId)
  }

  get(id: number): Place | undefined {
    for (const map of Object.values(this.#byState)) {
      const place = map.get(id)
      if (place) return place
    }
    return undefined
  }

  nextId(): number {
    return ++this.#lastId
  }

  /** Whoever was served goes behind everybody in the round. */
  served(userId: string): void {
    const user = this.#users.get(userId)
    if (user) user.round = ++this.#lastRound
  }

  /** In memory and in its row. */
  put(place: Place): void {
    this.hold(place)
    this.keep(place)
  }

  /** In memory only: what is lost with the process and is put right after it. */
  hold(place: Place): void {
    const before = this.get(place.id)
    if (before) this.#drop(before)
    this.#add(place)
  }

  keep(place: Place): void {
    this.#store.put(place)
  }

  remove(place: Place): void {
    this.#drop(place)
    this.#store.remove(place.id)
  }

  #add(place: Place): void {
    this.#lastId = Math.max(this.#lastId, place.id)
    this.#byState[place.state].set(place.id, place)
    if (place.state !== 'dead') this.#byKey.set(keyOf(place), place)
    if (place.lease) this.#byGrant.set(place.lease.grantId, place)
    if (place.state !== 'waiting') return
    const user = this.#users.get(place.userId)
    if (user) user.waiting++
    else this.#users.set(place.userId, { waiting: 1, round: ++this.#lastRound })
    this.#line.add(place)
  }

  #drop(place: Place): void {
    this.#byState[place.state].delete(place.id)
    if (place.state !== 'dead') this.#byKey.delete(keyOf(place))
    if (place.lease) this.#byGrant.delete(place.lease.grantId)
    if (place.state !== 'waiting') return
    this.#line.remove(place)
    const user = this.#users.get(place.userId)
    if (user && --user.waiting === 0) this.#users.delete(place.userId)
  }
}
