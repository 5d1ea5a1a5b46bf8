/**
 * What a conversation does while an operator has paused all turns: nothing is taken on, and nothing is left of it.
 */
import { expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { OWNER, PlainRoom, settle } from './plain-conversation.ts'

test.each([true, false])(
  'K2 a message is refused and leaves no trace, also where the pause is found out only now (turns counted: %s)',
  (counts) =>
    PlainRoom.run(async (room) => {
      room.counts = counts
      room.fresh = async () => {
        await Promise.resolve()
        room.paused = 'maintenance'
      }
      const joined = room.join()
      await expect(room.ask()).rejects.toMatchObject({ code: 'paused' })
      expect(room.conversation.page(undefined, 9).messages).toEqual([])
      // Looking and reserving go on beside each other: what was reserved is given back.
      const reserved = counts ? ['+c1', '-c1'] : []
      expect([room.join().seq, room.reserved, room.calls]).toEqual([joined.seq, reserved, []])

      room.fresh = () => undefined
      room.paused = null
      const number = await room.ask()
      await room.call.finish()
      expect(room.answer(number)).toMatchObject({ status: 'completed' })
    }),
)

test('O1 messages of one person keep their order while it is found out', () =>
  PlainRoom.run(async (room) => {
    room.counts = false
    let known: () => void = () => undefined
    room.fresh = () => new Promise<void>((resolve) => (known = resolve))
    const first = room.ask('first')
    room.fresh = () => undefined
    const second = room.ask('second')
    await settle()
    expect(room.conversation.page(undefined, 9).messages).toEqual([])
    known()
    expect([await first, await second]).toEqual([2, 4])
    expect(room.answer(1)).toMatchObject({ text: 'first' })
  }))

test('K2 an answer that has ended is not gone on with either', () =>
  PlainRoom.run(async (room) => {
    await room.ask()
    await room.call.say('Hello ', new AppError('model_error', 'It broke off.'))
    room.paused = 'maintenance'
    await expect(room.conversation.resume(OWNER, 't2')).rejects.toMatchObject({ code: 'paused' })
    expect([room.answer(2)?.status, room.reserved]).toEqual(['failed', ['+c1']])
  }))
