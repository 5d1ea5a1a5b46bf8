/**
 * Chance that can be repeated: a small generator with a seed (mulberry32), for tests that try random moments. The seed is
 * printed with each run, and given back by an environment variable.
 */
import { randomInt } from 'node:crypto'

export interface Random {
  readonly seed: number
  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number
  pick<T>(items: readonly T[]): T
}

/** @param variable names the environment variable that fixes the seed */
export function randomFromEnv(variable: string): Random {
  const seed = Number(process.env[variable] ?? randomInt(2 ** 31))
  console.log(`${variable}=${seed}`)
  return makeRandom(seed)
}

export function makeRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1))
  return {
    seed,
    int,
    pick(items) {
      const item = items[int(0, items.length - 1)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
  }
}
