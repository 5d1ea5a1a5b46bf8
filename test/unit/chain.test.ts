/**
 * The chain over real servers that misbehave: repeats and fallbacks before the first text, never after it, within the
 * budget; and each call told of once. The gate, continuing and hedging have files of their own.
 */
import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RetryBudget } from '../../src/models/retry-budget.ts'
import { waitFor } from '../../src/models/wait.ts'
import { describeModelContract } from '../contracts/model-contract.ts'
import { ask } from '../support/model-answer.ts'
import { ChainWorld } from '../support/model-chain.ts'
import { expectedText } from '../support/model-text.ts'

let world: ChainWorld
beforeAll(async () => {
  world = await ChainWorld.start()
})
afterAll(() => world.end())

let count = 0
/** A message that no other test sends. */
const say = (directives: string): string => `message ${++count} ${directives}`

describeModelContract('the chain', async () => {
  const own = await ChainWorld.start()
  return { model: own.chain().chain, longMessage: '[[tokens=1000 delay=5]]', close: () => own.end() }
})

describe('a call that fails before its first text', () => {
  test('is made again after a pause, and the answer is as it was meant to be', async () => {
    const { chain, story, pauses, reports } = world.chain()
    const { text, finish } = await ask(chain, say('[[status=500 times=1 text=well]]'))
    expect(text).toBe('well')
    expect(finish).toMatchObject({ provider: 'a', model: 'a-model' })
    expect(finish).not.toHaveProperty('degraded')
    expect(story()).toEqual(['a first server', 'a retry ok'])
    expect(pauses).toEqual([125])
    expect(reports[0]).toMatchObject({
      fingerprint: 'a:server:500:server_error',
      detail: 'The model provider failed (HTTP 500).',
      inputTokens: 0,
      outputTokens: 0,
    })
    expect(reports[1]).toMatchObject({ fingerprint: null, firstTokenMs: expect.any(Number) as number })
  })

  test.each([
    ['retry-after=2', [2_000]],
    ['retry-after-ms=1700', [1_700]],
    ['retry-after=0', [125]],
    ['retry-after="Thu, 01 Jan 1970 00:00:00 GMT"', [125]],
    ['', [125]],
  ])('waits as long as the provider asks: %s', async (header, expected) => {
    const { chain, pauses } = world.chain()
    const { text } = await ask(chain, say(`[[status=429 ${header} times=1 text=well]]`))
    expect(text).toBe('well')
    expect(pauses).toEqual(expected)
  })

  test('is not waited for longer than five seconds: another is asked', async () => {
    const { chain, story } = world.chain()
    const { finish } = await ask(chain, say('[[for=a-model status=429 retry-after=6]]'))
    expect(finish?.degraded).toEqual({ provider: 'b', reason: 'rate_limit', instead: 'a' })
    expect(story()).toEqual(['a first rate_limit', 'b fallback ok'])
  })

  test('with nobody else to ask says when to come back', async () => {
    const { chain } = world.chain({ providers: ['a'] })
    const { error } = await ask(chain, say('[[status=429 retry-after=6]]'))
    expect(error).toMatchObject({ code: 'model_rate_limited', retryAfterMs: 6_000, retryable: true })
  })

  test.each(['status=401', 'status=400', 'status=500 x-should-retry=false', 'html'])(
    'is not made again where that is no use: %s',
    async (fault) => {
      const message = say(`[[${fault}]]`)
      const { chain } = world.chain({ providers: ['a'], deps: { retries: 5 } })
      await ask(chain, message)
      expect(world.calls(message)).toEqual({ a: 1 })
    },
  )

  test('is made again as often as configured, with pauses that grow', async () => {
    const message = say('[[status=503]]')
    const { chain, pauses } = world.chain({ providers: ['a'], deps: { retries: 3 } })
    expect((await ask(chain, message)).error).toMatchObject({ code: 'model_overloaded' })
    expect(world.calls(message)).toEqual({ a: 4 })
    expect(pauses).toEqual([125, 250, 500])
  })

  test('after a long silence goes to somebody else at once', async () => {
    const { chain, story } = world.chain({ adapter: { firstTokenTimeoutMs: 500 } })
    const { finish } = await ask(chain, say('[[for=a-model hang=before-headers]]'))
    expect(finish?.degraded).toEqual({ provider: 'b', reason: 'timeout', instead: 'a' })
    expect(story()).toEqual(['a first timeout', 'b fallback ok'])
  })

  test.each(['status=401', 'status=404 code=model_not_found', 'status=402', 'html', 'empty', 'end', 'close'])(
    'leads to the next provider, whose answer says so: %s',
    async (fault) => {
      const message = say(`[[text="from somebody else"]] [[for=a-model ${fault}]]`)
      const { chain } = world.chain()
      const { text, finish } = await ask(chain, message)
      expect(text).toBe('from somebody else')
      expect(finish).toMatchObject({
        provider: 'b',
        model: 'b-model',
        degraded: { provider: 'b', instead: 'a' },
      })
    },
  )

  test('because of its content is not shown to anybody else', async () => {
    const message = say('[[status=400 code=content_filter]]')
    const { chain } = world.chain()
    expect((await ask(chain, message)).error).toMatchObject({ code: 'model_refused_content' })
    expect(world.calls(message)).toEqual({ a: 1 })
  })

  test('everywhere is the failure that may pass, and each call was told of once', async () => {
    const message = say('[[for=a-model status=401]] [[for=b-model status=503]] [[for=c-model status=400]]')
    const { chain, story } = world.chain()
    expect((await ask(chain, message)).error).toMatchObject({ code: 'model_overloaded' })
    expect(story()).toEqual([
      'a first auth',
      'b fallback overloaded',
      'b retry overloaded',
      'c fallback bad_request',
    ])
    expect(world.calls(message)).toEqual({ a: 1, b: 2, c: 1 })
  })
})

