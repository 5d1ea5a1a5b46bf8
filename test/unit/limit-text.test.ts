/**
 * What the page says of a limit that was reached: which one it is, in people's words, and from when there is room again.
 */
import { expect, test } from 'vitest'
import { errorText } from '../../src/web/error-text.ts'
import { amount, fromWhen, limitText } from '../../src/web/limit-text.ts'

const NOW = Date.parse('2026-11-22T21:00:00Z')
const at = (ms: number) => new Date(NOW + ms).toISOString()
const limit = (name: string, unit: string, most: number, resetAt: string | null) => ({
  name,
  unit,
  limit: most,
  remaining: 0,
  resetAt,
})

test('a quota is named, with its number and its unit', () => {
  expect(limitText(limit('messages_per_day', 'messages', 50, null), '')).toBe(
    'You have used your 50 messages for today.',
  )
  expect(limitText(limit('cost_per_month', 'usd', 5, null), '')).toMatch(/5\.00 for this month\.$/)
})

test('L4: a limit of a name that the page does not know keeps the words of the server', () => {
  const error = {
    code: 'rate_limited',
    detail: 'Too many requests of the kind "write".',
    limit: limit('write', 'requests', 10, null),
  }
  expect(errorText(error)).toBe('Too many requests of the kind "write".')
})

test('a moment is said in seconds while it is near, and by the clock after that', () => {
  expect(fromWhen(at(-5_000), NOW)).toBe('in a second')
  expect(fromWhen(at(1_000), NOW)).toBe('in a second')
  expect(fromWhen(at(11_200), NOW)).toBe('in 12 seconds')
  expect(fromWhen(at(90 * 86_400_000), NOW)).toMatch(/^on /)
})

test('amounts carry what they are', () => {
  expect(amount(12_345, 'tokens')).toMatch(/^12.345$/)
  expect(amount(53_687_091, 'bytes')).toMatch(/53.7.MB/)
  expect(amount(0, 'bytes')).toMatch(/^0/)
})
