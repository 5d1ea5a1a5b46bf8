/**
 * What D1 knows of conversations: told by them, in time and in order, also when it was down. D1 fails here for one
 * conversation at a time, by a trigger.
 */
import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { putConversation, removeConversation } from '../../src/storage/directory.ts'
import { breakD1, listOf } from './d1-directory.ts'
import { newConversation } from './started-conversation.ts'
import { Guest, alarmOf, message, model, stubOf, unique } from './worker-guest.ts'

/** As in vitest.config.ts. */
const WATCHDOG_MS = 120_000

describe('the list', () => {
  test('shows a conversation as soon as it was created, and not any more when it was deleted', async () => {
    const { guest, id } = await newConversation()
    expect(await listOf(guest)).toMatchObject([{ id, title: '', messageCount: 0, ownerId: guest.userId }])
    expect((await guest.request('DELETE', `/api/conversations/${id}`)).status).toBe(204)
    expect(await listOf(guest)).toEqual([])
  })

  test('is told of every turn: the first words for a title, the count and the time', async () => {
    const { guest, id } = await newConversation()
    const [before] = await listOf(guest)
    await guest.chat({ conversationId: id, message: `What is\nthis? ${message(unique(), 'text=ok')}` })
    await vi.waitUntil(async () => (await listOf(guest))[0]?.messageCount === 2, { timeout: 4_000 })
    const [after] = await listOf(guest)
    expect(after?.title.startsWith('What is this? ')).toBe(true)
    expect(Date.parse(after?.lastActivityAt ?? '')).toBeGreaterThanOrEqual(
      Date.parse(before?.lastActivityAt ?? ''),
    )
    expect(after).toEqual(await (await guest.request('GET', `/api/conversations/${id}`)).json())
  })

  test('a renaming is there when it is answered, and its title stays when more is said', async () => {
    const { guest, id } = await newConversation()
    await guest.request('PATCH', `/api/conversations/${id}`, { title: '  My   title ' })
    expect(await listOf(guest)).toMatchObject([{ title: 'My title' }])
    await guest.chat({ conversationId: id, message: message(unique(), 'text=ok') })
    await vi.waitUntil(async () => (await listOf(guest))[0]?.messageCount === 2, { timeout: 4_000 })
    expect(await listOf(guest)).toMatchObject([{ title: 'My title' }])
  })

  test('an entry that comes late never undoes a newer one', async () => {
    const { guest, id } = await newConversation()
    const [entry] = await listOf(guest)
    if (!entry) throw new Error('it is not listed')
    await putConversation(env.DB, { ...entry, title: 'new' }, 9)
    await putConversation(env.DB, { ...entry, title: 'old' }, 8)
    expect(await listOf(guest)).toMatchObject([{ id, title: 'new' }])
    await putConversation(env.DB, { ...entry, title: 'same seq, again' }, 9)
    expect(await listOf(guest)).toMatchObject([{ title: 'same seq, again' }])
    await removeConversation(env.DB, id)
    await removeConversation(env.DB, id)
    expect(await listOf(guest)).toEqual([])
  })
})

describe('when D1 is down', () => {
  test('a turn is answered all the same; an alarm tells D1 when it is back', async () => {
    const { guest, id } = await newConversation()
    const repair = await breakD1(id, 'INSERT')
    const socket = await guest.join(id)
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
    expect(await guest.messages(id)).toHaveLength(2)
    // The attempt that fails brings the alarm forward: from the watchdog's time to that of a first retry.
    await vi.waitUntil(async () => ((await alarmOf(id)) ?? Infinity) < Date.now() + 10_000, {
      timeout: 4_000,
    })
    expect(await listOf(guest)).toMatchObject([{ messageCount: 0 }])
    await repair()
    await runDurableObjectAlarm(stubOf(id))
    expect(await listOf(guest)).toMatchObject([{ messageCount: 2 }])
  })

  test('each failure makes the next wait longer', async () => {
    const { guest, id } = await newConversation()
    const repair = await breakD1(id, 'INSERT')
    const waits: number[] = []
    for (let i = 0; i < 5; i++) {
      const before = Date.now()
      await guest.request('PATCH', `/api/conversations/${id}`, { title: `Title ${i}` })
      waits.push(Math.round((((await alarmOf(id)) ?? 0) - before) / 1_000))
    }
    expect(waits).toEqual([1, 2, 4, 8, 16])
    await repair()
    await runDurableObjectAlarm(stubOf(id))
    expect(await listOf(guest)).toMatchObject([{ title: 'Title 4' }])
  })

  test('T4 a turn that runs is watched as closely as ever, however long D1 has been down', async () => {
    const { guest, id } = await newConversation()
    const repair = await breakD1(id, 'INSERT')
    // Nine failures: the next attempt is more than four minutes away.
    for (let i = 0; i < 9; i++) {
      await guest.request('PATCH', `/api/conversations/${id}`, { title: `Title ${i}` })
    }
    const gate = unique()
    const socket = await guest.join(id)
    await socket.chat(message(gate, `text=ok gate=${gate}`))
    await guest.request('PATCH', `/api/conversations/${id}`, { title: 'The tenth failure' })
    expect(((await alarmOf(id)) ?? Infinity) - Date.now()).toBeLessThanOrEqual(WATCHDOG_MS)
    await model.openGate(gate)
    await socket.next('stream_complete')
    await repair()
  })

  test('T1 a conversation is created and answered without D1, and listed later', async () => {
    const guest = await Guest.arrive()
    const key = unique()
    const first = await guest.chat({ message: message(unique(), 'text=ok'), idempotencyKey: key })
    const repair = await breakD1(first.conversationId, 'INSERT')
    const answer = await guest.chat({
      conversationId: first.conversationId,
      message: message(unique(), 'text=still'),
    })
    expect(answer.message.parts[0]?.text).toBe('still')
    await repair()
    await runDurableObjectAlarm(stubOf(first.conversationId))
    expect(await listOf(guest)).toMatchObject([{ messageCount: 4 }])
  })
})
