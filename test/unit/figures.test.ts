/** Figures of the administration as people read them. */
import { expect, test } from 'vitest'
import { duration, exactTime } from '../../src/web/admin/figures.ts'

test('a duration has the unit in which it is a small number, and none where nothing was measured', () => {
  expect(duration(null)).toBe('–')
  expect([0, 12.4, 999].map(duration)).toEqual(['0 ms', '12 ms', '999 ms'])
  expect([999.6, 1_000, 59_900].map(duration)).toEqual(['1.0 s', '1.0 s', '59.9 s'])
  expect([59_960, 90_000].map(duration)).toEqual(['1.0 min', '1.5 min'])
})

test('a time is said to the second, with its day unless that is today', () => {
  const now = new Date('2026-11-22T21:00:00')
  const today = exactTime(new Date('2026-11-22T10:05:09').toISOString(), now)
  expect(today).toMatch(/10:05:09/)
  expect(today).not.toMatch(/22/)
  expect(exactTime(new Date('2026-11-21T10:05:09').toISOString(), now)).toMatch(/21.*10:05:09/)
})
