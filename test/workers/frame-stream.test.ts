/**
 * Frames of one turn on their way out as server-sent events: whole however the bytes are cut, alive while nothing
 * happens, and ended when the caller or the conversation ends.
 */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { sseResponse } from '../../src/http/frame-stream.ts'
import type { ServerFrame } from '../../src/protocol/server-frames.ts'

const chunk = (offset: number, delta: string): ServerFrame => ({
  type: 'stream_chunk',
  messageId: 'm2',
  offset,
  delta,
})

const linesOf = (frames: readonly ServerFrame[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new TextEncoder().encode(frames.map((frame) => `${JSON.stringify(frame)}\n`).join('')))

function streamOf(pieces: readonly Uint8Array<ArrayBuffer>[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
}

const framesOf = (text: string): ServerFrame[] =>
  [...text.matchAll(/^data: ([^\n]*)$/gm)].map((match) => JSON.parse(match[1] ?? '') as ServerFrame)

describe('a stream of frames', () => {
  test('S1 arrives whole, wherever its bytes are cut', async () => {
    const deltas = fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { maxLength: 6 })
    const cuts = fc.array(fc.nat(1_000), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(deltas, cuts, async (texts, places) => {
        const frames = texts.map((delta, index) => chunk(index, delta))
        const bytes = linesOf(frames)
        const ends = [...places.map((at) => at % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b)
        const pieces = ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end))
        const response = sseResponse(streamOf(pieces), undefined)
        expect(framesOf(await response.text())).toEqual(frames)
      }),
      { numRuns: 200 },
    )
  })

  test('S1 begins with what it is given to begin with, and counts on from where it is told', async () => {
    const accepted = {
      type: 'message_accepted',
      id: 'a',
      messageId: 'm1',
      turnId: 't2',
      answerId: 'm2',
      duplicate: false,
    } as const
    const response = sseResponse(streamOf([linesOf([chunk(5, 'xy')])]), { after: 9, have: 5 }, [accepted])
    const text = await response.text()
    expect(framesOf(text)).toEqual([accepted, chunk(5, 'xy')])
    expect([...text.matchAll(/^id: (.*)$/gm)].map((match) => match[1])).toEqual(['9:5', '9:7'])
  })

  test('S1 is not to be cached, changed or held back on the way', () => {
    const { headers } = sseResponse(streamOf([]), undefined)
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(headers.get('cache-control')).toBe('no-cache, no-transform')
    expect(headers.get('x-accel-buffering')).toBe('no')
  })

  test('C4 is broken, not ended, when the conversation breaks', async () => {
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error('the process died')),
    })
    await expect(sseResponse(broken, undefined).text()).rejects.toThrow()
  })

  test('T1 lets the conversation know when the caller goes', async () => {
    let reason: unknown
    const frames = new ReadableStream<Uint8Array>({
      cancel(why) {
        reason = why
      },
    })
    await sseResponse(frames, undefined).body?.cancel('enough')
    expect(reason).toBe('enough')
  })
})

describe('while nothing happens', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const silent = (): ReadableStream<Uint8Array> => new ReadableStream()

  test('S4 a comment goes out every 15 seconds', async () => {
    const reader = sseResponse(silent(), undefined).body?.pipeThrough(new TextDecoderStream()).getReader()
    for (let beat = 0; beat < 3; beat++) {
      const next = reader?.read()
      await vi.advanceTimersByTimeAsync(15_000)
      expect(await next).toEqual({ done: false, value: ': ping\n\n' })
    }
    await reader?.cancel()
  })

  test('S4 and no longer when the caller has gone, or the stream has ended', async () => {
    const response = sseResponse(silent(), undefined)
    expect(vi.getTimerCount()).toBe(1)
    await response.body?.cancel()
    expect(vi.getTimerCount()).toBe(0)
    await sseResponse(streamOf([linesOf([chunk(0, 'a')])]), undefined).text()
    expect(vi.getTimerCount()).toBe(0)
  })
})
