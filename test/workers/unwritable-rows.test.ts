/**
 * Turns whose rows cannot be written: text on its way, or the end itself. Each ends all the same, and the next one runs.
 * The database refuses by a trigger; the watchdog's alarm is called by the test.
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { endings } from './frame-reading.ts'
import { newConversation } from './started-conversation.ts'
import { message, model, stubOf, unique } from './worker-guest.ts'

describe('a row that cannot be written', () => {
  test('T3 an answer that cannot be stored on its way ends as failed, and the next one runs', async () => {
    const { guest, id } = await newConversation('A title')
    await runInDurableObject(stubOf(id), (_, { storage }) => {
      storage.sql.exec(
        "CREATE TRIGGER full BEFORE INSERT ON chunks BEGIN SELECT RAISE(ABORT, 'disk is full'); END",
      )
    })
    const tag = unique()
    const socket = await guest.join(id)
    await socket.chat(message(tag, 'tokens=2000 delay=1'))
    const failed = await socket.next('stream_failed')
    expect(failed.error).toMatchObject({ code: 'internal' })
    expect(JSON.stringify(failed)).not.toContain('disk')
    await model.wait({ match: tag, state: 'aborted' })
    await runInDurableObject(stubOf(id), (_, { storage }) => void storage.sql.exec('DROP TRIGGER full'))
    await socket.chat(message(unique(), 'text=ok'))
    await socket.next('stream_complete')
  })

  test('T4 a turn whose end cannot be written is taken up by the watchdog', async () => {
    const { guest, id } = await newConversation('A title')
    const gate = unique()
    const socket = await guest.join(id)
    await socket.chat(message(gate, `text=lost gate=${gate}`))
    await runInDurableObject(stubOf(id), (_, { storage }) => {
      storage.sql.exec(
        "CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'disk is full'); END",
      )
    })
    await model.openGate(gate)
    await model.wait({ match: gate, state: 'finished' })
    // Its text is shown, and its end is not.
    await socket.next('stream_chunk')
    await socket.settle()
    expect(endings(socket.received)).toEqual([])
    await runInDurableObject(stubOf(id), (_, { storage }) => void storage.sql.exec('DROP TRIGGER full'))
    expect(await runDurableObjectAlarm(stubOf(id))).toBe(true)
    await socket.until((frames) => endings(frames).length === 1)
    expect(['completed', 'interrupted']).toContain((await guest.messages(id)).at(-1)?.status)
  })
})
