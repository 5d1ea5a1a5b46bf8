/** How an answer that is not the one that was meant to be is told to people. */
import { expect, test } from 'vitest'
import { FAILURE_CLASSES } from '../../src/models/failure.ts'
import { degradedText } from '../../src/web/degraded-text.ts'

test('says who answered, and what is wrong with whoever should have', () => {
  expect(degradedText({ provider: 'backup', reason: 'overloaded', instead: 'main' })).toBe(
    'Answered by backup, because main is overloaded',
  )
  expect(degradedText({ provider: 'backup', reason: 'paused', instead: 'main' })).toBe(
    'Answered by backup, because main is paused',
  )
})

test('says that an answer is an earlier one, and why, which comes as the code of an error', () => {
  expect(degradedText({ provider: 'cache', reason: 'model_unavailable' })).toBe(
    'An earlier answer, because the model cannot be asked right now',
  )
  expect(degradedText({ provider: 'cache', reason: 'model_rate_limited' })).toBe(
    'An earlier answer, because the model limits our requests',
  )
})

test('shows no word of the protocol, whatever the reason is', () => {
  for (const reason of [
    ...FAILURE_CLASSES,
    'breaker_open',
    'cannot_continue',
    'model_error',
    'of a newer server',
  ]) {
    const text = degradedText({ provider: 'b', reason })
    expect(text).toMatch(/^Answered by b, because the usual model [a-z ]+$/)
    if (reason.includes('_')) expect(text).not.toContain(reason)
  }
})
