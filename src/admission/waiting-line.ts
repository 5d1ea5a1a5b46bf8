/**
 * Those who wait, kept so that the next one (rules Q2, Q3) is found without a look at all of them: ten thousand may wait,
 * and each place that is given asks. What the order is, `queue-order` says; a property test holds the two together.
 *
 * By effective rank, and within a rank by user, each user's turns by age. Who ages into another rank is moved when somebody
 * asks after that moment; a clock that is set back does not move them back. A user's place in the round only ever rises,
 * so one that has risen since it was noted is found out when it comes up.
 */
import { AGE_STEP_MS, effectiveRank, PRIORITIES } from '../protocol/priority.ts'
import { MinHeap } from './min-heap.ts'
import { byAge, type Round, type Waiting } from './queue-order.ts'

interface Rank<T> {
  /** By user, the oldest first; never empty. */
  readonly users: Map<string, T[]>
  /** Everybody in `users` once, by a place in the round that is theirs or was; and some who have left. */
  readonly round: MinHeap<{ readonly userId: string; readonly place: number }>
  readonly noted: Set<string>
}

export class WaitingLine<T extends Waiting> {
  readonly #round: Round
  readonly #ranks: readonly Rank<T>[] = PRIORITIES.map(() => ({
    users: new Map(),
    round: new MinHeap(({ place }) => place),
    noted: new Set(),
  }))
  /** By id: who is in the line, and where. */
  readonly #all = new Map<number, { readonly each: T; readonly rank: Rank<T> }>()
  /** When each one ages; of those who have left as well. */
  readonly #ageing = new MinHeap<{ readonly each: T; readonly at: number }>(({ at }) => at)

  constructor(round: Round) {
    this.#round = round
  }

  /** Its user has a place in the round by now. */
  add(each: T): void {
    // What age makes of it is seen when somebody asks.
    this.#enter(each, effectiveRank(each.priority, each.since, each.since), 1)
  }

  remove({ id }: Pick<T, 'id'>): void {
    const found = this.#all.get(id)
    if (!found) return
    const { each, rank } = found
    this.#all.delete(id)
    const own = rank.users.get(each.userId) ?? []
    if (own.length === 1) rank.users.delete(each.userId)
    else own.splice(placeOf(own, each), 1)
  }

  /** The one that is next; null when none waits. */
  next(now: number): T | null {
    this.#age(now)
    for (const { users, round, noted } of this.#ranks) {
      for (let first = round.peek(); first !== undefined; first = round.peek()) {
        const { userId, place } = first
        const own = users.get(userId)
        const current = own && this.#round(userId)
        if (own?.[0] && current === place) return own[0]
        round.pop()
        if (current === undefined) noted.delete(userId)
        else round.push({ userId, place: current })
      }
    }
    return null
  }

  #age(now: number): void {
    for (let first = this.#ageing.peek(); first && first.at <= now; first = this.#ageing.peek()) {
      const { each } = first
      this.#ageing.pop()
      if (this.#all.get(each.id)?.each !== each) continue
      this.remove(each)
      const steps = Math.floor((now - each.since) / AGE_STEP_MS)
      this.#enter(each, effectiveRank(each.priority, each.since, now), steps + 1)
    }
  }

  /** @param step which one of its life comes next */
  #enter(each: T, rank: number, step: number): void {
    const found = this.#ranks[rank]
    if (!found) return
    this.#all.set(each.id, { each, rank: found })
    if (rank > 0) this.#ageing.push({ each, at: each.since + step * AGE_STEP_MS })
    const { userId } = each
    const own = found.users.get(userId)
    if (own) own.splice(placeOf(own, each), 0, each)
    else found.users.set(userId, [each])
    if (found.noted.has(userId)) return
    found.noted.add(userId)
    found.round.push({ userId, place: this.#round(userId) })
  }
}

/** Where it is in what is ordered by age, or belongs. */
function placeOf<T extends Waiting>(own: readonly T[], each: T): number {
  // Nearly everybody who comes is the youngest, and nearly everybody who goes is the oldest.
  const youngest = own.at(-1)
  if (!youngest || byAge(youngest, each) < 0) return own.length
  let low = 0
  let high = own.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    const there = own[middle]
    if (there && byAge(there, each) < 0) low = middle + 1
    else high = middle
  }
  return low
}
