/**
 * The OpenAI adapter, with the real SDK over real HTTP, against a server that has every fault a provider can have: each
 * ends with the right code, the right advice, the text so far, and a socket that is closed.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../src/errors.ts'
import type { OpenAIModelOptions } from '../../src/models/openai.ts'
import { ask } from '../support/model-answer.ts'
import { ModelServerClient } from '../support/model-server-client.ts'
import { ModelServer } from '../support/model-server.ts'
import { expectedText } from '../support/model-text.ts'
import { makeOpenAIModel } from '../support/openai-model.ts'

/** For tests of time-outs, against a server that says nothing at all. */
const SHORT_MS = 40

let server: ModelServer
let client: ModelServerClient
beforeAll(async () => {
  server = await ModelServer.start()
  client = new ModelServerClient(server.url)
})
afterAll(() => server.close())

const makeModel = (options: Partial<OpenAIModelOptions> = {}) => makeOpenAIModel(client.baseUrl, options)

/** The error as clients are told it, and the text before it. */
async function failureOf(message: string, options: Partial<OpenAIModelOptions> = {}) {
  const { text, finish, error } = await ask(makeModel(options), message)
  expect(finish).toBeUndefined()
  expect(error).toBeInstanceOf(AppError)
  const { code, retryable, retryAfterMs, detail } = (error as AppError).toShape()
  return { text, code, retryable, retryAfterMs, detail }
}

describe('a provider that refuses', () => {
  it.each([
    [400, 'model_rejected', false],
    [401, 'model_auth', false],
    [402, 'model_quota', false],
    [403, 'model_auth', false],
    [404, 'model_rejected', false],
    [408, 'model_timeout', true],
    [409, 'model_error', true],
    [413, 'model_context_length', false],
    [422, 'model_rejected', false],
    [429, 'model_rate_limited', true],
    [500, 'model_error', true],
    [501, 'model_error', false],
    [502, 'model_error', true],
    [503, 'model_overloaded', true],
    [504, 'model_timeout', true],
    [529, 'model_overloaded', true],
  ])('with %i is %s, retryable: %s, and the status is named', async (status, code, retryable) => {
    const failure = await failureOf(`[[status=${status}]]`)

    expect(failure).toMatchObject({ text: '', code, retryable })
    expect(failure.detail).toContain(String(status))
  })

  it.each([
    ['retry-after=2', 2_000],
    ['retry-after-ms=1500', 1_500],
    ['retry-after=9 retry-after-ms=1500', 1_500],
    ['retry-after=0', 0],
    ['retry-after=1.5', 1_500],
    ['retry-after=99999999999', 24 * 60 * 60 * 1000],
    ['retry-after="Thu, 01 Jan 1970 00:00:00 GMT"', 0],
    ['retry-after=-5', undefined],
    ['retry-after=soon', undefined],
    ['', undefined],
  ])('with 429 and %s says when to come back: %s ms', async (header, retryAfterMs) => {
    expect((await failureOf(`[[status=429 ${header}]]`)).retryAfterMs).toBe(retryAfterMs)
  })

  it('with 429 and a date in Retry-After says how long that is', async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString()
    const { retryAfterMs } = await failureOf(`[[status=429 retry-after="${date}"]]`)

    expect(retryAfterMs).toBeGreaterThan(3_500_000)
    expect(retryAfterMs).toBeLessThanOrEqual(3_600_000)
  })

  it('because nobody paid is not asked again', async () => {
    const failure = await failureOf('[[status=429 code=insufficient_quota retry-after=2]]')

    expect(failure).toMatchObject({ code: 'model_quota', retryable: false, retryAfterMs: undefined })
  })

  it('because the conversation is too long says so', async () => {
    const { code, detail } = await failureOf('[[status=400 code=context_length_exceeded]]')

    expect(code).toBe('model_context_length')
    expect(detail).toContain('longer than the model accepts')
  })
})

describe('what users are told', () => {
  it.each([
    '[[status=400]]',
    '[[status=401]]',
    '[[status=429]]',
    '[[status=500]]',
    '[[error-in-stream]]',
    '[[half-json]]',
  ])('holds neither keys, nor addresses, nor the words of the provider: %s', async (message) => {
    const { detail } = await failureOf(message, { apiKey: 'sk-mine' })

    expect(detail).not.toMatch(/sk-|password|http:|internal|Provider says/)
  })
})

