/**
 * The two wire forms besides JSON frames: deltas in short, and server-sent events. What one side writes the other reads
 * back, for any text.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SSE_HEARTBEAT, SseEncoder, parseLastEventId } from '../../src/codecs/sse.ts'
import { decodeCompactChunk, encodeCompactChunk } from '../../src/protocol/compact-chunk.ts'
import { serverFrame, type FrameOf, type ServerFrame } from '../../src/protocol/server-frames.ts'

const MOST = 999_999_999_999
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('', '1.2:', '{', '\n\n', 'a\r\nb', ':'),
)
const chunks: fc.Arbitrary<FrameOf<'stream_chunk'>> = fc.record({
  type: fc.constant('stream_chunk'),
  messageId: fc
    .oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: MOST }))
    .map((n) => `m${n}`),
  offset: fc.oneof(fc.nat(5_000), fc.nat(2 ** 31 - 1)),
  delta: text,
})

describe('the short form of a delta', () => {
  test('W3 is read back as it was written, for any message, offset and text', () => {
    fc.assert(
      fc.property(chunks, (chunk) => {
        const short = encodeCompactChunk(chunk)
        expect(decodeCompactChunk(short)).toEqual(chunk)
        expect(short.startsWith('{')).toBe(false)
      }),
    )
  })

  test('W3 costs at most a fifth of the JSON for a token in the middle of an answer', () => {
    const chunk = { type: 'stream_chunk', messageId: 'm120', offset: 4_000, delta: ' the' } as const
    expect(encodeCompactChunk(chunk)).toBe('3c.334: the')
    expect(encodeCompactChunk(chunk).length * 5).toBeLessThanOrEqual(JSON.stringify(chunk).length)
  })

  test.each([
    '',
    '{"type":"typing"}',
    'pong',
    '1:a',
    '1.2',
    '.2:a',
    '0.1:a',
    '1.:a',
    '-1.2:a',
    'A.1:b',
    ' 1.2:a',
  ])('W3 %j is not in this form', (other) => {
    expect(decodeCompactChunk(other)).toBeNull()
  })

  test('W3 reads any other text without failing', () => {
    fc.assert(
      fc.property(fc.string(), (any) => {
        const chunk = decodeCompactChunk(any)
        expect(chunk === null || encodeCompactChunk(chunk).length > 0).toBe(true)
      }),
    )
  })
})

/** Reads server-sent events as the HTML standard says, for one whole text. */
function readEvents(stream: string): { event: string; id: string; data: string }[] {
  return stream
    .split('\n\n')
    .slice(0, -1)
    .map((block) => {
      const fields: Record<string, string> = {}
      for (const line of block.split(/\r\n|\n|\r/)) {
        const colon = line.indexOf(':')
        fields[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, '')
      }
      return { event: fields['event'] ?? '', id: fields['id'] ?? '', data: fields['data'] ?? '' }
    })
}

const about = { turnId: 't2', messageId: 'm2', parentId: 'm1', at: '2026-11-20T10:00:00.000Z' }
const start = (seq: number, offset = 0): ServerFrame => ({
  type: 'stream_start',
  seq,
  ...about,
  attempt: 1,
  offset,
  agentId: 'default',
  model: 'test-model',
})
const chunk = (offset: number, delta: string): ServerFrame => ({
  type: 'stream_chunk',
  messageId: 'm2',
  offset,
  delta,
})
const complete = (seq: number, length: number): ServerFrame => ({
  type: 'stream_complete',
  seq,
  ...about,
  length,
  finishReason: 'stop',
  model: 'test-model',
})

describe('server-sent events', () => {
  test('S1 the event is the type of the frame and the data is the frame, whatever its text holds', () => {
    fc.assert(
      fc.property(fc.array(chunks, { maxLength: 8 }), (frames) => {
        const encoder = new SseEncoder()
        const events = readEvents(frames.map((frame) => encoder.encode(frame)).join(''))
        expect(events.map((event) => event.event)).toEqual(frames.map((frame) => frame.type))
        expect(events.map((event) => serverFrame.parse(JSON.parse(event.data)))).toEqual(frames)
      }),
    )
  })

  test('S2 the id is the last seq and the length of the text so far', () => {
    const encoder = new SseEncoder()
    const frames = [start(3), chunk(0, 'Hi'), chunk(2, ' 😀'), complete(4, 5)]
    const ids = readEvents(frames.map((frame) => encoder.encode(frame)).join('')).map((event) => event.id)
    expect(ids).toEqual(['3:0', '3:2', '3:5', '4:5'])
  })

  test('S2 O5 a new attempt sets the length back', () => {
    const encoder = new SseEncoder()
    const frames = [start(3), chunk(0, 'Hello'), start(4, 0), chunk(0, 'Yo')]
    const ids = readEvents(frames.map((frame) => encoder.encode(frame)).join('')).map((event) => event.id)
    expect(ids).toEqual(['3:0', '3:5', '4:0', '4:2'])
  })

  test('S3 a stream that goes on where another was cut counts on from there', () => {
    const encoder = new SseEncoder({ after: 3, have: 5 })
    expect(readEvents(encoder.encode(chunk(5, '!')))[0]?.id).toBe('3:6')
  })

  test('S3 an id is read back as it was given, and nothing else is one', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), fc.nat(2 ** 31 - 1), (after, have) => {
        expect(parseLastEventId(`${after}:${have}`)).toEqual({ after, have })
      }),
    )
    const others = [
      '',
      '3',
      '3:',
      ':5',
      '-1:2',
      '1.5:2',
      '3:5 ',
      '3:5\n',
      '3:5:7',
      'a:b',
      `${'9'.repeat(16)}:0`,
    ]
    expect(others.map(parseLastEventId)).toEqual(others.map(() => null))
  })

  test('S4 a heartbeat is a comment: no event comes of it', () => {
    expect(SSE_HEARTBEAT).toMatch(/^:[^\n]*\n\n$/)
  })
})
