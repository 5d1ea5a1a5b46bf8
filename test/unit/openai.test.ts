/**
 * The OpenAI adapter, with the real SDK over real HTTP: what it sends, and what it makes of a good answer.
 * Its faults are in openai-faults.test.ts.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../src/errors.ts'
import type { OpenAIModelOptions } from '../../src/models/openai.ts'
import { describeModelContract } from '../contracts/model-contract.ts'
import { ask } from '../support/model-answer.ts'
import { ModelServerClient } from '../support/model-server-client.ts'
import { ModelServer } from '../support/model-server.ts'
import { expectedText } from '../support/model-text.ts'
import { makeOpenAIModel } from '../support/openai-model.ts'

/** For time-outs that are to happen, against a server that says nothing more. */
const SHORT_MS = 40

let server: ModelServer
let client: ModelServerClient
beforeAll(async () => {
  server = await ModelServer.start()
  client = new ModelServerClient(server.url)
})
afterAll(() => server.close())

const makeModel = (options: Partial<OpenAIModelOptions> = {}) => makeOpenAIModel(client.baseUrl, options)

describeModelContract('the OpenAI adapter', async () => {
  const own = await ModelServer.start()
  return {
    model: makeOpenAIModel(`${own.url}/v1`),
    longMessage: '[[tokens=1000 delay=5]]',
    close: () => own.close(),
  }
})

describe('a request', () => {
  it('carries the model, the messages in order, the key and the request id', async () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'what is sent' },
    ] as const
    await ask(makeModel({ apiKey: 'sk-mine' }), messages, { model: 'other-model' })
    const [call] = await client.wait({ match: 'what is sent' })

    expect(call).toMatchObject({
      messages,
      model: 'other-model',
      stream: true,
      authorization: 'Bearer sk-mine',
      requestId: 'request-1',
    })
  })

  it('names the default model when it names none', async () => {
    const { finish } = await ask(makeModel({ model: 'default-model' }), 'hello', { model: '' })

    expect(finish?.model).toBe('default-model')
  })

  it('is made once: the adapter does not try again', async () => {
    const { error } = await ask(makeModel(), '[[status=500]] only once')

    expect(error).toBeInstanceOf(AppError)
    expect(await client.wait({ match: 'only once', state: 'finished' })).toHaveLength(1)
  })

  it('is not made for the result of a tool, which the port cannot name', async () => {
    const { error } = await ask(makeModel(), [{ role: 'tool', content: '42' }])

    expect((error as AppError).code).toBe('model_rejected')
  })
})

describe('an answer', () => {
  it('is what the model said, with its reason, model and usage', async () => {
    const message = '[[text="Ünï😀 \\n```js\\n1\\n```" finish=length]]'
    const { text, finish } = await ask(makeModel(), message)

    expect(text).toBe('Ünï😀 \n```js\n1\n```')
    expect(finish).toMatchObject({ type: 'finish', reason: 'length', model: 'test-model' })
    expect(finish?.usage?.outputTokens).toBeGreaterThan(0)
  })

  it('is merged per network read, so that fast models cost events and not tokens', async () => {
    const message = '[[tokens=20000]]'
    const { events, text } = await ask(makeModel(), message)

    expect(text).toBe(expectedText(message))
    expect(events.length).toBeLessThan(20_000 / 4)
  })

  it('begins with the first token, while the others are still to come', async () => {
    const message = '[[tokens=3 gate=first-token after=1]]'
    const { text } = await ask(makeModel(), message, {
      onEvent: (_, text) => (text === expectedText(message, 1) ? client.openGate('first-token') : undefined),
    })

    expect(text).toBe(expectedText(message))
  })

  it('may be empty', async () => {
    const { events } = await ask(makeModel(), '[[tokens=0]]')

    expect(events).toEqual([expect.objectContaining({ type: 'finish', reason: 'stop' })])
  })

  it('may come without usage', async () => {
    const { finish } = await ask(makeModel(), '[[no-usage]]')

    expect(finish).toMatchObject({ reason: 'stop', usage: undefined })
  })

  it('is complete without [DONE], when a finish reason came', async () => {
    const { finish, error } = await ask(makeModel(), '[[no-done]]')

    expect(error).toBeUndefined()
    expect(finish?.usage).toBeDefined()
  })

  it('is complete with [DONE], and the end of the body is awaited meanwhile, to use the connection again', async () => {
    const { finish } = await ask(makeModel(), '[[end-gate=body]]')
    const [held] = await client.wait({ match: 'end-gate=body' })
    await client.openGate('body')
    const [ended] = await client.wait({ match: 'end-gate=body', state: 'finished' })

    expect(finish).toBeDefined()
    expect(held).toMatchObject({ finished: false, aborted: false })
    expect(ended).toMatchObject({ finished: true, aborted: false })
  })

  it('is complete without a finish reason, when [DONE] came', async () => {
    const { finish } = await ask(makeModel(), '[[no-finish]]')

    expect(finish?.reason).toBe('unknown')
  })

  it('is complete when the server falls silent after the finish reason', async () => {
    const { finish, error } = await ask(makeModel({ gapTimeoutMs: SHORT_MS }), '[[hang=trailer]]')

    expect(error).toBeUndefined()
    expect(finish).toMatchObject({ reason: 'stop', usage: undefined })
  })

  it('has an unknown reason where the provider invents one', async () => {
    const { finish } = await ask(makeModel(), '[[finish=eos]]')

    expect(finish?.reason).toBe('unknown')
  })

  it('keeps halves of a surrogate pair that come in two deltas', async () => {
    const message = '[[text="a😀b" size=2 halves]]'
    const { text } = await ask(makeModel(), message)

    expect(text).toBe('a😀b')
  })

  it('is read between comments, and from lines that end with CR LF', async () => {
    const message = '[[tokens=5 comments crlf]]'

    expect((await ask(makeModel(), message)).text).toBe(expectedText(message))
  })

  it('is read from one JSON object, where a server does not stream', async () => {
    const { text, finish } = await ask(makeModel(), '[[json text="all at once"]]')

    expect(text).toBe('all at once')
    expect(finish?.usage).toBeDefined()
  })
})

describe('an answer whose bytes come in pieces', () => {
  const message = '[[text="é€😀 and some more" size=3]]'

  it('is the same when the server writes each byte alone', async () => {
    const bytewise = '[[text="é€😀 and some more" size=3 split=every-byte]]'
    const { text, finish } = await ask(makeModel(), bytewise)

    expect(text).toBe('é€😀 and some more')
    expect(finish?.usage).toBeDefined()
  })

  it('is the same when the network cuts it at any byte position', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), async (sizes) => {
        const { text, finish } = await ask(makeModel({ fetch: rechunked(sizes) }), message)
        expect(text).toBe('é€😀 and some more')
        expect(finish?.reason).toBe('stop')
      }),
      { numRuns: 60 },
    )
  })
})

/** The real `fetch`, whose bodies come in pieces of these sizes, over and over. */
function rechunked(sizes: readonly number[]): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init)
    let turn = 0
    const cutter = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        for (let start = 0; start < chunk.length;) {
          const size = sizes[turn++ % sizes.length] ?? 1
          controller.enqueue(chunk.slice(start, start + size))
          start += size
        }
      },
    })
    return new Response(response.body?.pipeThrough(cutter), response)
  }
}