describe('a provider that breaks off', () => {
  const cases = [
    ['half a JSON line', '[[tokens=9 half-json after=3]]', 'model_error', true],
    ['a connection that is cut', '[[tokens=9 close after=3]]', 'model_unreachable', true],
    ['an early end', '[[tokens=9 end after=3]]', 'model_error', true],
    ['an error in the stream', '[[tokens=9 error-in-stream after=3]]', 'model_error', true],
    ['an error of code 429', '[[tokens=9 error-in-stream after=3 code=429]]', 'model_rate_limited', true],
    ['an error of code 504', '[[tokens=9 error-in-stream after=3 code=504]]', 'model_timeout', true],
    [
      'rate limits',
      '[[tokens=9 error-in-stream after=3 code=rate_limit_exceeded]]',
      'model_rate_limited',
      true,
    ],
    ['a bad key', '[[tokens=9 error-in-stream after=3 type=authentication_error]]', 'model_auth', false],
    ['overload', '[[tokens=9 error-in-stream after=3 type=overloaded_error]]', 'model_overloaded', true],
    ['a time-out', '[[tokens=9 error-in-stream after=3 code=timeout]]', 'model_timeout', true],
    [
      'refused content',
      '[[tokens=9 error-in-stream after=3 code=content_filter]]',
      'model_refused_content',
      false,
    ],
    [
      'a bad request',
      '[[tokens=9 error-in-stream after=3 type=invalid_request_error]]',
      'model_rejected',
      false,
    ],
  ] as const

  it.each(cases)('with %s: the text so far is kept', async (_, message, code, retryable) => {
    expect(await failureOf(message)).toMatchObject({ text: expectedText(message, 3), code, retryable })
  })

  it('before its first token leaves no text', async () => {
    expect(await failureOf('[[close]]')).toMatchObject({
      text: '',
      code: 'model_unreachable',
      retryable: true,
    })
    expect(await failureOf('[[end]]')).toMatchObject({ text: '', code: 'model_error', retryable: true })
  })

  it('with a web page is no model, and asking again will not help', async () => {
    const failure = await failureOf('[[html]]')

    expect(failure).toMatchObject({ text: '', code: 'model_error', retryable: false })
    expect(failure.detail).toContain('address')
  })

  it('by not being there is model_unreachable', async () => {
    const gone = await ModelServer.start()
    const baseUrl = `${gone.url}/v1`
    await gone.close()

    expect(await failureOf('hello', { baseUrl })).toMatchObject({
      code: 'model_unreachable',
      retryable: true,
    })
  })

  it('by never ending its line is stopped', async () => {
    const endless: typeof fetch = () => {
      const body = new ReadableStream({
        pull: (controller) => controller.enqueue(new TextEncoder().encode('data: '.padEnd(65_536, 'x'))),
      })
      return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }))
    }

    expect(await failureOf('hello', { fetch: endless })).toMatchObject({
      code: 'model_error',
      retryable: true,
    })
  })
})

