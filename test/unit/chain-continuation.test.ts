/**
 * An answer that broke off and goes on: at the same provider or another, whatever it repeats, the text is whole; within
 * bounds; and what it used is added up.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Verdict } from '../../src/models/provider-gate.ts'
import { RetryBudget } from '../../src/models/retry-budget.ts'
import { ask } from '../support/model-answer.ts'
import { ChainWorld, type ChainOptions } from '../support/model-chain.ts'

let world: ChainWorld
beforeAll(async () => {
  world = await ChainWorld.start()
})
afterAll(() => world.end())

const TEXT =
  'Of all the rivers, the longest one that nobody has ever seen 😀 flows under the desert, says the map.'

let count = 0
const say = (directives: string): string =>
  `message ${++count} [[text=${JSON.stringify(TEXT)} ${directives}]]`

const going = (options: ChainOptions = {}): ChainOptions => ({
  ...options,
  deps: { continues: true, ...options.deps },
  adapter: { continuation: 'prefill', ...options.adapter },
})

describe('an answer that broke off', () => {
  const faults = ['close', 'end', 'half-json', 'error-in-stream', 'tool-call']
  const manners = ['exact', 'tail', 'restate']
  test.each(faults.flatMap((fault) => manners.map((manner) => [fault, manner] as const)))(
    'by %s goes on at the same provider, which resumes in its manner: %s',
    async (fault, manner) => {
      const { chain, reports } = world.chain(going())
      const message = say(`${fault} after=9 times=1 resume=${manner} size=3`)
      const { text, finish, error } = await ask(chain, message)
      expect(error).toBeUndefined()
      expect(text).toBe(TEXT)
      expect(finish).toMatchObject({ reason: 'stop', provider: 'a' })
      expect(finish).not.toHaveProperty('degraded')
      expect(reports.map(({ kind }) => kind)).toEqual(['first', 'continuation'])
      expect(reports.map(({ outcome }) => outcome === 'ok')).toEqual([false, true])
    },
  )

  test('is whole wherever it broke off', async () => {
    for (let after = 1; after < 30; after += 4) {
      for (const manner of manners) {
        const message = say(`close after=${after} times=1 resume=${manner} size=3`)
        expect((await ask(world.chain(going()).chain, message)).text, `${manner} ${after}`).toBe(TEXT)
      }
    }
  })

  test('by silence goes on too', async () => {
    const { chain, story } = world.chain(going({ adapter: { gapTimeoutMs: 300 } }))
    const { text } = await ask(chain, say('hang=mid after=9 times=1 resume=exact'))
    expect(text).toBe(TEXT)
    expect(story()).toEqual(['a first timeout', 'a continuation ok'])
  })

  test('goes on elsewhere when its provider is not well, and says so', async () => {
    let calls = 0
    const verdict = (provider: string): Verdict =>
      provider === 'a' && calls > 0 ? { ok: false, why: 'breaker_open', retryAfterMs: 1 } : { ok: true }
    const { chain, story } = world.chain(going({ gate: { verdict } }))
    const message = `${say('resume=exact')} [[for=a-model close after=9]]`
    const { text, finish } = await ask(chain, message, { onEvent: () => void (calls += 1) })
    expect(text).toBe(TEXT)
    expect(finish).toMatchObject({
      provider: 'b',
      degraded: { provider: 'b', reason: 'network', instead: 'a' },
    })
    expect(story()).toEqual(['a first network', 'b continuation ok'])
  })

  test('adds up what its parts used', async () => {
    const { chain, reports } = world.chain(going())
    const { finish } = await ask(chain, say('close after=9 times=1 resume=exact'))
    const sum = (pick: (report: (typeof reports)[number]) => number) =>
      reports.reduce((total, report) => total + pick(report), 0)
    expect(finish?.usage).toEqual({
      inputTokens: sum(({ inputTokens }) => inputTokens),
      outputTokens: sum(({ outputTokens }) => outputTokens),
    })
  })

  test('goes on twice at most, and then has failed with the text so far', async () => {
    const { chain, story } = world.chain(going({ providers: ['a'] }))
    const { text, error } = await ask(chain, say('close after=4 resume=exact size=3'))
    expect(error).toMatchObject({ code: 'model_unreachable' })
    expect(story()).toEqual(['a first network', 'a continuation network', 'a continuation network'])
    expect(TEXT.startsWith(text)).toBe(true)
    expect(text.length).toBeGreaterThan(30)
  })

  test.each([
    ['nobody wants it to', { deps: { continues: false } }],
    ['no provider can', { adapter: { continuation: 'none' as const } }],
    ['the budget is used up', { deps: { budget: emptyBudget() } }],
  ])('does not go on when %s', async (_, options) => {
    const { chain, story } = world.chain(going(options))
    const { text, error } = await ask(chain, say('close after=9 resume=exact'))
    expect(error).toMatchObject({ code: 'model_unreachable', retryable: true })
    expect(TEXT.startsWith(text)).toBe(true)
    expect(story()).toEqual(['a first network'])
  })

  test('for its content does not go on', async () => {
    const { chain, story } = world.chain(going())
    await ask(chain, say('error-in-stream code=content_filter after=9'))
    expect(story()).toEqual(['a first content_filter'])
  })

  test('and cannot go on has failed with what it broke off with', async () => {
    const { chain, story } = world.chain(going({ providers: ['a', 'b'] }))
    const { error } = await ask(chain, `${say('')} [[for=a-model close after=9]] [[for=b-model status=401]]`)
    expect(error).toMatchObject({ code: 'model_unreachable' })
    expect(story().slice(0, 2)).toEqual(['a first network', 'a continuation network'])
  })
})

describe('an answer whose beginning is handed in', () => {
  async function goOn(prefix: string, options: ChainOptions = {}, directives = 'resume=exact') {
    const { chain, story } = world.chain(going(options))
    const messages = [{ role: 'user' as const, content: say(directives) }]
    let text = prefix
    let provider
    for await (const event of chain.stream(
      { messages, model: '', requestId: 'r', prefix },
      new AbortController().signal,
    )) {
      if (event.type === 'text') text += event.text
      else provider = event.provider
    }
    return { text, provider, story: story() }
  }

  test('goes on right after it, whether or not broken answers do', async () => {
    const expected = { text: TEXT, provider: 'a', story: ['a continuation ok'] }
    expect(await goOn(TEXT.slice(0, 20))).toEqual(expected)
    expect(await goOn(TEXT.slice(0, 20), { deps: { continues: false } })).toEqual(expected)
  })

  test('and that breaks off again goes on from there', async () => {
    const { text, story } = await goOn(TEXT.slice(0, 20), {}, 'resume=tail close after=9 times=1 size=3')
    expect(text).toBe(TEXT)
    expect(story).toEqual(['a continuation network', 'a continuation ok'])
  })

  test('is refused where nobody can', async () => {
    await expect(goOn('Of all', { adapter: { continuation: 'none' } })).rejects.toMatchObject({
      code: 'model_unavailable',
      retryable: false,
    })
  })

  test('is said to be possible when somebody can', () => {
    expect(world.chain().chain.continues).toBe(false)
    expect(world.chain(going()).chain.continues).toBe(true)
  })
})

function emptyBudget(): RetryBudget {
  const budget = new RetryBudget(() => 0)
  while (budget.take());
  return budget
}
