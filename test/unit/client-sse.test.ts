/**
 * The reader of server-sent events: the same events whatever the pieces and the line ends.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readSse, sseParser, type SseEvent } from '../../src/client/sse.ts'

const parse = (...pieces: string[]): SseEvent[] => {
  const parser = sseParser()
  return pieces.flatMap((piece) => parser(piece))
}

test('S1 S2 S4: fields, comments, several data lines and a lasting id', () => {
  expect(
    parse(': ping\n\nevent: a\nid: 1:0\ndata: x\ndata:y\n\ndata\n\nevent: lost\n\nretry: 5\ndata: z'),
  ).toEqual([
    { type: 'a', data: 'x\ny', id: '1:0' },
    { type: 'message', data: '', id: '1:0' },
  ])
})

test('a byte order mark at the beginning is not part of the first field', () => {
  expect(parse('\uFEFFdata: x\n\n')).toEqual([{ type: 'message', data: 'x', id: '' }])
})

const line = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n\0]/g, ''))
const event = fc.record({
  type: line.filter((text) => text !== ''),
  data: fc.array(line, { minLength: 1 }),
  id: line,
})

test('any split into pieces and any line end give the same events', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 6 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      async (events, end, sizes) => {
        const text = events
          .map(({ type, data, id }) => {
            const lines = [`event: ${type}`, `id: ${id}`, ...data.map((part) => `data: ${part}`), '']
            return lines.map((one) => one + end).join('')
          })
          .join('')
        // Split at bytes, so that characters are cut, too.
        const bytes = new TextEncoder().encode(text)
        const body = new ReadableStream<Uint8Array>({
          start(controller) {
            let at = 0
            while (at < bytes.length) {
              const size = sizes.next().value as number
              controller.enqueue(bytes.slice(at, at + size))
              at += size
            }
            controller.close()
          },
        })
        const read: SseEvent[] = []
        for await (const one of readSse(body)) read.push(one)
        expect(read).toEqual(events.map(({ type, data, id }) => ({ type, data: data.join('\n'), id })))
      },
    ),
  )
})

test('T1: leaving the loop cancels the body', async () => {
  let cancelled = false
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
    cancel: () => void (cancelled = true),
  })
  for await (const _ of readSse(body)) break
  expect(cancelled).toBe(true)
})
