/**
 * The one error table and what is made from it: every status that clients are promised, close codes that a socket may
 * carry, errors that survive a crossing, and zod's findings as errors that name their field.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type * as z from 'zod'
import { AppError, ERRORS, unwrap, type ErrorCode } from '../../src/errors.ts'
import { joinConversation } from '../../src/protocol/client-frames.ts'
import { fieldError } from '../../src/protocol/field-error.ts'
import * as http from '../../src/protocol/http.ts'
import { MAX_CONTENT_CHARS } from '../../src/protocol/limits.ts'

const codes = Object.keys(ERRORS) as ErrorCode[]
const rows = Object.values(ERRORS)

describe('the error table', () => {
  test('has every status that is promised', () => {
    const statuses = new Set(rows.map((row) => row.status))
    const promised = [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504]
    expect([...statuses].toSorted((a, b) => a - b)).toEqual(promised)
  })

  test('C3 has close codes that an application may send, and never one that is reserved', () => {
    for (const { closeCode } of rows) {
      expect(closeCode === 1011 || (closeCode >= 4000 && closeCode <= 4999)).toBe(true)
    }
    const { unauthorized, not_found, conversation_deleted } = ERRORS
    expect([unauthorized, not_found, conversation_deleted].map((row) => row.closeCode)).toEqual([
      4401, 4404, 4410,
    ])
  })

  test('calls an error retryable only where the same request can fare better', () => {
    for (const row of rows.filter(({ status }) => status < 429)) expect(row.retryable).toBe(false)
    expect(ERRORS.queue_full.retryable && ERRORS.internal.retryable && ERRORS.model_timeout.retryable).toBe(
      true,
    )
  })

  test('has short titles that tell codes apart', () => {
    expect(new Set(rows.map((row) => row.title)).size).toBe(codes.length)
    for (const { title } of rows) expect(title.length).toBeLessThan(60)
  })
})

describe('an error', () => {
  const options = fc.record(
    { field: fc.string(), retryAfterMs: fc.nat(), retryable: fc.boolean() },
    { requiredKeys: [] },
  )

  test('E1 is the same after a crossing that leaves only plain values', () => {
    fc.assert(
      fc.property(fc.constantFrom(...codes), fc.string(), options, (code, detail, more) => {
        const error = new AppError(code, detail, more)
        const shape = JSON.parse(JSON.stringify(error.toShape())) as ReturnType<AppError['toShape']>
        const again = AppError.fromShape(shape)
        expect(again.toShape()).toEqual(error.toShape())
        expect(again.status).toBe(ERRORS[code].status)
        expect(() => unwrap({ ok: false, error: shape })).toThrow(again)
      }),
    )
  })

  test('E4 keeps its cause to itself', () => {
    const error = new AppError('internal', 'Sorry.', { cause: new Error('secret') })
    expect(JSON.stringify(error.toShape())).not.toContain('secret')
  })
})

describe('what zod finds', () => {
  const errorOf = (shape: z.ZodType, input: unknown): AppError => {
    const result = shape.safeParse(input)
    if (result.success) throw new Error('it was accepted')
    return fieldError(result.error)
  }

  test.each([
    [http.chatBody, {}, 'message', 'The field "message" is required.'],
    [http.chatBody, { message: 'a', modle: 'b' }, 'modle', 'The field "modle" is not known here.'],
    [http.chatBody, { message: '' }, 'message', 'The field "message" is empty.'],
    [http.chatBody, { message: ' \n\t ' }, 'message', 'The field "message" is empty.'],
    [http.chatBody, { message: 'a\u0000' }, 'message', 'The field "message" holds a NUL character.'],
    [http.chatBody, { message: '\uD83D' }, 'message', 'The field "message" holds half a surrogate pair.'],
    [http.listMessagesQuery, { limit: '0' }, 'limit', 'The field "limit" must be from 1 to 200.'],
    [http.listMessagesQuery, { limit: '1e2' }, 'limit', 'The field "limit" must be a whole number.'],
    [http.listMessagesQuery, { limit: '' }, 'limit', 'The field "limit" must be a whole number.'],
    [http.stopBody, { turnId: 'm2' }, 'turnId', 'The field "turnId" must be a turn id such as "t13".'],
    [
      joinConversation,
      { type: 'join_conversation', after: 1, have: { messageId: 'm2', offset: -1 } },
      'have.offset',
      expect.stringContaining('The field "have.offset" is invalid'),
    ],
    [http.chatBody, { message: 5 }, 'message', expect.stringContaining('The field "message" is invalid')],
    [http.chatBody, [], undefined, expect.stringContaining('The input is invalid')],
  ] as const)('E1 %# names the field at fault', (shape, input, field, detail) => {
    expect(errorOf(shape, input)).toMatchObject({ code: 'validation_failed', field, message: detail })
  })

  test('E1 a message that is too long is told the limit', () => {
    expect(errorOf(http.chatBody, { message: 'a'.repeat(MAX_CONTENT_CHARS + 1) }).message).toContain('32000')
    expect(http.chatBody.safeParse({ message: 'a'.repeat(MAX_CONTENT_CHARS) }).success).toBe(true)
  })

  test('an answer stays short whatever was sent', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 5_000 }), (key) => {
        fc.pre(!(key in http.chatBody.shape) && key !== '__proto__')
        const error = errorOf(http.chatBody, { message: 'a', [key]: 1 })
        expect(error.message.length + (error.field?.length ?? 0)).toBeLessThan(200)
      }),
    )
  })
})
