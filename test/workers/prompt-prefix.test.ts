/**
 * What a model is sent begins alike from turn to turn, so that providers find it in their caches: the instructions first,
 * and each request a continuation of the one before, for many turns even when the whole history does not fit.
 */
import { expect, test } from 'vitest'
import { INSTRUCTIONS, PlainRoom } from './plain-conversation.ts'

/** `contextTokens` of a plain conversation are 10,000; these are about 50 with what surrounds them. */
const WORDS =
  'these are some forty five or so tokens of plain text that says nothing at all to anybody '.repeat(3)

/** Asks and is answered. @returns what the model was sent, one line for each message */
async function turn(room: PlainRoom, n: number): Promise<string[]> {
  await room.ask(`question ${n}: ${WORDS}`)
  const sent = room.call.request.messages.map(({ role, content }) => `${role} ${content}`)
  await room.call.say(`answer ${n}: ${WORDS}`)
  await room.call.finish()
  return sent
}

const goesOn = (before: readonly string[], after: readonly string[]): boolean =>
  before.every((line, index) => after[index] === line)

test('each request goes on from the one before', () =>
  PlainRoom.run(async (room) => {
    let before = await turn(room, 0)
    expect(before[0]).toBe(`system ${INSTRUCTIONS}`)
    for (let n = 1; n < 20; n++) {
      const after = await turn(room, n)
      expect(after).toHaveLength(before.length + 2)
      expect(goesOn(before, after)).toBe(true)
      before = after
    }
  }))

test('also when not all of the history fits, for many turns, and over a restart', () =>
  PlainRoom.run(async (room) => {
    let before = await turn(room, 0)
    let cut = 0
    let begins = 0
    for (let n = 1; n < 260; n++) {
      if (n === 200) await room.restart()
      const after = await turn(room, n)
      expect(after.at(-1)).toContain(`question ${n}:`)
      if (after.length < 2 * n + 2) {
        cut += 1
        if (!goesOn(before, after)) begins += 1
      }
      before = after
    }
    expect(cut).toBeGreaterThan(100)
    expect(cut / begins).toBeGreaterThan(7)
  }))

test('who overtakes a question that waits is asked with it, and with all before it', () =>
  PlainRoom.run(async (room) => {
    await room.ask('first')
    const [running] = room.calls
    await room.ask('second')
    await room.ask('third', { priority: 'urgent' })
    await running?.say('an answer')
    await running?.finish()
    const said = room.call.request.messages.map(({ content }) => content)
    expect(said).toEqual([INSTRUCTIONS, 'first', 'an answer', 'second', 'third'])
  }))