describe('a provider that hangs', () => {
  it.each(['before-headers', 'after-headers'])(
    '%s is a model_timeout, and its request is cancelled',
    async (where) => {
      const message = `[[hang=${where}]] times out`
      const failure = await failureOf(message, { firstTokenTimeoutMs: SHORT_MS })

      expect(failure).toMatchObject({ text: '', code: 'model_timeout', retryable: true })
      expect(await client.wait({ match: message, state: 'aborted' })).toHaveLength(1)
    },
  )

  it('after a chunk without text has still not begun', async () => {
    const failure = await failureOf('[[hang=mid]] after its role', { firstTokenTimeoutMs: SHORT_MS })

    expect(failure).toMatchObject({ text: '', code: 'model_timeout' })
    expect(failure.detail).toContain('did not begin')
  })

  it('in mid-answer is a model_timeout, the text so far is kept, and its request is cancelled', async () => {
    const message = '[[tokens=9 hang=mid after=3]] times out'
    const failure = await failureOf(message, { gapTimeoutMs: SHORT_MS })

    expect(failure).toMatchObject({ text: expectedText(message, 3), code: 'model_timeout', retryable: true })
    expect(await client.wait({ match: message, state: 'aborted' })).toHaveLength(1)
  })

  it('may think for longer than a first token takes, as long as it says that it does', async () => {
    const message = '[[tokens=3 reasoning=2 hang=mid]] thinks'
    const failure = await failureOf(message, { gapTimeoutMs: SHORT_MS })

    expect(failure.detail).toContain('in the middle')
  })

  it.each([
    ['before its headers', '[[hang=before-headers]] is stopped', 'started'],
    ['before its first token', '[[hang=after-headers]] is stopped', 'started'],
  ] as const)('%s can be stopped at once, and its request is cancelled', async (_, message, state) => {
    const stop = new AbortController()
    const reason = new Error('stop')
    const answer = ask(makeModel(), message, { signal: stop.signal })
    await client.wait({ match: message, state })
    stop.abort(reason)

    expect(await answer).toMatchObject({ error: reason, events: [] })
    expect(await client.wait({ match: message, state: 'aborted' })).toHaveLength(1)
  })

  it('in mid-answer can be stopped at once, and its request is cancelled', async () => {
    const message = '[[tokens=9 hang=mid after=3]] is stopped'
    const stop = new AbortController()
    const reason = new Error('stop')
    const { text, error } = await ask(makeModel(), message, {
      signal: stop.signal,
      onEvent(_, text) {
        if (text === expectedText(message, 3)) queueMicrotask(() => stop.abort(reason))
      },
    })

    expect(text).toBe(expectedText(message, 3))
    expect(error).toBe(reason)
    expect(await client.wait({ match: message, state: 'aborted' })).toHaveLength(1)
  })

  it('can be stopped even where fetch does not listen to a signal, and its late answer is not left open', async () => {
    const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>()
    const { promise: headers, resolve: sendHeaders } = Promise.withResolvers<Response>()
    const { promise: asked, resolve: ask1 } = Promise.withResolvers<void>()
    const deaf: typeof fetch = () => {
      ask1()
      return headers
    }
    const stop = new AbortController()
    const answer = ask(makeModel({ fetch: deaf }), 'hello', { signal: stop.signal })
    await asked
    stop.abort(new Error('stop'))

    expect((await answer).error).toEqual(new Error('stop'))
    sendHeaders(new Response(new ReadableStream({ cancel: () => cancel() })))
    await cancelled
  })
})

describe('a consumer that leaves early', () => {
  it('cancels the request', async () => {
    const message = '[[tokens=9 hang=mid after=1]] left early'
    const request = {
      messages: [{ role: 'user' as const, content: message }],
      model: 'test-model',
      requestId: 'request-3',
    }
    for await (const _ of makeModel().stream(request, new AbortController().signal)) break

    expect(await client.wait({ match: message, state: 'aborted' })).toHaveLength(1)
  })
})

describe('check', () => {
  const check = (
    baseUrl: string,
    options: Partial<OpenAIModelOptions> = {},
    signal = new AbortController().signal,
  ) => makeModel({ baseUrl, ...options }).check(signal)

  it('is ok when the provider lists its models, and costs no call', async () => {
    const calls = await client.calls()

    expect(await check(client.baseUrl)).toEqual({ ok: true })
    expect(await client.calls()).toHaveLength(calls.length)
  })

  it('is ok where there is no list of models', async () => {
    expect(await check(`${server.url}/status/404/v1`)).toEqual({ ok: true })
  })

  it('is not ok when the key is refused', async () => {
    const health = await check(`${server.url}/status/401/v1`)

    expect(health).toEqual({ ok: false, detail: 'The model provider refused our credentials (HTTP 401).' })
  })

  it('is not ok when the provider fails', async () => {
    expect(await check(`${server.url}/status/503/v1`)).toMatchObject({ ok: false })
  })

  it('is not ok when the provider does not answer in time', async () => {
    expect(await check(`${server.url}/hang/v1`, { firstTokenTimeoutMs: SHORT_MS })).toMatchObject({
      ok: false,
    })
  })

  it('is not ok when its caller gives up', async () => {
    expect(await check(`${server.url}/hang/v1`, {}, AbortSignal.timeout(SHORT_MS))).toMatchObject({
      ok: false,
    })
  })
})
