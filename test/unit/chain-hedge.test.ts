/**
 * A second call when the first text is late: who begins first has the turn, the other is cancelled and paid for, and
 * nothing of it stays behind.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RetryBudget } from '../../src/models/retry-budget.ts'
import { waitFor } from '../../src/models/wait.ts'
import { ask } from '../support/model-answer.ts'
import { ChainWorld, type ChainOptions } from '../support/model-chain.ts'

const HEDGE_MS = 700

let world: ChainWorld
beforeAll(async () => {
  world = await ChainWorld.start()
})
afterAll(() => world.end())

let count = 0
const say = (directives: string): string => `message ${++count} ${directives}`

/** Whose hedge is due as soon as the first call has arrived at its provider. */
function late(message: string, options: ChainOptions = {}) {
  return world.chain({
    providers: ['a', 'b'],
    ...options,
    deps: {
      hedgeMs: HEDGE_MS,
      wait: async (ms) => {
        if (ms === HEDGE_MS) await world.client('a').wait({ match: message })
      },
      ...options.deps,
    },
  })
}

describe('a first text that is late', () => {
  test('comes from the second call, and the first is cancelled and told of with what it cost', async () => {
    const message = say('[[text="from b"]] [[for=a-model hang=before-headers]]')
    const { chain, reports, story } = late(message)
    const { text, finish } = await ask(chain, message)
    expect(text).toBe('from b')
    expect(finish?.degraded).toEqual({ provider: 'b', reason: 'timeout', instead: 'a' })
    expect(story()).toEqual(['a first cancelled', 'b hedge ok'])
    expect(reports[0]?.inputTokens).toBeGreaterThan(0)
    expect(await world.client('a').wait({ match: message, state: 'aborted' })).toHaveLength(1)
  })

  test('still comes from the first call when that begins first, and the second is cancelled', async () => {
    const message = say('[[text="from a"]] [[for=a-model gate=a-begins]] [[for=b-model hang=before-headers]]')
    const { chain, story } = late(message)
    const answer = ask(chain, message)
    await world.client('b').wait({ match: message })
    await world.client('a').openGate('a-begins')
    const { text, finish } = await answer
    expect(text).toBe('from a')
    expect(finish).not.toHaveProperty('degraded')
    expect(story()).toEqual(['b hedge cancelled', 'a first ok'])
    expect(await world.client('b').wait({ match: message, state: 'aborted' })).toHaveLength(1)
  })

  test('is waited for when the second call fails', async () => {
    const message = say('[[text="from a"]] [[for=a-model gate=a-goes-on]] [[for=b-model status=401]]')
    const { chain, story } = late(message)
    const answer = ask(chain, message)
    await world.client('b').wait({ match: message, state: 'finished' })
    await world.client('a').openGate('a-goes-on')
    expect((await answer).text).toBe('from a')
    expect(story()).toEqual(['b hedge auth', 'a first ok'])
  })

  test('and fails, leaves the turn to the second call', async () => {
    const message = say('[[text="from b"]] [[for=a-model gate=a-ends end]] [[for=b-model gate=b-begins]]')
    const { chain, story } = late(message)
    const answer = ask(chain, message)
    await world.client('b').wait({ match: message })
    await world.client('a').openGate('a-ends')
    await world.client('a').wait({ match: message, state: 'finished' })
    await world.client('b').openGate('b-begins')
    expect((await answer).text).toBe('from b')
    expect(story()).toEqual(['a first server', 'b hedge ok'])
  })

  test('and both fail: the first is asked again, the second is not', async () => {
    const message = say('[[for=a-model gate=both end]] [[for=b-model status=500]]')
    const { chain, story } = late(message)
    const answer = ask(chain, message)
    await world.client('b').wait({ match: message, state: 'finished' })
    await world.client('a').openGate('both')
    expect((await answer).error).toMatchObject({ code: 'model_error' })
    expect(story()).toEqual(['b hedge server', 'a first server', 'a retry server'])
  })

  test('is simply waited for when the budget is used up, or nobody else is well', async () => {
    const budget = new RetryBudget(() => 0)
    while (budget.take());
    for (const options of [
      { deps: { budget } },
      { gate: { verdict: (name: string) => (name === 'a' ? OK : PAUSED) } },
      { gate: { tryEnter: () => Promise.resolve(null) } },
      { providers: ['a'] },
    ]) {
      const message = say('[[text="from a" first=50]]')
      const { chain, story } = late(message, options)
      expect((await ask(chain, message, { admitted: 'a' })).text).toBe('from a')
      expect(story()).toEqual(['a first ok'])
    }
  })

  test('and a turn that is stopped: both calls are cancelled', async () => {
    const message = say('[[hang=before-headers]]')
    const stop = new AbortController()
    const { chain, story } = late(message)
    const answer = ask(chain, message, { signal: stop.signal })
    await world.client('b').wait({ match: message })
    stop.abort(new Error('stop'))
    expect((await answer).error).toEqual(new Error('stop'))
    expect(story().toSorted()).toEqual(['a first cancelled', 'b hedge cancelled'])
    for (const name of ['a', 'b']) await world.client(name).wait({ match: message, state: 'aborted' })
  })
})

const OK = { ok: true } as const
const PAUSED = { ok: false, why: 'paused', reason: '' } as const

test('a first text that is early leaves no timer behind', async () => {
  let timer: AbortSignal | undefined
  const { chain, story } = world.chain({
    deps: {
      hedgeMs: HEDGE_MS * 1_000,
      wait: (ms, signal) => {
        timer = signal
        return waitFor(ms, signal)
      },
    },
  })
  await ask(chain, say('[[text=soon]]'))
  expect(timer?.aborted).toBe(true)
  expect(story()).toEqual(['a first ok'])
})
