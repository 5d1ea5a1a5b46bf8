/**
 * The provider behind the `AI` binding: both forms of its stream, what its errors mean, and what it is asked.
 */
import { describe, expect, test } from 'vitest'
import { fingerprintOf, ModelFailure } from '../../src/models/failure.ts'
import { WorkersAiModel, type WorkersAiModelOptions } from '../../src/models/workers-ai.ts'
import { describeModelContract } from '../contracts/model-contract.ts'
import { FakeAi, upstreamError, type AiOptions } from '../support/ai-binding.ts'
import { ask } from '../support/model-answer.ts'

const LONG_MS = 600_000

function make(ai: FakeAi, options: Partial<WorkersAiModelOptions> = {}): WorkersAiModel {
  const patience = { firstTokenTimeoutMs: LONG_MS, gapTimeoutMs: LONG_MS }
  return new WorkersAiModel({ ai, model: '@cf/a', ...patience, ...options })
}

for (const [form, options] of [
  ['its own form', {}],
  ['OpenAI’s form', { modern: true }],
] as const) {
  describeModelContract(`the Workers AI adapter, with streams of ${form},`, () =>
    Promise.resolve({
      model: make(new FakeAi(options)),
      longMessage: '[[tokens=1000 delay=5]]',
      close: () => Promise.resolve(),
    }),
  )
}

describe('an answer', () => {
  test.each([
    ['in its own form', {}],
    ['in OpenAI’s form', { modern: true }],
    ['all at once', { whole: true }],
  ])('is what the model said: %s', async (_, options: AiOptions) => {
    const { text, finish } = await ask(make(new FakeAi(options)), '[[text="In 1, 22 and 😀." size=1]]')
    expect(text).toBe('In 1, 22 and 😀.')
    expect(finish).toMatchObject({ reason: 'stop', usage: { inputTokens: 7 } })
  })

  test('that is as long as it may be was cut', async () => {
    const { finish } = await ask(make(new FakeAi()), '[[tokens=2048]]')
    expect(finish?.reason).toBe('length')
  })

  test('goes on after its beginning', async () => {
    const ai = new FakeAi()
    const request = {
      messages: [{ role: 'user' as const, content: '[[text="one two three" resume=exact]]' }],
      model: '',
      requestId: 'r',
      prefix: 'one two',
    }
    let text = ''
    for await (const event of make(ai, { continuation: 'continue' }).stream(
      request,
      new AbortController().signal,
    )) {
      if (event.type === 'text') text += event.text
    }
    expect(text).toBe(' three')
    expect(ai.runs[0]).toMatchObject({
      model: '@cf/a',
      inputs: { stream: true, max_tokens: 2_048, continue_final_message: true, add_generation_prompt: false },
    })
  })
})

describe('an error of the binding', () => {
  test.each([
    [
      '3040: Capacity temporarily exceeded, please try again.',
      'overloaded',
      'workers-ai:overloaded:429:3040',
    ],
    [
      '3036: You have used up your daily free allocation of 10,000 neurons.',
      'quota',
      'workers-ai:quota:429:3036',
    ],
    ['5007: No such model @cf/nobody/nothing or task', 'bad_request', 'workers-ai:bad_request:400:5007'],
    ['InferenceUpstreamError: 3007: Request timeout', 'timeout', 'workers-ai:timeout:408:3007'],
    ['AiError: 5016: User has not agreed to model terms', 'auth', 'workers-ai:auth:403:5016'],
    [
      '5021: The estimated number of input and maximum output tokens (25000) exceeded this model context window limit (24000).',
      'context_length',
      'workers-ai:context_length:-:5021',
    ],
    ['8001: something new', 'server', 'workers-ai:server:-:8001'],
    ['error code: 1031', 'server', 'workers-ai:server:-:-'],
  ])('is taken for what it says: %s', async (message, failure, print) => {
    const { error } = await ask(make(new FakeAi({ error: upstreamError(message) })), 'hello')
    expect(error).toBeInstanceOf(ModelFailure)
    expect((error as ModelFailure).failure).toBe(failure)
    expect(fingerprintOf('workers-ai', error as ModelFailure)).toBe(print)
    expect((error as ModelFailure).message).not.toMatch(/nobody|neurons|25000|something new/)
  })

  test('that is none of the service is one of the network', async () => {
    const { error } = await ask(make(new FakeAi({ error: new Error('Network connection lost.') })), 'hello')
    expect((error as ModelFailure).failure).toBe('network')
  })
})

test('a binding that says nothing is not waited for for ever, and learns it', async () => {
  const ai = new FakeAi()
  const { error } = await ask(make(ai, { firstTokenTimeoutMs: 40 }), '[[tokens=3 delay=600000]]')
  expect((error as ModelFailure).failure).toBe('timeout')
  expect(ai.runs[0]?.signal.aborted).toBe(true)
})
