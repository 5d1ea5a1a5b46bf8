/**
 * How long a turn still waits, as people say it. Times are estimates that change each second, so they are said in coarse
 * steps; and a screen reader is told again only what is news.
 */
import type { OpenTurn } from '../protocol/server-frames.ts'

type Wait = Pick<OpenTurn, 'position' | 'etaMs'>

/** Seconds; what takes longer than the last is said in whole minutes. */
const STEPS = [5, 10, 20, 30, 45, 60]

/** With a time it waits for the model; without, as far as anybody knows, only for the answers before it. */
export function waitingText({ position, etaMs }: Wait): string {
  const place = position === 1 ? 'next in line' : `number ${position} in line`
  return etaMs === undefined ? `Waiting: ${place}` : `Waiting for the model: ${place}, ${about(etaMs)}`
}

/** Whether what was said last is so far from how it is now that it has to be said again. */
export function isNews(said: Wait, now: Wait): boolean {
  if (now.position === 1) return said.position !== 1
  return isFar(said.position, now.position) || isFar(said.etaMs ?? 1, now.etaMs ?? said.etaMs ?? 1)
}

function isFar(a: number, b: number): boolean {
  return a !== b && (a >= b * 2 || b >= a * 2)
}

function about(ms: number): string {
  const seconds = STEPS.find((step) => ms <= step * 1000)
  return seconds === undefined ? `about ${Math.ceil(ms / 60_000)} min` : `about ${seconds} s`
}
