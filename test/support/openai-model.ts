/**
 * An OpenAI adapter for tests: it waits for ever unless a test says otherwise, so that no slow machine fails one.
 */
import { OpenAIModel } from '../../src/models/openai.ts'
import type { OpenAIModelOptions } from '../../src/models/openai.ts'

/** Longer than any test's own time-out. */
const LONG_MS = 600_000

export function makeOpenAIModel(baseUrl: string, options: Partial<OpenAIModelOptions> = {}): OpenAIModel {
  return new OpenAIModel({
    baseUrl,
    model: 'test-model',
    firstTokenTimeoutMs: LONG_MS,
    gapTimeoutMs: LONG_MS,
    ...options,
  })
}
