/**
 * Exact quotas through the real routes: what is admitted, what is refused and how, what comes back, and that neither a
 * repeat nor a delivery that is made again counts twice.
 */
import { abortAllDurableObjects, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { conversationPage } from '../../src/protocol/http.ts'
import { addUsage, usageOf as ledgerOf } from '../../src/storage/usage.ts'
import {
  costUsdOf,
  guestWith,
  limiterOf,
  quotaOf,
  rowsWrittenBy,
  tellAll,
  usageOf,
} from './limited-people.ts'
import { message, model, problemOf, stubOf, unique } from './worker-guest.ts'

describe('a quota of messages', () => {
  test('L6 of 200 turns at once over 20 conversations exactly 100 are admitted', async () => {
    const guest = await guestWith('hundred')
    const tag = unique()
    const ids = await Promise.all(Array.from({ length: 20 }, () => guest.createConversation('A title')))
    const answers = await Promise.all(
      ids.flatMap((conversationId) =>
        Array.from({ length: 10 }, async () => {
          const response = await guest.request('POST', '/api/chat', {
            conversationId,
            message: message(tag, 'text=ok'),
          })
          const body = await response.json<{ code?: string }>()
          return `${response.status} ${body.code ?? ''}`
        }),
      ),
    )
    expect(answers.filter((answer) => answer === '200 ')).toHaveLength(100)
    expect(answers.filter((answer) => answer === '429 quota_exceeded')).toHaveLength(100)
    expect((await model.calls()).filter((call) => call.lastUserMessage.includes(tag))).toHaveLength(100)
    await Promise.all(ids.map(tellAll))
    expect(await quotaOf(guest, 'messages_per_day')).toMatchObject({ used: 100, reserved: 0, remaining: 0 })
  }, 30_000)

  test('L4 says over HTTP which limit was reached and when it ends, and creates nothing', async () => {
    const guest = await guestWith('nothing')
    const response = await guest.request('POST', '/api/chat', { message: message(unique(), 'text=ok') })
    expect(response.status).toBe(429)
    const tomorrow = new Date(Math.ceil(Date.now() / 86_400_000) * 86_400_000).toISOString()
    const wait = Number(response.headers.get('retry-after'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(86_400)
    expect(await problemOf(response)).toMatchObject({
      code: 'quota_exceeded',
      retryable: true,
      limit: { name: 'messages_per_day', unit: 'messages', limit: 0, remaining: 0, resetAt: tomorrow },
    })
    const list = await guest.request('GET', '/api/conversations')
    expect(conversationPage.parse(await list.json()).conversations).toEqual([])
  })

  test('L5 says the same over a socket, which stays and accepts nothing', async () => {
    const guest = await guestWith('one')
    const id = await guest.createConversation('A title')
    const socket = await guest.join(id)
    const content = message(unique(), 'text=ok')
    await socket.chat(content, { id: 'first' })
    await socket.next('stream_complete')
    socket.send({ type: 'stream_chat', id: 'second', content: 'Once more' })
    expect(await socket.next('error')).toMatchObject({
      code: 'quota_exceeded',
      id: 'second',
      limit: { name: 'messages_per_day', limit: 1, remaining: 0 },
    })
    expect(await guest.messages(id)).toHaveLength(2)
    // What was accepted before is found again, quota or not (rule I3).
    expect(await socket.chat(content, { id: 'first' })).toMatchObject({ turnId: 't2', duplicate: true })
  })

  test('I3 L6 a repeat reserves nothing, even when both come at once', async () => {
    const guest = await guestWith('one')
    const id = await guest.createConversation('A title')
    const socket = await guest.join(id)
    const content = message(unique(), 'text=ok')
    for (let i = 0; i < 5; i++) socket.send({ type: 'stream_chat', id: 'same', content })
    await socket.until((frames) => frames.filter(({ type }) => type === 'message_accepted').length === 5)
    const accepted = socket.all('message_accepted')
    expect(new Set(accepted.map(({ turnId }) => turnId))).toEqual(new Set(['t2']))
    expect(accepted.map(({ duplicate }) => duplicate)).toEqual([false, true, true, true, true])
    expect(socket.all('error')).toEqual([])
  })
})

describe('a turn that ended', () => {
  test('L6 makes room at once for the next, and one that runs does not', async () => {
    const guest = await guestWith('single')
    const id = await guest.createConversation('A title')
    const socket = await guest.join(id)
    for (let i = 0; i < 5; i++) {
      await socket.chat(message(unique(), 'text=ok'))
      await socket.next('stream_complete')
    }
    const gate = unique()
    await socket.chat(message(gate, `gate=${gate} text=ok`))
    socket.send({ type: 'stream_chat', id: 'second', content: 'Too soon' })
    expect(await socket.next('error')).toMatchObject({
      code: 'quota_exceeded',
      id: 'second',
      retryAfterMs: 1_000,
      limit: { name: 'concurrent_turns', limit: 1, remaining: 0, resetAt: null },
    })
    await model.openGate(gate)
  })

  test('L7 counts what the provider says it used, in the quotas and in the ledger', async () => {
    const guest = await guestWith('hundred')
    const answer = await guest.chat({ message: message(unique(), 'tokens=20') })
    await tellAll(answer.conversationId)
    const usage = answer.message.usage
    if (!usage) throw new Error('nothing was used')
    const total = usage.inputTokens + usage.outputTokens
    expect(await quotaOf(guest, 'tokens_per_day')).toMatchObject({ used: total, reserved: 0 })
    const { days, plan } = await usageOf(guest)
    expect(plan).toBe('hundred')
    const day = new Date().toISOString().slice(0, 10)
    expect(days).toEqual([{ day, messages: 1, ...usage, costUsd: costUsdOf(usage) }])
  })

  test('L7 gives everything back when it failed before its first word', async () => {
    const guest = await guestWith('hundred')
    const id = await guest.createConversation('A title')
    const failing = { conversationId: id, message: message(unique(), 'status=401') }
    expect((await guest.request('POST', '/api/chat', failing)).status).toBe(502)
    await tellAll(id)
    for (const name of ['messages_per_day', 'tokens_per_day', 'concurrent_turns'] as const)
      expect(await quotaOf(guest, name)).toMatchObject({ used: 0, reserved: 0 })
    expect((await usageOf(guest)).days).toEqual([])
  })

  test('L7 counts an estimate of what it wrote when it was stopped', async () => {
    const guest = await guestWith('hundred')
    const id = await guest.createConversation('A title')
    const gate = unique()
    const socket = await guest.join(id)
    const { turnId } = await socket.chat(message(gate, `tokens=100 gate=${gate} after=40`))
    await socket.until(() => socket.all('stream_chunk').reduce((n, f) => n + f.delta.length, 0) === 160)
    expect(await quotaOf(guest, 'concurrent_turns')).toMatchObject({ reserved: 1 })
    socket.send({ type: 'stop_stream', turnId })
    await socket.next('stream_stopped')
    await tellAll(id)
    const [day] = (await usageOf(guest)).days
    expect(day).toMatchObject({ messages: 1 })
    expect(day?.outputTokens).toBeGreaterThan(0)
    expect(day?.inputTokens).toBeGreaterThan(0)
    expect(await quotaOf(guest, 'concurrent_turns')).toMatchObject({ reserved: 0 })
  })

  test('L7 is settled when its conversation is deleted before it was told', async () => {
    const guest = await guestWith('hundred')
    const id = await guest.createConversation('A title')
    const gate = unique()
    const socket = await guest.join(id)
    await socket.chat(message(gate, `tokens=100 gate=${gate} after=40`))
    await socket.chat(message(unique(), 'text=waiting'))
    expect(await quotaOf(guest, 'concurrent_turns')).toMatchObject({ reserved: 2 })
    expect((await guest.request('DELETE', `/api/conversations/${id}`)).status).toBe(204)
    expect(await quotaOf(guest, 'concurrent_turns')).toMatchObject({ reserved: 0 })
    expect(await quotaOf(guest, 'messages_per_day')).toMatchObject({ used: 1 })
  })

  test('L10 counts once, however often it is told', async () => {
    const guest = await guestWith('hundred')
    const limiter = limiterOf(guest.userId)
    const facts = { kind: 'guest', plan: 'hundred' } as const
    expect(await limiter.reserve('c/1', facts, { messages: 1, tokens: 50 })).toBeNull()
    const told = [{ key: 'c/1', truth: { messages: 1, tokens: 30 } }]
    for (let i = 0; i < 3; i++) await limiter.settleAll(told)
    expect(await quotaOf(guest, 'tokens_per_day')).toMatchObject({ used: 30, reserved: 0 })

    const entry = {
      userId: guest.userId,
      conversationId: 'c',
      agentId: 'default',
      model: 'm',
      at: Date.now(),
      messages: 1,
      inputTokens: 3,
      outputTokens: 5,
      micros: 7,
      priced: true,
    }
    const first = { ...entry, seq: 3 }
    const second = { ...entry, seq: 6 }
    await addUsage(env.DB, [first])
    await addUsage(env.DB, [first, second])
    await addUsage(env.DB, [first, second])
    expect(await ledgerOf(env.DB, guest.userId, '2000-01-01')).toMatchObject([
      { messages: 2, inputTokens: 6, outputTokens: 10, costUsd: 14e-6 },
    ])
  })

  test('L10 is told again after a death between the delivery and its mark, and counts once', async () => {
    const guest = await guestWith('hundred')
    const answer = await guest.chat({ message: message(unique(), 'tokens=20') })
    await tellAll(answer.conversationId)
    const before = await usageOf(guest)
    await runInDurableObject(stubOf(answer.conversationId), (_object, { storage }) =>
      storage.sql.exec('UPDATE marks SET delivered = -1').toArray(),
    )
    await abortAllDurableObjects()
    await tellAll(answer.conversationId)
    expect(await usageOf(guest)).toEqual(before)
  })
})

describe('rows', () => {
  test('one is written to reserve a turn and one to settle it, none for a repeat or a refusal', async () => {
    const guest = await guestWith('one')
    const limiter = limiterOf(guest.userId)
    const facts = { kind: 'guest' } as const
    const rows = (work: () => Promise<unknown>) => rowsWrittenBy(guest.userId, work)
    expect(await rows(() => limiter.reserve('c/1', facts, { messages: 1, tokens: 50 }))).toBe(1)
    expect(await rows(() => limiter.reserve('c/1', facts, { messages: 1, tokens: 50 }))).toBe(0)
    expect(await rows(() => limiter.reserve('c/2', facts, { messages: 1 }))).toBe(0)
    expect(await rows(() => limiter.settleAll([{ key: 'c/1', truth: { messages: 1, tokens: 5 } }]))).toBe(1)
    expect(await rows(() => limiter.settleAll([{ key: 'c/1', truth: { messages: 1, tokens: 5 } }]))).toBe(0)
    expect(await rows(() => limiter.release('c/1'))).toBe(0)
  })
})
