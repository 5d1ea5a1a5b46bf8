/**
 * What becomes of calls that run when an operator wants them to end: at the next look, with what was said before.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { STOP_CHECK_MS } from '../../src/models/chain.ts'
import { ask } from '../support/model-answer.ts'
import { ChainWorld } from '../support/model-chain.ts'

let world: ChainWorld
beforeAll(async () => {
  world = await ChainWorld.start()
})
afterAll(() => world.end())

/** A chain that is looked after when the test says. */
function watched(providers: string[]) {
  const stopped = new Map<string, string>()
  const looks = new Set<() => void>()
  const asked: number[] = []
  return {
    stopped,
    looks,
    asked,
    look: () => looks.forEach((look) => look()),
    ...world.chain({
      providers,
      gate: { stopped: (provider) => stopped.get(provider) ?? null },
      deps: {
        continues: true,
        every(ms, run) {
          asked.push(ms)
          looks.add(run)
          return () => looks.delete(run)
        },
      },
      adapter: { continuation: 'prefill' },
    }),
  }
}

test('K2 a call that runs ends as paused, with its text, is no failure of the provider, and is not gone on with', async () => {
  const { chain, stopped, look, looks, asked, reports } = watched(['a', 'b'])
  const message = 'stop me [[tokens=50 gate=stop-1 after=5]]'
  const answer = ask(chain, message)
  await world.client('a').wait({ match: 'stop me', tokens: 5 })
  look()
  stopped.set('b', 'not this one')
  look()
  expect(reports).toEqual([])
  stopped.set('a', 'It says odd things.')
  look()
  const { text, error } = await answer
  expect(error).toMatchObject({
    code: 'paused',
    message: 'Answers are paused: It says odd things.',
    retryable: true,
  })
  expect(text).not.toBe('')
  expect(reports).toMatchObject([{ provider: 'a', outcome: 'cancelled' }])
  expect((await world.client('a').wait({ match: 'stop me', state: 'aborted' })).length).toBe(1)
  expect(world.calls(message)).toEqual({ a: 1 })
  expect([asked, looks.size]).toEqual([[STOP_CHECK_MS], 0])
})

test('K2 so does one that has not said anything yet', async () => {
  const { chain, stopped, look } = watched(['a'])
  const answer = ask(chain, 'silent [[text=hi gate=stop-2]]')
  await world.client('a').wait({ match: 'silent' })
  stopped.set('a', '')
  look()
  expect(await answer).toMatchObject({ text: '', error: { code: 'paused' } })
})

test('nobody looks after an answer that has ended', async () => {
  const { chain, looks } = watched(['a'])
  expect((await ask(chain, 'short [[text=hi]]')).text).toBe('hi')
  expect(looks.size).toBe(0)
})
