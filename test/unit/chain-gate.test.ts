/**
 * What the chain does with what is known about providers: whom it passes over and why, probes, places, and readiness.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProviderGate, Verdict } from '../../src/models/provider-gate.ts'
import { ask } from '../support/model-answer.ts'
import { ChainWorld } from '../support/model-chain.ts'

let world: ChainWorld
beforeAll(async () => {
  world = await ChainWorld.start()
})
afterAll(() => world.end())

let count = 0
/** A message that no other test sends. */
const say = (directives: string): string => `message ${++count} ${directives}`

const closed: Record<'paused' | 'open' | 'half_open', Verdict> = {
  paused: { ok: false, why: 'paused', reason: 'maintenance' },
  open: { ok: false, why: 'breaker_open', retryAfterMs: 9_000 },
  half_open: { ok: false, why: 'half_open' },
}

const gateOf = (verdicts: Record<string, Verdict>, more: Partial<ProviderGate> = {}) => ({
  gate: { verdict: (provider: string): Verdict => verdicts[provider] ?? { ok: true }, ...more },
})

describe('a provider that must not be asked', () => {
  test.each([
    ['paused', 'paused'],
    ['open', 'breaker_open'],
  ] as const)('is passed over: %s', async (state, reason) => {
    const message = say('hello')
    const { chain, story } = world.chain(gateOf({ a: closed[state] }))
    expect((await ask(chain, message)).finish?.degraded).toEqual({ provider: 'b', reason, instead: 'a' })
    expect(world.calls(message)).toEqual({ b: 1 })
    expect(story()).toEqual(['b first ok'])
  })

  test('and nobody else: says when somebody may be', async () => {
    const { chain, reports } = world.chain(
      gateOf({ a: closed.paused, b: closed.open, c: { ...closed.open, retryAfterMs: 4_000 } as Verdict }),
    )
    const { error } = await ask(chain, say('hello'))
    expect(error).toMatchObject({ code: 'model_unavailable', retryable: true, retryAfterMs: 4_000 })
    expect(reports).toEqual([])
  })

  test('because all are paused, or all turns are: says so', async () => {
    const verdicts = { a: closed.paused, b: closed.paused, c: closed.paused }
    for (const options of [gateOf(verdicts), gateOf({}, { pausedForAll: () => 'maintenance' })]) {
      const message = say('hello')
      const { error } = await ask(world.chain(options).chain, message)
      expect(error).toMatchObject({ code: 'paused', message: 'Answers are paused: maintenance' })
      expect(world.calls(message)).toEqual({})
    }
  })

  test('but for a probe is asked if it may be one, and not again when that fails', async () => {
    const half = gateOf({ a: closed.half_open }, { probe: () => Promise.resolve(true) })
    const { chain, reports, story } = world.chain(half)
    await ask(chain, say('hello'))
    await ask(chain, say('[[for=a-model status=500]]'))
    expect(story()).toEqual(['a first ok', 'a first server', 'b fallback ok'])
    expect(reports.map(({ probe }) => probe)).toEqual([true, true, false])
  })

  test('because others are probing is passed over', async () => {
    const half = gateOf({ a: closed.half_open }, { probe: () => Promise.resolve(false) })
    const { finish } = await ask(world.chain(half).chain, say('hello'))
    expect(finish?.degraded).toEqual({ provider: 'b', reason: 'breaker_open', instead: 'a' })
  })

  test('because it has no room is passed over; one that has is given its place back, once', async () => {
    const entered: string[] = []
    const released: number[] = []
    const { chain, story } = world.chain({
      gate: {
        tryEnter: (provider, tokens) => {
          entered.push(provider)
          expect(tokens()).toBeGreaterThan(100)
          return Promise.resolve(provider === 'b' ? null : { release: (used) => released.push(used) })
        },
      },
    })
    const { finish } = await ask(chain, say('[[for=a-model status=401]]'), { admitted: 'a' })
    expect(story()).toEqual(['a first auth', 'c fallback ok'])
    expect(entered).toEqual(['b', 'c'])
    expect(released).toEqual([(finish?.usage?.inputTokens ?? 0) + (finish?.usage?.outputTokens ?? 0)])
  })

  test('and has given one to a turn that was stopped meanwhile has it back', async () => {
    const released: number[] = []
    const stop = new AbortController()
    const tryEnter: ProviderGate['tryEnter'] = async () => {
      stop.abort(new Error('stopped'))
      return { release: (used) => released.push(used) }
    }
    const { chain, story } = world.chain({ gate: { tryEnter } })
    const { error } = await ask(chain, say('hello'), { signal: stop.signal })
    expect([String(error), story(), released]).toEqual(['Error: stopped', [], [0]])
  })

  test('and is half-open is not probed by whom it has no room for; who may not probe gives the place back', async () => {
    const probed: string[] = []
    const released: number[] = []
    let room = false
    const gate = gateOf(
      { a: closed.half_open },
      {
        probe: (provider) => Promise.resolve(probed.push(provider) < 1),
        tryEnter: (provider) => {
          if (provider !== 'a') return undefined
          return Promise.resolve(room ? { release: (used) => released.push(used) } : null)
        },
      },
    )
    await ask(world.chain(gate).chain, say('hello'))
    expect([probed, released]).toEqual([[], []])
    room = true
    const { finish } = await ask(world.chain(gate).chain, say('hello'))
    expect([probed, released]).toEqual([['a'], [0]])
    expect(finish?.degraded).toMatchObject({ provider: 'b', reason: 'breaker_open' })
  })

  test('is not asked for a place where the turn has one, be it with a fallback', async () => {
    const entered: string[] = []
    const tryEnter: ProviderGate['tryEnter'] = (provider) => {
      entered.push(provider)
      return Promise.resolve(null)
    }
    const { chain, story } = world.chain(gateOf({ a: closed.open }, { tryEnter }))
    await ask(chain, say('hello'), { admitted: 'b' })
    expect([story(), entered]).toEqual([['b first ok'], []])
  })

  test('and has no room for a turn that comes without a place is passed over, and the answer says why', async () => {
    const tryEnter: ProviderGate['tryEnter'] = (provider) =>
      provider === 'a' ? Promise.resolve(null) : undefined
    const { chain, story } = world.chain({ gate: { tryEnter } })
    const { finish } = await ask(chain, say('hello'))
    expect([story(), finish?.degraded]).toEqual([
      ['b first ok'],
      { provider: 'b', reason: 'no_room', instead: 'a' },
    ])
  })

  test('is found out before anything is asked, when what is known was old', async () => {
    let verdict: Verdict = { ok: true }
    const fresh = () => Promise.resolve().then(() => void (verdict = closed.paused))
    const gate = {
      fresh,
      verdict: (provider: string) => (provider === 'a' ? verdict : ({ ok: true } as const)),
    }
    expect((await ask(world.chain({ gate }).chain, say('hello'))).finish?.provider).toBe('b')
  })
})

describe('its check', () => {
  const check = (options: Parameters<ChainWorld['chain']>[0]) =>
    world.chain(options).chain.check(new AbortController().signal)

  test('asks the first provider that is not paused', async () => {
    expect(await check({})).toEqual({ ok: true })
    expect(await check(gateOf({ a: closed.paused, b: closed.open }))).toEqual({ ok: true })
    expect(await check(gateOf({ a: closed.paused, b: closed.paused, c: closed.paused }))).toMatchObject({
      ok: false,
    })
    expect(await check(gateOf({}, { pausedForAll: () => '' }))).toMatchObject({ ok: false })
  })
})
