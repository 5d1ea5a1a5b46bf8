/**
 * Where a history begins that does not fit: within what fits, at a question, giving up a quarter at most, and at the same
 * place for many turns, so that providers find the beginning in their caches.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stableStart, type WindowRow } from '../../src/conversation/context-window.ts'

const BUDGET = 10_000

/** Questions and answers in turn; the sizes of which are repeated. */
function history(turns: number, sizes: readonly number[]): WindowRow[] {
  return Array.from({ length: 2 * turns }, (_, i) => ({
    number: i + 1,
    role: i % 2 === 0 ? 'user' : 'assistant',
    tokens: sizes[i % sizes.length] ?? 1,
  }))
}

/** What fits of a history up to its last row. */
function fitting(rows: readonly WindowRow[]): readonly WindowRow[] {
  let spent = 0
  const at = rows.findLastIndex(({ tokens }) => (spent += tokens) > BUDGET)
  return rows.slice(Math.min(at + 1, rows.length - 1))
}

const sum = (rows: readonly WindowRow[]): number => rows.reduce((all, { tokens }) => all + tokens, 0)

test('it begins at a question, and uses three quarters of what there is at least', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 400 }),
      fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 9 }),
      (turns, sizes) => {
        // The last one is the question that is asked now.
        const rows = fitting(history(turns, sizes).slice(0, -1))
        const sent = rows.slice(stableStart(rows, BUDGET))
        expect(sent.at(-1)).toBe(rows.at(-1))
        // What is free because the next older one is long counts as given up.
        const free = BUDGET - sum(rows)
        expect(sum(rows) - sum(sent)).toBeLessThanOrEqual(Math.max(0, BUDGET / 4 - free))
        const passed = rows.findIndex(({ role }) => role === 'user')
        // An answer is first only where no question is near.
        if (sent[0]?.role === 'assistant')
          expect(sum(rows.slice(0, passed))).toBeGreaterThan(BUDGET / 4 - free)
      },
    ),
  )
})

test('nothing is given up where a long message before it leaves room enough', () => {
  const rows = history(10, [50]).slice(0, -1)
  expect(stableStart(rows, BUDGET)).toBe(0)
})

test('a branch that holds every other question only begins alike for long as well', () => {
  const all = history(2_400, [100]).filter(({ number }) => number % 8 < 2)
  const begins = new Set<number | undefined>()
  for (let end = 250; end < all.length; end += 2) {
    const rows = fitting(all.slice(0, end))
    begins.add(rows[stableStart(rows, BUDGET)]?.number)
  }
  expect((all.length - 250) / 2 / begins.size).toBeGreaterThan(3)
})

test.each([
  [[100], 7],
  [[20, 300], 5],
  [[30, 500, 40, 150], 3.9],
])('with messages of %j tokens it stays where it is for %d turns on average', (sizes, least) => {
  const turns = 600
  const all = history(turns, sizes)
  const begins = new Set<number | undefined>()
  let cut = 0
  for (let turn = 1; turn <= turns; turn++) {
    const until = all.slice(0, 2 * turn - 1)
    const rows = fitting(until)
    if (rows.length === until.length) continue
    cut += 1
    begins.add(rows[stableStart(rows, BUDGET)]?.number)
  }
  expect(cut).toBeGreaterThan(turns / 2)
  expect(cut / begins.size).toBeGreaterThanOrEqual(least)
})
