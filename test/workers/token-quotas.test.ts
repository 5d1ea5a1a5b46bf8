/**
 * Quotas of tokens and of money, over HTTP and over a socket: one turn fits, and what it used leaves too little room for
 * what the next is expected to use. The refusal says which limit it was, what is left of it and when it starts anew.
 */
import { describe, expect, test } from 'vitest'
import { costUsdOf, guestWith, quotaOf, tellAll } from './limited-people.ts'
import { problemFrom } from './http-checks.ts'
import { message, model, unique, type Guest } from './worker-guest.ts'

const DAY_S = 86_400

/** UTC, as the answer has to say it, whatever time it is. */
function endOf(period: 'day' | 'month'): string {
  const now = new Date()
  const [year, month, date] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()]
  const end = period === 'day' ? Date.UTC(year, month, date + 1) : Date.UTC(year, month + 1)
  return new Date(end).toISOString()
}

const QUOTAS = [
  ['tokens', { name: 'tokens_per_day', unit: 'tokens', limit: 650 }, 'day'],
  ['monthly', { name: 'tokens_per_month', unit: 'tokens', limit: 650 }, 'month'],
  ['money', { name: 'cost_per_month', unit: 'usd', limit: 0.001_02 }, 'month'],
] as const

describe.each(QUOTAS)('the plan %s', (plan, quota, period) => {
  /** Somebody with a conversation and one turn in it, and the limit as a refusal has to tell it. */
  async function afterOneTurn() {
    const guest = await guestWith(plan)
    const { conversationId, message: answer } = await guest.chat({ message: message(unique(), 'tokens=20') })
    const { usage } = answer
    if (!usage) throw new Error('nothing was used')
    const used = quota.unit === 'usd' ? costUsdOf(usage) : usage.inputTokens + usage.outputTokens
    const remaining = expect.closeTo(quota.limit - used, 9) as number
    return { guest, conversationId, limit: { ...quota, remaining, resetAt: endOf(period) } }
  }

  const untouched = async (guest: Guest, id: string, tag: string): Promise<void> => {
    expect(await guest.messages(id)).toHaveLength(2)
    expect((await model.calls()).filter((call) => call.lastUserMessage.includes(tag))).toEqual([])
    expect(await quotaOf(guest, quota.name)).toMatchObject({ reserved: 0 })
    expect(await quotaOf(guest, 'concurrent_turns')).toMatchObject({ reserved: 0 })
  }

  test('L4 is refused over HTTP when it has no room, with what is left and until when', async () => {
    const { guest, conversationId, limit } = await afterOneTurn()
    const tag = unique()
    const body = { conversationId, message: message(tag, 'text=no') }
    for (const path of ['/api/chat', '/api/chat/stream']) {
      const response = await guest.request('POST', path, body)
      const wait = Number(response.headers.get('retry-after'))
      const problem = await problemFrom(response, 429, 'quota_exceeded')
      expect(problem).toMatchObject({ limit, retryable: true })
      expect(wait).toBe(Math.ceil((problem.retryAfterMs ?? Number.NaN) / 1_000))
      expect(wait).toBeGreaterThan(0)
      expect(wait).toBeLessThanOrEqual(period === 'day' ? DAY_S : 31 * DAY_S)
    }
    await untouched(guest, conversationId, tag)
  })

  test('L4 is refused for a conversation that would begin with it, and none is created', async () => {
    const { guest, conversationId, limit } = await afterOneTurn()
    // Another conversation cannot know what this one has not told yet.
    await tellAll(conversationId)
    const long = `${message(unique(), 'text=no')} ${'word '.repeat(700)}`
    const response = await guest.request('POST', '/api/chat', { message: long })
    expect(await problemFrom(response, 429, 'quota_exceeded')).toMatchObject({ limit })
    const list = await (
      await guest.request('GET', '/api/conversations')
    ).json<{ conversations: { id: string }[] }>()
    expect(list.conversations.map(({ id }) => id)).toEqual([conversationId])
  })

  test('L5 is refused the same over a socket, which stays', async () => {
    const { guest, conversationId, limit } = await afterOneTurn()
    const socket = await guest.join(conversationId)
    const tag = unique()
    socket.send({ type: 'stream_chat', id: 'over', content: message(tag, 'text=no') })
    const error = await socket.next('error')
    expect(error).toMatchObject({ code: 'quota_exceeded', id: 'over', retryable: true, limit })
    expect(error.retryAfterMs).toBeGreaterThan(0)
    await socket.ping()
    await untouched(guest, conversationId, tag)
    expect(socket.all('message_accepted')).toEqual([])
  })
})

test('a quota of money does not hold back a model without a price', async () => {
  const guest = await guestWith('money')
  const { conversationId } = await guest.chat({ message: message(unique(), 'tokens=20') })
  const body = { conversationId, message: message(unique(), 'text=ok') }
  expect((await guest.request('POST', '/api/chat', body)).status).toBe(429)
  expect((await guest.request('POST', '/api/chat', { ...body, model: 'other-model' })).status).toBe(200)
})
