/**
 * What a socket may say: the frames of the protocol and nothing else. Whatever arrives, the answer is a frame or an
 * error of the table, never anything that nobody expected.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { errorFrame, parseFrame } from '../../src/conversation/frame-intake.ts'
import { AppError, ERRORS } from '../../src/errors.ts'
import { MAX_CONTENT_CHARS, MAX_FRAME_BYTES } from '../../src/protocol/limits.ts'
import { serverFrame } from '../../src/protocol/server-frames.ts'

/** The frame, or the error that it is answered with, and the id by which the error names the message. */
function parse(data: string | ArrayBuffer): { frame?: unknown; error?: AppError; id?: string } {
  let id: string | undefined
  const found = (value: string): void => {
    id = value
  }
  try {
    return { frame: parseFrame(data, found), ...(id !== undefined && { id }) }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { error, ...(id !== undefined && { id }) }
  }
}

const say = (frame: object): ReturnType<typeof parse> => parse(JSON.stringify(frame))

describe('a frame', () => {
  test.each([
    { type: 'join_conversation' },
    { type: 'join_conversation', after: 0, have: { messageId: 'm2', offset: 0 }, compact: true },
    { type: 'leave_conversation' },
    { type: 'stream_chat', id: 'a-1', content: 'Hi' },
    { type: 'stream_chat', id: 'a', content: 'Hi', parentId: null, agentId: 'default', priority: 'urgent' },
    { type: 'stream_chat', id: 'A_z.0:9-', content: '😀', parentId: 'm2' },
    { type: 'stop_stream', turnId: 't2' },
    { type: 'typing' },
    { type: 'typing', active: false },
  ])('W2 is taken as it is: %j', (frame) => {
    expect(say(frame).frame).toEqual(frame)
  })

  test.each([
    ['{', 'invalid_json', undefined],
    ['', 'invalid_json', undefined],
    ['ping ', 'invalid_json', undefined],
    ['null', 'invalid_frame', 'type'],
    ['[]', 'invalid_frame', 'type'],
    ['"typing"', 'invalid_frame', 'type'],
    ['{}', 'invalid_frame', 'type'],
    ['{"type":"stream_chunk"}', 'invalid_frame', 'type'],
    ['{"type":["typing"]}', 'invalid_frame', 'type'],
    ['{"type":"typing","x":1}', 'validation_failed', 'x'],
    ['{"type":"typing","__proto__":1}', 'validation_failed', '__proto__'],
    ['{"type":"typing","active":"yes"}', 'validation_failed', 'active'],
    ['{"type":"stop_stream"}', 'validation_failed', 'turnId'],
    ['{"type":"stop_stream","turnId":"t0"}', 'validation_failed', 'turnId'],
    ['{"type":"stop_stream","turnId":"2"}', 'validation_failed', 'turnId'],
    ['{"type":"join_conversation","after":-1}', 'validation_failed', 'after'],
    ['{"type":"join_conversation","after":1.5}', 'validation_failed', 'after'],
    ['{"type":"join_conversation","after":9007199254740993}', 'validation_failed', 'after'],
    ['{"type":"join_conversation","have":{"messageId":"m2"}}', 'validation_failed', 'have.offset'],
    ['{"type":"stream_chat","content":"a"}', 'validation_failed', 'id'],
    ['{"type":"stream_chat","id":"","content":"a"}', 'validation_failed', 'id'],
    ['{"type":"stream_chat","id":"a b","content":"a"}', 'validation_failed', 'id'],
    ['{"type":"stream_chat","id":"a"}', 'validation_failed', 'content'],
    ['{"type":"stream_chat","id":"a","content":" \\n"}', 'validation_failed', 'content'],
    ['{"type":"stream_chat","id":"a","content":"\\u0000"}', 'validation_failed', 'content'],
    ['{"type":"stream_chat","id":"a","content":"\\ud83d"}', 'validation_failed', 'content'],
    ['{"type":"stream_chat","id":"a","content":"b","priority":"asap"}', 'validation_failed', 'priority'],
    ['{"type":"stream_chat","id":"a","content":"b","parentId":"t2"}', 'validation_failed', 'parentId'],
    ['{"type":"stream_chat","id":"a","content":"b","agentId":"../x"}', 'validation_failed', 'agentId'],
  ])('E1 W2 %s is refused: %s, %s', (text, code, field) => {
    expect(parse(text).error).toMatchObject({ code, field })
  })

  test('W2 binary is refused', () => {
    const bytes = new Uint8Array(new TextEncoder().encode('{"type":"typing"}'))
    expect(parse(bytes.buffer).error?.code).toBe('invalid_frame')
  })

  test('I2 a client id has at most 128 characters', () => {
    expect(say({ type: 'stream_chat', id: 'a'.repeat(128), content: 'a' }).frame).toBeDefined()
    expect(say({ type: 'stream_chat', id: 'a'.repeat(129), content: 'a' }).error?.field).toBe('id')
  })

  test.each([
    ['one byte each', 'a'],
    ['two bytes each', 'é'],
    ['three bytes each', '文'],
    ['four bytes for two code units', '😀'],
  ])('W2 has at most 64 KiB of UTF-8, counted in bytes: %s', (_, char) => {
    const ofBytes = (bytes: number): string => {
      const [head, tail] = ['{"type":"', '"}']
      const room = bytes - head.length - tail.length
      const size = new TextEncoder().encode(char).byteLength
      return head + char.repeat(Math.floor(room / size)) + 'x'.repeat(room % size) + tail
    }
    expect(new TextEncoder().encode(ofBytes(MAX_FRAME_BYTES)).byteLength).toBe(MAX_FRAME_BYTES)
    expect(parse(ofBytes(MAX_FRAME_BYTES)).error?.code).toBe('invalid_frame')
    expect(parse(ofBytes(MAX_FRAME_BYTES + 1)).error?.code).toBe('frame_too_large')
  })

  test('E1 a content that is too long is told the limit', () => {
    const { error, id } = say({ type: 'stream_chat', id: 'c1', content: 'a'.repeat(MAX_CONTENT_CHARS + 1) })
    expect(error).toMatchObject({ code: 'validation_failed', field: 'content' })
    expect(error?.message).toContain(String(MAX_CONTENT_CHARS))
    expect(id).toBe('c1')
  })

  test('E1 a refusal names the message that was refused, as far as its id can be read', () => {
    expect(say({ type: 'stream_chat', id: 'c1', content: '' }).id).toBe('c1')
    expect(say({ type: 'stream_chat', id: 'x'.repeat(5_000), content: '' }).id?.length).toBe(128)
    expect(say({ type: 'stream_chat', id: 7, content: '' }).id).toBeUndefined()
  })

  test('E1 whatever arrives is a frame or an error of the table', () => {
    const likely = fc.record(
      {
        type: fc.constantFrom(
          'join_conversation',
          'stream_chat',
          'stop_stream',
          'typing',
          'leave_conversation',
        ),
        id: fc.oneof(fc.string(), fc.anything()),
        content: fc.oneof(fc.string({ unit: 'binary' }), fc.anything()),
        turnId: fc.anything(),
        after: fc.anything(),
        have: fc.anything(),
      },
      { requiredKeys: ['type'] },
    )
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      likely.map((frame) => JSON.stringify(frame)),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const { frame, error } = parse(text)
        expect(frame !== undefined || error !== undefined).toBe(true)
        if (error) expect(Object.keys(ERRORS)).toContain(error.code)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('an error frame', () => {
  test('E1 is one of the protocol, with all that is known', () => {
    const error = new AppError('queue_full', 'Full.', { retryAfterMs: 500 })
    const frame = errorFrame(error, 'r1', 'c1')
    expect(serverFrame.parse(frame)).toEqual(frame)
    expect(frame).toEqual({
      type: 'error',
      code: 'queue_full',
      title: ERRORS.queue_full.title,
      detail: 'Full.',
      retryable: true,
      retryAfterMs: 500,
      id: 'c1',
    })
  })

  test('E4 of something unexpected tells the request id and nothing of it', () => {
    const frame = errorFrame(new TypeError('SELECT secret FROM users'), 'request-1')
    expect(frame).toMatchObject({ code: 'internal', retryable: true })
    expect(frame.detail).toContain('request-1')
    expect(JSON.stringify(frame)).not.toContain('secret')
  })
})
