/** What the page says of errors: what happened and what to do, in words of people. */
import { expect, test } from 'vitest'
import { ERRORS } from '../../src/errors.ts'
import { errorText } from '../../src/web/error-text.ts'

const NEW_WORDS = [
  'last_admin',
  'model_unavailable',
  'model_unreachable',
  'model_overloaded',
  'model_quota',
  'model_context_length',
  'model_refused_content',
  'queue_timeout',
] as const

test('whoever reads it knows what to do next', () => {
  for (const code of NEW_WORDS) {
    const text = errorText({ code, detail: 'model_x of the provider: 503' })
    expect(text).toMatch(/[Tt]ry again|Begin a new one|another way|Make somebody else|Tell whoever runs this/)
    expect(text).not.toContain('503')
    // Trying again is advised only where it may help.
    if (/try again( in a minute)?\.$/i.test(text)) expect(ERRORS[code].retryable).toBe(true)
  }
})

test('of a pause it says why, as whoever paused wrote it, with one full stop', () => {
  const after = 'Try again when that is over.'
  expect(errorText({ code: 'paused', detail: 'Answers are paused: new keys' })).toBe(
    `Answers are paused: new keys. ${after}`,
  )
  expect(errorText({ code: 'paused', detail: 'An operator has paused answers.' })).toBe(
    `An operator has paused answers. ${after}`,
  )
})

test('a code that it does not know keeps the words of the server', () => {
  expect(errorText({ code: 'new_code', detail: 'Something new.' })).toBe('Something new.')
  expect(errorText({ code: 'new_code' })).toBe('Something went wrong.')
})
