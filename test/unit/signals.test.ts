/**
 * What is known of breakers and pauses from one observation to the next, and what an incident is told of it.
 */
import { expect, test } from 'vitest'
import { nextSignals, SILENCE, standing } from '../../src/incidents/signals.ts'

test('a new incident begins with the opening of a breaker, whatever state that is in by now', () => {
  const breakers = (['open', 'half_open'] as const).map((state, index) => ({
    provider: 'main',
    model: `m${index}`,
    state,
    since: index,
    heardAt: 9,
    heardSince: 8,
  }))
  expect(standing({ at: 9, ms: 1, breakers, paused: [{ what: 'all', since: 5 }] })).toMatchObject([
    { at: 0, kind: 'breaker_opened', text: 'main/m0' },
    { at: 1, kind: 'breaker_opened', text: 'main/m1' },
    { at: 5, kind: 'paused', text: 'all', provider: null },
  ])
})

test('a pause is told once, also when the next observation comes at the same time', () => {
  const observation = { at: 10, ms: 0, models: [], failures: [], breakers: [], queues: [] }
  const first = nextSignals(SILENCE, { ...observation, paused: ['all'] }, 9)
  const second = nextSignals(first.signals, { ...observation, at: 11, paused: ['all', 'provider:a'] }, 9)
  expect([first, second].map(({ changes }) => changes.map(({ text }) => text))).toEqual([
    ['all'],
    ['provider:a'],
  ])
})
