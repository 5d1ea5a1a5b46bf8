/**
 * How long one at a certain position will wait: by how fast turns were granted lately, or, before any was, by how long
 * calls take. An honest "nobody knows" where there is neither. Pure.
 */

/** How much the newest call counts for the mean duration. */
const NEWEST_WEIGHT = 0.1

export class WaitEstimate {
  /** Calls at a time; Infinity when that is not limited. */
  readonly #concurrent: number
  /** Ms; null before the first. */
  #meanCallMs: number | null = null

  constructor(concurrent: number) {
    this.#concurrent = concurrent
  }

  callEnded(ms: number): void {
    const mean = this.#meanCallMs ?? ms
    this.#meanCallMs = mean + (ms - mean) * NEWEST_WEIGHT
  }

  /**
   * @param position 1 is next
   * @param pace grants per ms, lately; 0 when there were none
   */
  etaMs(position: number, pace: number): number | null {
    if (pace > 0) return Math.round(position / pace)
    if (this.#meanCallMs === null || this.#concurrent === Infinity) return null
    return Math.round((position * this.#meanCallMs) / this.#concurrent)
  }
}
