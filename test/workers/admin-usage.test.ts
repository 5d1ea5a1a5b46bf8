/**
 * What the administration is told of everyone's usage: after real turns of two people with two models, and over days that
 * are written into the ledger here, far in the past, so that no other test has any part in them.
 */
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ChatAnswer } from '../../src/protocol/http.ts'
import { adminUsageAnswer, MAX_USAGE_ROWS, type AdminUsageAnswer } from '../../src/protocol/usage.ts'
import { addUsage, type LedgerEntry } from '../../src/storage/usage.ts'
import { problemFrom } from './http-checks.ts'
import { costUsdOf, guestWith, tellAll } from './limited-people.ts'
import { personWith, trailOf, type Person } from './people.ts'
import { message, unique, type Guest } from './worker-guest.ts'

let admin: Person
beforeAll(async () => {
  admin = await personWith('admin')
})

async function usage(query: Record<string, string>): Promise<AdminUsageAnswer> {
  const response = await admin.request('GET', `/api/admin/usage?${new URLSearchParams(query).toString()}`)
  return adminUsageAnswer.strict().parse(await response.json())
}

type Row = AdminUsageAnswer['rows'][number]

const rowOf = async (query: Record<string, string>, key: string): Promise<Row | undefined> =>
  (await usage(query)).rows.find((row) => row.key === key)

function sumOf(answers: readonly ChatAnswer[]): Omit<Row, 'key' | 'priced'> {
  const usages = answers.map(({ message: { usage, model } }) => {
    if (!usage) throw new Error('nothing was used')
    return { ...usage, isPriced: model === 'test-model' }
  })
  const sum = (name: 'inputTokens' | 'outputTokens') => usages.reduce((all, each) => all + each[name], 0)
  const costUsd = costUsdOf(...usages.filter(({ isPriced }) => isPriced))
  return {
    messages: answers.length,
    inputTokens: sum('inputTokens'),
    outputTokens: sum('outputTokens'),
    costUsd: expect.closeTo(costUsd, 9) as number,
  }
}

describe('after turns of two people with two models', () => {
  let ada: Guest
  let eve: Guest
  /** Two of Ada's with the priced model, one of hers without a price, one of Eve's with the priced one. */
  let turns: { dear: ChatAnswer[]; free: ChatAnswer; eves: ChatAnswer }
  const all = () => [...turns.dear, turns.free, turns.eves]

  beforeAll(async () => {
    ;[ada, eve] = [await guestWith('hundred'), await guestWith('hundred')]
    const say = (who: Guest, tokens: number, more: object): Promise<ChatAnswer> =>
      who.chat({ message: message(unique(), `tokens=${tokens}`), ...more })
    const first = await say(ada, 10, {})
    const second = await say(ada, 20, { conversationId: first.conversationId })
    const free = await say(ada, 30, { model: 'other-model' })
    const eves = await say(eve, 40, {})
    turns = { dear: [first, second], free, eves }
    for (const { conversationId } of all()) await tellAll(conversationId)
  })

  test('each person has the sum of theirs, marked when a part of it has no price', async () => {
    const { rows } = await usage({ by: 'user' })
    const mine = rows.filter(({ key }) => key === ada.userId || key === eve.userId)
    // Most expensive first.
    const expected = [
      { key: ada.userId, ...sumOf([...turns.dear, turns.free]), priced: false },
      { key: eve.userId, ...sumOf([turns.eves]), priced: true },
    ].toSorted(
      (a, b) => mine.findIndex(({ key }) => key === a.key) - mine.findIndex(({ key }) => key === b.key),
    )
    expect(mine).toEqual(expected)
    const costs = rows.map(({ costUsd }) => costUsd)
    expect(costs).toEqual(costs.toSorted((a, b) => b - a))
    expect(costs[0]).toBeGreaterThan(0)
  })

  test('each conversation, model and agent has theirs, and the day has them all', async () => {
    const first = turns.dear[0]?.conversationId ?? ''
    expect(await rowOf({ by: 'conversation' }, first)).toEqual({
      key: first,
      ...sumOf(turns.dear),
      priced: true,
    })
    // No other test of this file takes turns.
    const dear = { key: 'test-model', ...sumOf([...turns.dear, turns.eves]), priced: true }
    expect(await rowOf({ by: 'model' }, 'test-model')).toEqual(dear)
    const free = { key: 'other-model', ...sumOf([turns.free]), costUsd: 0, priced: false }
    expect(await rowOf({ by: 'model' }, 'other-model')).toEqual(free)
    expect((await usage({ by: 'agent' })).rows).toEqual([
      { key: expect.any(String) as string, ...sumOf(all()), priced: false },
    ])
    expect((await usage({ by: 'day' })).rows).toEqual([
      { key: expect.stringMatching(/^\d{4}-\d\d-\d\d$/) as string, ...sumOf(all()), priced: false },
    ])
  })

  test('the last 30 days are told by person when nobody says otherwise', async () => {
    const { rows, ...rest } = await usage({})
    const days = (Date.parse(rest.to) - Date.parse(rest.from)) / 86_400_000 + 1
    expect({ ...rest, days }).toMatchObject({ by: 'user', truncated: false, days: 30 })
    expect(rows).toHaveLength(2)
  })

  test('who looked is in the audit trail', async () => {
    await usage({ by: 'model', from: '2020-01-01', to: '2020-02-01' })
    const [entry] = await trailOf({ actor: admin.id })
    expect(entry).toMatchObject({
      action: 'admin_usage_read',
      details: { by: 'model', from: '2020-01-01', to: '2020-02-01' },
    })
  })
})

