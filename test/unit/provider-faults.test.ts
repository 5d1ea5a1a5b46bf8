/**
 * The stranger faults of a provider, with the real SDK over real HTTP: what each is taken for (class, fingerprint, whether
 * it may be repeated), and that none of them hangs, leaks or is believed.
 */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fingerprintOf, ModelFailure } from '../../src/models/failure.ts'
import type { OpenAIModelOptions } from '../../src/models/openai.ts'
import { ask } from '../support/model-answer.ts'
import { ModelServerClient } from '../support/model-server-client.ts'
import { ModelServer } from '../support/model-server.ts'
import { expectedText } from '../support/model-text.ts'
import { makeOpenAIModel } from '../support/openai-model.ts'

const SHORT_MS = 40

let server: ModelServer
let client: ModelServerClient
beforeAll(async () => {
  server = await ModelServer.start()
  client = new ModelServerClient(server.url)
})
afterAll(() => server.close())

async function failureOf(message: string, options: Partial<OpenAIModelOptions> = {}) {
  const { text, finish, error } = await ask(makeOpenAIModel(client.baseUrl, options), message)
  expect(finish).toBeUndefined()
  expect(error).toBeInstanceOf(ModelFailure)
  const failure = error as ModelFailure
  return { text, failure, kind: failure.failure, print: fingerprintOf('openai', failure) }
}

describe('what a provider says with a status is told apart', () => {
  it.each([
    ['status=401', 'auth', 'openai:auth:401:invalid_request_error'],
    ['status=402', 'quota', 'openai:quota:402:invalid_request_error'],
    ['status=403 code=insufficient_quota', 'quota', 'openai:quota:403:insufficient_quota'],
    ['status=404 code=model_not_found', 'bad_request', 'openai:bad_request:404:model_not_found'],
    ['status=409', 'server', 'openai:server:409:invalid_request_error'],
    ['status=413', 'context_length', 'openai:context_length:413:invalid_request_error'],
    ['status=422', 'bad_request', 'openai:bad_request:422:invalid_request_error'],
    ['status=429 type=requests', 'rate_limit', 'openai:rate_limit:429:requests'],
    ['status=429 code=insufficient_quota', 'quota', 'openai:quota:429:insufficient_quota'],
    ['status=400 code=content_filter', 'content_filter', 'openai:content_filter:400:content_filter'],
    ['status=503 html', 'overloaded', 'openai:overloaded:503:-'],
    ['status=529', 'overloaded', 'openai:overloaded:529:server_error'],
    ['status=500', 'server', 'openai:server:500:server_error'],
    ['status=500 code=req-8f3aa1c2', 'server', 'openai:server:500:-'],
    ['error-in-stream code=502', 'server', 'openai:server:502:502'],
    ['error-in-stream type=overloaded_error', 'overloaded', 'openai:overloaded:-:overloaded_error'],
  ])('%s is %s, %s', async (directives, kind, print) => {
    expect(await failureOf(`[[${directives}]]`)).toMatchObject({ text: '', kind, print })
  })

  it.each([
    [400, "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens"],
    [400, 'the request exceeds the available context size, try increasing it'],
    [400, 'Requested tokens (757) exceed context window of 512'],
    [422, 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9000'],
    [400, 'prompt is too long: 200001 tokens > 199999 maximum'],
    [400, 'The input token count (40000) exceeds the maximum number of tokens allowed (32768).'],
    [500, 'the request exceeds the available context size (512 tokens)'],
  ])('%i and "%s" is a conversation that is too long', async (status, message) => {
    const { kind, failure } = await failureOf(`[[status=${status} message=${JSON.stringify(message)}]]`)
    expect(kind).toBe('context_length')
    expect(failure).toMatchObject({ code: 'model_context_length', repeatable: false })
  })

  it.each([
    ['status=500', true],
    ['status=500 x-should-retry=false', false],
    ['status=400', false],
    ['status=400 x-should-retry=true', true],
    ['status=429 x-should-retry=maybe', true],
    ['status=501', false],
    ['status=401', false],
  ])('%s may be repeated: %s', async (directives, repeatable) => {
    expect((await failureOf(`[[${directives}]]`)).failure.repeatable).toBe(repeatable)
  })
})

describe('a provider that is not to be reached', () => {
  it('because its name is none is a network failure', async () => {
    expect(await failureOf('hello', { baseUrl: 'http://nowhere.invalid/v1' })).toMatchObject({
      kind: 'network',
      failure: { code: 'model_unreachable', repeatable: true },
    })
  })

  it('because it speaks no TLS is a network failure', async () => {
    const baseUrl = `${server.url.replace('http:', 'https:')}/v1`
    expect((await failureOf('hello', { baseUrl })).kind).toBe('network')
  })

  it('because it hangs up on everybody is a network failure', async () => {
    const rude = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await once(rude, 'listening')
    const { port } = rude.address() as AddressInfo
    expect((await failureOf('hello', { baseUrl: `http://127.0.0.1:${port}/v1` })).kind).toBe('network')
    rude.close()
  })
})

describe('a provider whose answer is', () => {
  it('one event of 50 MB is stopped while it comes, and its request is cancelled', async () => {
    const message = '[[huge=50]] far too much'
    const { kind, print, text } = await failureOf(message)
    expect({ kind, print, text }).toEqual({ kind: 'server', print: 'openai:server:-:overflow', text: '' })
    expect(await client.wait({ match: message, state: 'aborted' })).toHaveLength(1)
  }, 30_000)

  it('a refusal of 50 MB is read as far as it may say why, and its request is cancelled', async () => {
    const message = '[[status=502 html huge=50]] a page of errors'
    expect(await failureOf(message)).toMatchObject({ kind: 'server', print: 'openai:server:502:-' })
    const [call] = await client.wait({ match: message })
    expect(call).toBeDefined()
  }, 30_000)

  it('no UTF-8 is shown with replacement characters, and the rest is right', async () => {
    const { text, error } = await ask(
      makeOpenAIModel(client.baseUrl),
      '[[text="abcdefgh" after=1 bad-bytes]]',
    )
    expect(error).toBeUndefined()
    expect(text).toBe('abcd\uFFFD\uFFFD(efgh')
  })

  it('a tool call that is cut in half has failed, with the text so far', async () => {
    const message = '[[tokens=9 tool-call after=3]]'
    expect(await failureOf(message)).toMatchObject({ text: expectedText(message, 3), kind: 'server' })
  })

  it.each(['no-space', 'no-space crlf comments', 'same-id', 'content-type=application/octet-stream'])(
    'odd is understood all the same: %s',
    async (directives) => {
      const message = `[[tokens=5 ${directives}]]`
      const model = makeOpenAIModel(client.baseUrl)
      for (const { text, error } of [await ask(model, message), await ask(model, message)]) {
        expect(error).toBeUndefined()
        expect(text).toBe(expectedText(message))
      }
    },
  )

  it('of another type is no answer, and is not asked for again', async () => {
    expect(await failureOf('[[tokens=5 content-type=image/png]]')).toMatchObject({
      print: 'openai:server:200:no_completion',
      failure: { repeatable: false, retryable: false },
    })
  })

  it('a byte now and then has not begun, however long it drips', async () => {
    const message = '[[drip=2 text="never ready"]] drips'
    const { kind, text } = await failureOf(message, { firstTokenTimeoutMs: SHORT_MS })
    expect({ kind, text }).toEqual({ kind: 'timeout', text: '' })
    expect(await client.wait({ match: message, state: 'aborted' })).toHaveLength(1)
  })

  it('without end is ended, with the text so far', async () => {
    const message = '[[text="It goes " endless]] for ever'
    const { text, print } = await failureOf(message, { totalTimeoutMs: 150 })
    expect(text.startsWith('It goes on and on and ')).toBe(true)
    expect(print).toBe('openai:timeout:-:total')
    expect(await client.wait({ match: message, state: 'aborted' })).toHaveLength(1)
  })

  it('without end, and so fast that nobody waits for it, is ended as well', async () => {
    const piece = new TextEncoder().encode('data: {"choices":[{"delta":{"content":"on "}}]}\n\n')
    const flood: typeof fetch = () => {
      const body = new ReadableStream({ pull: (controller) => controller.enqueue(piece) })
      return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }))
    }
    expect((await failureOf('hello', { fetch: flood, totalTimeoutMs: 100 })).print).toContain(':total')
  })

  it('nothing but reasoning for ever is ended', async () => {
    const { print } = await failureOf('[[reasoning=1 hang=mid]]', { totalTimeoutMs: 100 })
    expect(print).toContain(':total')
  })
})

