/**
 * Links of several isolates over one real operations object: what one finds out, or an operator switches, holds for all; it
 * survives the object's death; and of many who would try a half-open provider few are let through.
 */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import type { CallReport } from '../../src/models/provider-gate.ts'
import { linkTo } from '../../src/operations/operations-calls.ts'
import { OperationsLink } from '../../src/operations/operations-link.ts'
import { callReport } from '../support/call-report.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { unique } from './worker-guest.ts'

/** What the object forgets of others when it starts: this is configured. */
const MODEL = ['openai', 'test-model'] as const
const report = (outcome: CallReport['outcome'] = 'ok', more: Partial<CallReport> = {}): CallReport =>
  callReport(outcome, { provider: MODEL[0], model: MODEL[1], ...more })

const stubOf = (name: string) => env.OPERATIONS.get(env.OPERATIONS.idFromName(name))

/** An isolate with a clock of its own, whose timers never run out: it waits for the real object as long as it takes. */
function isolate(name: string) {
  const clock = new FakeClock()
  const kept: Promise<unknown>[] = []
  let calls = 0
  const link = new OperationsLink({
    calls() {
      calls++
      const stub = stubOf(name)
      return {
        sync: async (batch) => await stub.sync(batch),
        probe: async (provider, model) => await stub.probe(provider, model),
      }
    },
    now: clock.now,
    after: clock.after,
    slowMs: 20_000,
    id: crypto.randomUUID(),
  })
  const gate = link.gateFor({
    waitUntil: (promise) => void kept.push(promise),
    tryEnter: () => undefined,
  })
  return { clock, gate, settle: () => Promise.all(kept), calls: () => calls }
}

/** Not put to sleep: while a breaker is open, or something is to be told, it has a timer and stays awake. */
async function killed(name: string): Promise<void> {
  await runInDurableObject(stubOf(name), (_object, ctx) => ctx.abort('killed by a test')).catch(() => {})
}

/** Its breaker opened a while ago, and is now half-open. */
async function halfOpen(name: string): Promise<void> {
  await stubOf(name).sync({
    link: 'first',
    number: 1,
    reports: Array.from({ length: 5 }, () => report('server')),
    routeFailures: [],
  })
  await runInDurableObject(stubOf(name), (_object, { storage: { sql } }) => {
    const [row] = sql.exec<{ value: string }>('SELECT value FROM facts').toArray()
    const fact = {
      ...(JSON.parse(row?.value ?? '') as object),
      since: Date.now() - 20_000,
      until: Date.now(),
    }
    sql.exec('UPDATE facts SET value = ?', JSON.stringify(fact))
  })
  await killed(name)
}

describe('what one isolate finds out', () => {
  test('K6 is refused by another within a second, without that anybody told it', async () => {
    const name = unique()
    const [here, there] = [isolate(name), isolate(name)]
    await Promise.all([here.gate.fresh(), there.gate.fresh()])
    for (let i = 0; i < 5; i++) here.gate.report(report('timeout'))
    await here.settle()
    expect(there.gate.verdict(...MODEL)).toEqual({ ok: true })
    there.clock.advance(1_000)
    await there.gate.fresh()
    expect(there.gate.verdict(...MODEL)).toMatchObject({ ok: false, why: 'breaker_open' })
    expect(there.gate.verdict(MODEL[0], 'other')).toEqual({ ok: true })
    expect(there.calls()).toBe(2)
  })

  test('K4 adds up: no isolate has seen five failures, all together have', async () => {
    const name = unique()
    const isolates = Array.from({ length: 5 }, () => isolate(name))
    for (const each of isolates) {
      await each.gate.fresh()
      each.gate.report(report('server'))
      await each.settle()
    }
    expect((await stubOf(name).sync(null)).breakers).toMatchObject([{ provider: MODEL[0], state: 'open' }])
  })

  test('survives the death of the object, and its death after that', async () => {
    const name = unique()
    const { gate, settle, clock } = isolate(name)
    for (let i = 0; i < 5; i++) gate.report(report('server'))
    await settle()
    await stubOf(name).pause('all', 'costs', 'user:a', true)
    await killed(name)
    clock.advance(1_000)
    await gate.fresh()
    expect([gate.verdict(MODEL[0], 'other').ok, gate.pausedForAll(), gate.stopped(...MODEL)]).toEqual([
      false,
      'costs',
      'costs',
    ])
    await stubOf(name).resume('all', 'user:a')
    await killed(name)
    clock.advance(1_000)
    await gate.fresh()
    clock.advance(1_000)
    await gate.fresh()
    expect([gate.verdict(...MODEL), gate.pausedForAll()]).toMatchObject([{ why: 'breaker_open' }, null])
  })

  test('costs no row while all is well', async () => {
    const name = unique()
    const { gate, settle, clock } = isolate(name)
    for (let i = 0; i < 50; i++) gate.report(report())
    await settle()
    clock.advance(1_000)
    await gate.fresh()
    await runInDurableObject(stubOf(name), (_object, { storage: { sql } }) =>
      expect(sql.exec("SELECT name FROM sqlite_master WHERE name = 'facts'").toArray()).toEqual([]),
    )
    expect((await stubOf(name).overview()).recent).toMatchObject([{ calls: 50 }])
  })
})