/** An entry of its own conversation on this day. */
const entryOn = (day: string, more: Partial<LedgerEntry> = {}): LedgerEntry => ({
  userId: 'user:old',
  conversationId: crypto.randomUUID(),
  agentId: 'default',
  model: 'test-model',
  at: Date.parse(`${day}T12:00:00Z`),
  seq: 1,
  messages: 1,
  inputTokens: 2,
  outputTokens: 3,
  micros: 4,
  priced: true,
  ...more,
})

describe('a range of days', () => {
  test('holds its first and its last day, and no other', async () => {
    const days = ['2020-04-30', '2020-05-01', '2020-05-02', '2020-05-31', '2020-06-01']
    for (const day of days) {
      const at = (time: string) => ({ at: Date.parse(`${day}T${time}Z`) })
      await addUsage(env.DB, [entryOn(day, at('00:00:00.000')), entryOn(day, at('23:59:59.999'))])
    }
    const keys = async (from: string, to: string): Promise<string[]> =>
      (await usage({ by: 'day', from, to })).rows.map(({ key, messages }) => `${key} ${messages}`)
    expect(await keys('2020-05-01', '2020-05-31')).toEqual(['2020-05-31 2', '2020-05-02 2', '2020-05-01 2'])
    expect(await keys('2020-05-02', '2020-05-02')).toEqual(['2020-05-02 2'])
    expect(await keys('2020-05-03', '2020-05-30')).toEqual([])
    expect(await rowOf({ by: 'user', from: '2020-05-01', to: '2020-06-01' }, 'user:old')).toEqual({
      key: 'user:old',
      messages: 8,
      inputTokens: 16,
      outputTokens: 24,
      costUsd: 32e-6,
      priced: true,
    })
  })

  test('has one row of a person without a price mark the whole sum', async () => {
    await addUsage(env.DB, [entryOn('2018-01-01'), entryOn('2018-01-02', { micros: 0, priced: false })])
    const row = (to: string) => rowOf({ by: 'user', from: '2018-01-01', to }, 'user:old')
    expect(await row('2018-01-01')).toMatchObject({ messages: 1, priced: true })
    expect(await row('2018-01-02')).toMatchObject({ messages: 2, costUsd: 4e-6, priced: false })
  })

  test('says when there were more rows than one answer holds, and only then', async () => {
    const many = Array.from({ length: MAX_USAGE_ROWS }, (_, micros) => entryOn('2019-03-01', { micros }))
    await addUsage(env.DB, many)
    await addUsage(env.DB, [entryOn('2019-03-02', { conversationId: 'the-dearest', micros: 1_000_000 })])
    const full = await usage({ by: 'conversation', from: '2019-03-01', to: '2019-03-01' })
    expect([full.rows.length, full.truncated]).toEqual([MAX_USAGE_ROWS, false])
    const over = await usage({ by: 'conversation', from: '2019-03-01', to: '2019-03-02' })
    expect([over.rows.length, over.truncated]).toEqual([MAX_USAGE_ROWS, true])
    // What is left out is the cheapest.
    expect(over.rows[0]).toMatchObject({ key: 'the-dearest', costUsd: 1 })
    expect(over.rows.map(({ key }) => key)).not.toContain(many[0]?.conversationId)
  })

  test.each([
    ['from', { from: '2020-05-02', to: '2020-05-01' }],
    ['from', { from: '2019-01-01', to: '2020-01-02' }],
    ['from', { from: 'yesterday' }],
    ['to', { to: '2020-02-30' }],
    ['by', { by: 'email' }],
    ['by', { by: 'user_id; DROP TABLE usage' }],
    ['user', { user: 'user:old' }],
  ])('is refused with the field named: %s in %j', async (field, query) => {
    const response = await admin.request('GET', `/api/admin/usage?${new URLSearchParams(query).toString()}`)
    expect(await problemFrom(response, 422, 'validation_failed')).toMatchObject({ field })
  })
})
