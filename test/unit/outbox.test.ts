/**
 * The outbox over a list and a gate: what was told, in which order, and what happens when the receiver fails or the
 * conversation goes on meanwhile.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Outbox, RETRY_FIRST_MS, RETRY_MOST_MS } from '../../src/conversation/outbox.ts'

/** A log whose newest entry is to be told, and a receiver that answers when the test says so. */
function setUp() {
  const told: number[] = []
  const reported: unknown[] = []
  const calls: { entry: number; resolve: () => void; reject: (error: Error) => void }[] = []
  const state = { seq: 0, settled: 0, atOnce: 0, most: 0 }
  const outbox = new Outbox<number>({
    pending: () => (state.settled < state.seq ? { entry: state.seq, upTo: state.seq } : null),
    async deliver(entry) {
      state.most = Math.max(state.most, ++state.atOnce)
      try {
        await new Promise<void>((resolve, reject) => calls.push({ entry, resolve, reject }))
        told.push(entry)
      } finally {
        state.atOnce--
      }
    },
    settle: (upTo) => {
      state.settled = upTo
    },
    report: (error) => reported.push(error),
  })
  const answer = async (error?: Error): Promise<void> => {
    await settled()
    const call = calls.shift()
    if (error) call?.reject(error)
    else call?.resolve()
  }
  return { outbox, state, told, reported, calls, answer }
}

/** Lets everything run that waits only for settled promises. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('the outbox', () => {
  test('tells nothing when all is told', async () => {
    const { outbox, calls } = setUp()
    expect(await outbox.drain()).toBe(true)
    expect(calls).toEqual([])
  })

  test('tells what happened, and settles it only when the receiver has it', async () => {
    const { outbox, state, answer } = setUp()
    state.seq = 3
    const draining = outbox.drain()
    expect(state.settled).toBe(0)
    await answer()
    expect(await draining).toBe(true)
    expect(state.settled).toBe(3)
  })

  test('goes on with what happened while it told', async () => {
    const { outbox, state, told, answer } = setUp()
    state.seq = 1
    const draining = outbox.drain()
    await settled()
    state.seq = 2
    await answer()
    await answer()
    expect(await draining).toBe(true)
    expect(told).toEqual([1, 2])
    expect(state.settled).toBe(2)
  })

  test('makes one delivery at a time, and callers who come meanwhile share it', async () => {
    const { outbox, state, answer } = setUp()
    state.seq = 1
    const all = [outbox.drain(), outbox.drain(), outbox.drain()]
    await answer()
    expect(await Promise.all(all)).toEqual([true, true, true])
    expect(state.most).toBe(1)
  })

  test('settles nothing and reports when the receiver fails, and tells it at the next call', async () => {
    const { outbox, state, told, reported, answer } = setUp()
    state.seq = 1
    const failing = outbox.drain()
    const error = new Error('down')
    await answer(error)
    expect(await failing).toBe(false)
    expect(state.settled).toBe(0)
    expect(reported).toEqual([error])
    const again = outbox.drain()
    await answer()
    expect(await again).toBe(true)
    expect(told).toEqual([1])
  })

  test('waits twice as long after each failure, up to a limit, and not at all after a success', async () => {
    const { outbox, state, answer } = setUp()
    expect(outbox.retryInMs).toBeNull()
    state.seq = 1
    const waits: (number | null)[] = []
    for (let i = 0; i < 12; i++) {
      const draining = outbox.drain()
      await answer(new Error('down'))
      await draining
      waits.push(outbox.retryInMs)
    }
    expect(waits.slice(0, 4)).toEqual([1, 2, 4, 8].map((factor) => factor * RETRY_FIRST_MS))
    expect(waits.at(-1)).toBe(RETRY_MOST_MS)
    const draining = outbox.drain()
    await answer()
    await draining
    expect(outbox.retryInMs).toBeNull()
  })

  test.each([0, 1, 2, 3, 4, 5, 6])(
    'loses nothing that is said %i microtasks after a delivery, about when it finishes',
    async (microtasks) => {
      const { outbox, state, told, calls, answer } = setUp()
      state.seq = 1
      void outbox.drain()
      await settled()
      calls.shift()?.resolve()
      for (let i = 0; i < microtasks; i++) await Promise.resolve()
      state.seq = 2
      void outbox.drain()
      for (let i = 0; i < 3; i++) await answer()
      await settled()
      expect(told.at(-1)).toBe(2)
      expect(state.settled).toBe(2)
    },
  )

  test('whatever happens in whatever order, it ends by telling the newest, and never an older after a newer', async () => {
    const steps = fc.array(fc.constantFrom('event', 'drain', 'succeed', 'fail', 'wait'), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const { outbox, state, told, answer } = setUp()
        for (const step of list) {
          if (step === 'event') state.seq++
          else if (step === 'drain') void outbox.drain()
          else if (step === 'succeed') await answer()
          else if (step === 'fail') await answer(new Error('down'))
          else await settled()
        }
        for (let i = 0; i < 60; i++) {
          void outbox.drain()
          await answer()
        }
        expect(state.settled).toBe(state.seq)
        expect(told).toEqual(told.toSorted((a, b) => a - b))
        expect(state.most).toBeLessThanOrEqual(1)
      }),
      { numRuns: 60 },
    )
  })
})
