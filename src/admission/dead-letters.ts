/**
 * What becomes of places that nobody takes: they are kept for an operator to see and to send again, for a while and up
 * to a number. Works on the places of one queue object.
 */
import type { DeadReason, Place, Places } from './places.ts'

/** By then nobody waits for the answer any more. */
export const KEPT_MS = 7 * 24 * 3600 * 1000
export const MAX_KEPT = 1_000
/** The least that something that is sent again may wait. */
const LEAST_WAIT_MS = 60_000

/** Makes a dead letter of it; the oldest goes when there are too many. */
export function bury(places: Places, place: Place, why: DeadReason, attempts: number, now: number): void {
  places.put({ ...place, state: 'dead', lease: null, dead: { why, at: now, attempts } })
  if (places.dead.size <= MAX_KEPT) return
  const oldest = [...places.dead.values()].reduce((a, b) => (diedAt(b) < diedAt(a) ? b : a))
  places.remove(oldest)
}

/**
 * It waits again, as if it had just come: with its age of before, all that died in an outage would go before everybody.
 *
 * @returns false when there is no such dead letter
 */
export function revive(places: Places, id: number, now: number): boolean {
  const place = places.dead.get(id)
  if (!place) return false
  // Its conversation has entered the turn again by itself.
  if (places.find(place)) places.remove(place)
  else {
    const patience = Math.max(LEAST_WAIT_MS, place.deadline - place.since)
    const times = { since: now, arrivedAt: now, deadline: now + patience }
    places.put({ ...place, ...times, state: 'waiting', lost: 0, dead: null, again: true })
  }
  return true
}

/** A turn that its conversation enters again is no dead letter any more. */
export function exhume(places: Places, turn: Pick<Place, 'conversationId' | 'turn'>): void {
  for (const dead of places.dead.values()) {
    if (dead.conversationId === turn.conversationId && dead.turn === turn.turn) return places.remove(dead)
  }
}

/** Removes what was kept long enough. @returns when the next one goes; Infinity when none is left */
export function forgetOld(places: Places, now: number): number {
  let next = Infinity
  for (const place of places.dead.values()) {
    const end = diedAt(place) + KEPT_MS
    if (end <= now) places.remove(place)
    else next = Math.min(next, end)
  }
  return next
}

const diedAt = ({ dead }: Place): number => dead?.at ?? 0
