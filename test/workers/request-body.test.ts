/**
 * What the body of a request may be: how large, of which type, and of which form; or that there is none.
 */
import { describe, expect, test } from 'vitest'
import { ERRORS } from '../../src/errors.ts'
import { askWith, problemFrom } from './http-checks.ts'
import { Guest, ask } from './worker-guest.ts'

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

describe('a body', () => {
  const LIMIT = 1024 * 1024
  const tooMuch = 'x'.repeat(LIMIT + 1)

  test('is taken up to the limit, and not beyond, whether its length is told or not', async () => {
    const guest = await Guest.arrive()
    const headers = { authorization: `Bearer ${guest.token}`, 'content-type': 'application/json' }
    const send = (body: BodyInit): Promise<Response> => ask('/api/chat', { method: 'POST', headers, body })
    const streamed = (text: string): ReadableStream<Uint8Array> =>
      new Blob([text]).stream() as ReadableStream<Uint8Array>
    const body = (chars: number): string => JSON.stringify({ message: 'x'.repeat(chars - 14) })
    for (const make of [(text: string) => text, streamed]) {
      await problemFrom(await send(make(tooMuch)), 413, 'payload_too_large')
      const fits = await problemFrom(await send(make(body(LIMIT))), 422, 'validation_failed')
      expect(fits.field).toBe('message')
    }
  })

  test('may be smaller by configuration', async () => {
    const response = await askWith(
      { MAX_BODY_BYTES: '2000' },
      '/api/chat',
      json({ message: 'x'.repeat(2_000) }),
    )
    await problemFrom(response, 413, 'payload_too_large')
  })

  test.each([
    ['', 'invalid_json'],
    ['{', 'invalid_json'],
    ['{"message":"a"', 'invalid_json'],
    ['null', 'validation_failed'],
    ['[]', 'validation_failed'],
    ['"Hi"', 'validation_failed'],
    ['{"message":5}', 'validation_failed'],
  ] as const)('that is not what it should be is refused: %j', async (body, code) => {
    const guest = await Guest.arrive()
    const response = await guest.request('POST', '/api/chat', body)
    await problemFrom(response, ERRORS[code].status, code)
  })

  test('must say that it is JSON', async () => {
    const guest = await Guest.arrive()
    const send = (type: string): Promise<Response> =>
      guest.request('POST', '/api/conversations', '{"title":"a"}', { 'content-type': type })
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      'text/json',
    ]) {
      await problemFrom(await send(type), 415, 'unsupported_media_type')
    }
    for (const type of [
      'application/json',
      'Application/JSON; charset=utf-8',
      'application/json ;charset=utf-8',
    ]) {
      expect((await send(type)).status).toBe(201)
    }
  })

  test('may be left out where nothing in it is needed', async () => {
    const guest = await Guest.arrive()
    expect((await guest.request('POST', '/api/conversations')).status).toBe(201)
    const chat = await problemFrom(await guest.request('POST', '/api/chat'), 422, 'validation_failed')
    expect(chat.field).toBe('message')
  })
})
