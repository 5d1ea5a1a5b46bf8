/**
 * The secrets of an installation stay out of its log, also those that look like nothing, from the first line on.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { askWith } from './http-checks.ts'

afterEach(() => void vi.restoreAllMocks())

test.each([
  ['of a request', {}],
  ['of one that fails because a variable is wrong', { MAX_QUEUED_TURNS: 'many' }],
])('a line %s does not hold the key of the model', async (_, variables) => {
  const lines: string[] = []
  for (const level of ['info', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation((line: string) => void lines.push(line))
  }
  await askWith({ OPENAI_API_KEY: 'AIza-hunter2-hunter2', ...variables }, '/api/at/AIza-hunter2-hunter2')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('/api/at/[redacted]')
  expect(lines[0]).not.toContain('hunter2')
})