describe('going on with an answer', () => {
  const text = 'The answer is long, and it broke off in the middle of a word.'
  const prefix = text.slice(0, 33)
  const begun = { role: 'assistant', content: prefix.trimEnd() }

  async function goOn(message: string, continuation: OpenAIModelOptions['continuation'], begin = prefix) {
    const model = makeOpenAIModel(client.baseUrl, { continuation })
    const request = {
      messages: [{ role: 'user' as const, content: message }],
      model: 'm',
      requestId: 'r',
      prefix: begin,
    }
    let said = begin
    for await (const event of model.stream(request, new AbortController().signal)) {
      if (event.type === 'text') said += event.text
    }
    const [call] = await client.wait({ match: message, state: 'finished' })
    return { said, call }
  }

  it.each([
    ['prefill', { messages: [{ role: 'user' }, begun], continuesFinal: false }],
    ['prefix', { messages: [{ role: 'user' }, { ...begun, prefix: true }], continuesFinal: false }],
    ['continue', { messages: [{ role: 'user' }, begun], continuesFinal: true }],
  ] as const)('is asked for as the provider wants it: %s', async (mode, expected) => {
    const { said, call } = await goOn(`[[text=${JSON.stringify(text)} resume=exact]] ${mode}`, mode)
    expect(call).toMatchObject(expected)
    expect(said).toBe(text)
  })

  it.each(['exact', 'tail', 'restate'])(
    'has no word twice and none missing, at any place: %s',
    async (resume) => {
      for (let at = 12; at < text.length; at += 7) {
        const message = `[[text=${JSON.stringify(text)} resume=${resume} size=3]] ${resume} ${at}`
        expect((await goOn(message, 'prefill', text.slice(0, at))).said).toBe(text)
      }
    },
  )

  it('is not for a provider that was not said to be able to', () => {
    expect(makeOpenAIModel(client.baseUrl).continues).toBe(false)
    expect(makeOpenAIModel(client.baseUrl, { continuation: 'prefix' }).continues).toBe(true)
  })
})
