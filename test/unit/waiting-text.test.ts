/** What is said of a turn that waits, and when it is said again. */
import { expect, test } from 'vitest'
import { isNews, waitingText } from '../../src/web/waiting-text.ts'

test('says the place, and for the model a time in coarse steps', () => {
  expect(waitingText({ position: 1 })).toBe('Waiting: next in line')
  expect(waitingText({ position: 3 })).toBe('Waiting: number 3 in line')
  expect(waitingText({ position: 3, etaMs: 17_300 })).toBe(
    'Waiting for the model: number 3 in line, about 20 s',
  )
  expect(waitingText({ position: 1, etaMs: 0 })).toBe('Waiting for the model: next in line, about 5 s')
  expect(waitingText({ position: 90, etaMs: 61_000 })).toBe(
    'Waiting for the model: number 90 in line, about 2 min',
  )
})

test('is told again when it is next, or when place or time are half or twice what was said', () => {
  const said = { position: 40, etaMs: 60_000 }
  expect(isNews(said, { position: 39, etaMs: 58_000 })).toBe(false)
  expect(isNews(said, { position: 21, etaMs: 31_000 })).toBe(false)
  expect(isNews(said, { position: 20, etaMs: 59_000 })).toBe(true)
  expect(isNews(said, { position: 40, etaMs: 30_000 })).toBe(true)
  expect(isNews(said, { position: 40, etaMs: 120_000 })).toBe(true)
  expect(isNews(said, { position: 1, etaMs: 60_000 })).toBe(true)
  expect(isNews({ position: 1, etaMs: 5_000 }, { position: 1, etaMs: 1_000 })).toBe(false)
})

test('a countdown of a minute is a handful of announcements, not sixty', () => {
  let said = { position: 60, etaMs: 60_000 }
  let times = 0
  for (let left = 59; left >= 1; left--) {
    const now = { position: left, etaMs: left * 1000 }
    if (!isNews(said, now)) continue
    said = now
    times++
  }
  expect(times).toBeLessThan(8)
  expect(said.position).toBe(1)
})