test('K7 what is not configured any more is forgotten when the object starts', async () => {
  const name = unique()
  const reports = Array.from({ length: 5 }, () => [report('server'), callReport('server')]).flat()
  await stubOf(name).sync({ link: 'first', number: 1, reports, routeFailures: [] })
  expect((await stubOf(name).sync(null)).breakers).toHaveLength(2)
  await killed(name)
  expect((await stubOf(name).sync(null)).breakers).toMatchObject([{ provider: MODEL[0], model: MODEL[1] }])
  await runInDurableObject(stubOf(name), (_object, { storage: { sql } }) =>
    expect(sql.exec('SELECT name FROM facts').toArray()).toEqual([{ name: MODEL.join(' ') }]),
  )
})

describe('a half-open provider', () => {
  test('K5 is tried by exactly three of fifty who would at once', async () => {
    const name = unique()
    await halfOpen(name)
    const isolates = Array.from({ length: 10 }, () => isolate(name))
    const tries = isolates.flatMap(({ gate }) => Array.from({ length: 5 }, () => gate.probe(...MODEL)))
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(3)
    expect(await isolates[0]?.gate.probe(MODEL[0], 'other')).toBe(true)
  })

  test('K5 is used by all after two of them succeeded', async () => {
    const name = unique()
    await halfOpen(name)
    const [here, there] = [isolate(name), isolate(name)]
    await there.gate.fresh()
    expect(there.gate.verdict(...MODEL)).toEqual({ ok: false, why: 'half_open' })
    for (const each of [here, there]) {
      expect(await each.gate.probe(...MODEL)).toBe(true)
      each.gate.report(report('ok', { probe: true }))
      await each.settle()
    }
    here.clock.advance(1_000)
    await here.gate.fresh()
    expect([here.gate.verdict(...MODEL), there.gate.verdict(...MODEL)]).toEqual([{ ok: true }, { ok: true }])
  })
})

test('K2 a switch holds in every isolate within a second, and so does its end', async () => {
  const name = unique()
  const isolates = Array.from({ length: 3 }, () => isolate(name))
  const see = async () => {
    for (const { clock } of isolates) clock.advance(1_000)
    for (const { gate } of isolates) await gate.fresh()
    return isolates.map(({ gate }) => gate.verdict('one', 'm').ok)
  }
  expect(await see()).toEqual([true, true, true])
  await stubOf(name).pause('provider:one', 'costs', 'user:a', false)
  expect(await see()).toEqual([false, false, false])
  await stubOf(name).resume('provider:one', 'user:a')
  expect(await see()).toEqual([true, true, true])
})

test('the link of this isolate reaches the one object of the installation', async () => {
  const kept: Promise<unknown>[] = []
  const gate = linkTo(env.OPERATIONS, 20_000).gateFor({
    waitUntil: (promise) => void kept.push(promise),
    tryEnter: () => undefined,
  })
  const provider = `p${unique()}`
  for (let i = 0; i < 3; i++) gate.report(callReport('auth', { provider }))
  await Promise.all(kept)
  expect((await stubOf('global').sync(null)).breakers).toMatchObject([{ provider, state: 'open' }])
  await stubOf('global').reset(provider, null, 'user:a')
})
