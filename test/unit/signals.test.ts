/**
 * What an incident is told of the time before it.
 */
import { expect, test } from 'vitest'
import { standing } from '../../src/incidents/signals.ts'

test('a new incident begins with the opening of a breaker, whatever state that is in by now', () => {
  const breakers = (['open', 'half_open'] as const).map((state, index) => ({
    provider: 'main',
    model: `m${index}`,
    state,
    since: index,
  }))
  expect(standing({ at: 9, ms: 1, breakers, paused: [{ what: 'all', since: 5 }] })).toMatchObject([
    { at: 0, kind: 'breaker_opened', text: 'main/m0' },
    { at: 1, kind: 'breaker_opened', text: 'main/m1' },
    { at: 5, kind: 'paused', text: 'all', provider: null },
  ])
})