describe('a call that fails after its first text', () => {
  test.each(['error-in-stream', 'close', 'end', 'half-json', 'tool-call'])(
    'is not made again, and nobody else is asked: %s',
    async (fault) => {
      const message = say(`[[tokens=9 ${fault} after=3]]`)
      const { chain, reports } = world.chain()
      const { text, error } = await ask(chain, message)
      expect(text).toBe(expectedText(message, 3))
      expect(error).toMatchObject({ retryable: true })
      expect(world.calls(message)).toEqual({ a: 1 })
      expect(reports).toHaveLength(1)
      expect(reports[0]?.outputTokens).toBeGreaterThan(0)
    },
  )
})

describe('repeats are bounded for all conversations together', () => {
  test('an outage is met with a fifth more calls, and no more', async () => {
    const budget = new RetryBudget(() => 0)
    const message = say('[[status=500]]')
    const { chain } = world.chain({ providers: ['a'], deps: { budget, retries: 3 } })
    await Promise.all(Array.from({ length: 40 }, () => ask(chain, message)))
    expect(world.calls(message)['a']).toBeLessThanOrEqual(48)
    expect(world.calls(message)['a']).toBeGreaterThan(40)
  })

  test('a fallback is made even when nothing is left', async () => {
    const budget = new RetryBudget(() => 0)
    while (budget.take());
    const { chain, story } = world.chain({ deps: { budget } })
    await ask(chain, say('[[for=a-model status=500]]'))
    expect(story()).toEqual(['a first server', 'b fallback ok'])
  })
})

