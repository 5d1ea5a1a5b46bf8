/**
 * Who holds a place, and until when. A holder renews; one that is silent has died, and its place is free again.
 *
 * Renewals are not written: they would be most of all rows. So after a restart it is not known whether a lease whose end
 * has come was renewed; it gets one more term, and the row says so, once.
 */
import type { Taken } from './capacity.ts'
import type { Lease, Place, Places } from './places.ts'

/** A holder that is silent for so long has died; it renews every ten seconds. */
export const LEASE_MS = 30_000

export class Leases {
  readonly #places: Places
  /** Places whose lease was given or renewed in this process. */
  readonly #certain = new Set<number>()

  constructor(places: Places) {
    this.#places = places
  }

  /** @param answered whether the holder hears of it in an answer; otherwise it has to be told */
  give(place: Place, taken: Taken, grantId: string, answered: boolean, now: number): Lease {
    const expiresAt = now + LEASE_MS
    const lease: Lease = { ...taken, grantId, at: now, expiresAt, answered, extended: false }
    this.#places.put({ ...place, state: 'granted', lease })
    this.#places.served(place.userId)
    this.#certain.add(place.id)
    return lease
  }

  renew(place: Place, now: number): void {
    const { lease } = place
    if (!lease) return
    this.#certain.add(place.id)
    const renewed: Place = { ...place, lease: { ...lease, expiresAt: now + LEASE_MS, extended: false } }
    // Written only where the row says that the next end is the last.
    if (lease.extended) this.#places.put(renewed)
    else this.#places.hold(renewed)
  }

  forget(id: number): void {
    this.#certain.delete(id)
  }

  /** @returns the places whose lease is over */
  ended(now: number): Place[] {
    return [...this.#places.granted.values()].filter((place) => {
      const { lease } = place
      if (!lease || lease.expiresAt > now) return false
      if (lease.extended || this.#certain.has(place.id)) return true
      this.#places.put({ ...place, lease: { ...lease, expiresAt: now + LEASE_MS, extended: true } })
      return false
    })
  }

  /** When the next one ends; Infinity when nobody has any. */
  nextEnd(): number {
    let next = Infinity
    for (const { lease } of this.#places.granted.values()) next = Math.min(next, lease?.expiresAt ?? next)
    return next
  }
}