describe('a conversation that is too long', () => {
  const history = ['q1', 'a1', 'q2', 'a2', 'q3', 'a3'].map((content) => ({
    role: content.startsWith('q') ? ('user' as const) : ('assistant' as const),
    content,
  }))

  test('is made shorter once, and asked again of the same provider', async () => {
    const message = say('[[status=400 code=context_length_exceeded times=1 text=short]]')
    const { chain, story, pauses } = world.chain({ deps: { retries: 0 } })
    const { text } = await ask(chain, [
      { role: 'system', content: 's' },
      ...history,
      { role: 'user', content: message },
    ])
    expect(text).toBe('short')
    expect(story()).toEqual(['a first context_length', 'a retry ok'])
    expect(pauses).toEqual([])
    expect(world.lastCall('a')?.messages.map(({ content }) => content)).toEqual(['s', 'q3', 'a3', message])
  })

  test('even then is asked elsewhere, and is not made shorter again', async () => {
    const message = say('[[status=413]]')
    const { chain, story } = world.chain({ providers: ['a', 'b'] })
    const { error } = await ask(chain, [...history, { role: 'user', content: message }])
    expect(error).toMatchObject({ code: 'model_context_length', retryable: false })
    expect(story()).toEqual(['a first context_length', 'a retry context_length', 'b fallback context_length'])
  })
})

describe('a turn that is stopped', () => {
  test('while it waits for a repeat ends at once, and nothing more is asked', async () => {
    const message = say('[[status=503 retry-after=5]]')
    const stop = new AbortController()
    const { chain, reports } = world.chain({
      deps: {
        wait: (ms, signal) => {
          queueMicrotask(() => stop.abort(new Error('stop')))
          return waitFor(ms, signal)
        },
      },
    })
    const { error } = await ask(chain, message, { signal: stop.signal })
    expect(error).toEqual(new Error('stop'))
    expect(world.calls(message)).toEqual({ a: 1 })
    expect(reports).toHaveLength(1)
  })

  test.each(['hang=before-headers', 'hang=after-headers'])(
    'while it waits for an answer is told of as cancelled, once: %s',
    async (hang) => {
      const message = say(`[[${hang}]]`)
      const stop = new AbortController()
      const { chain, story } = world.chain()
      const answer = ask(chain, message, { signal: stop.signal })
      await world.client('a').wait({ match: message })
      stop.abort(new Error('stop'))
      expect((await answer).error).toEqual(new Error('stop'))
      expect(story()).toEqual(['a first cancelled'])
      expect(await world.client('a').wait({ match: message, state: 'aborted' })).toHaveLength(1)
    },
  )

  test('by a reader who leaves is cancelled, and told of with what it used', async () => {
    const message = say('[[tokens=9 hang=mid after=1]]')
    const { chain, reports } = world.chain()
    const request = { messages: [{ role: 'user' as const, content: message }], model: '', requestId: 'r' }
    for await (const event of chain.stream(request, new AbortController().signal)) {
      expect(event.type).toBe('text')
      break
    }
    expect(reports).toMatchObject([{ outcome: 'cancelled', outputTokens: 1 }])
    expect(reports[0]?.inputTokens).toBeGreaterThan(0)
    expect(await world.client('a').wait({ match: message, state: 'aborted' })).toHaveLength(1)
  })
})

test('a turn leaves no listener behind, however it ended', async () => {
  const turns = [
    '[[text=well]]',
    '[[status=500 times=1 text=well]]',
    '[[tokens=9 close after=3]]',
    '[[status=500]]',
  ]
  for (const hedgeMs of [0, 60_000]) {
    const { signal } = new AbortController()
    const { chain } = world.chain({ deps: { hedgeMs, wait: waitFor, random: () => 0 } })
    for (const directives of turns) await ask(chain, say(directives), { signal })
    expect(getEventListeners(signal, 'abort')).toEqual([])
  }
})

test('whatever happens, every call is told of exactly once', async () => {
  const faults = [
    '',
    'status=500',
    'status=401',
    'tokens=9 close after=3',
    'end',
    'html',
    'empty',
    'status=413',
  ]
  const stories = faults.flatMap((a) => faults.map((b) => say(`[[for=a-model ${a}]] [[for=b-model ${b}]]`)))
  await Promise.all(
    stories.map(async (message) => {
      const { chain, reports } = world.chain({ providers: ['a', 'b'], deps: { continues: true } })
      const { finish, error } = await ask(chain, message)
      expect((finish === undefined) !== (error === undefined)).toBe(true)
      const told = Object.values(world.calls(message)).reduce((sum, calls) => sum + calls, 0)
      expect(reports, message).toHaveLength(told)
    }),
  )
})
