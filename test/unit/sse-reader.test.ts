/**
 * The reader of server-sent events: the standard's rules, and the same events however the network cuts the bytes.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SseOverflowError, SseReader } from '../../src/models/sse-reader.ts'
import type { SseEvent } from '../../src/models/sse-reader.ts'

const encoder = new TextEncoder()

function readAll(chunks: readonly Uint8Array[]): SseEvent[] {
  const reader = new SseReader()
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.end()]
}

function read(text: string): SseEvent[] {
  return readAll([encoder.encode(text)])
}

function dataOf(events: readonly SseEvent[]): string[] {
  return events.map((event) => event.data)
}

/** The standard's algorithm as one would write it down for a text that is there as a whole. */
function expectedEvents(bytes: Uint8Array): SseEvent[] {
  const events: SseEvent[] = []
  let data: string[] = []
  let name = ''
  // A last line without its end counts, and so does the event that it belongs to.
  for (const line of [...new TextDecoder().decode(bytes).split(/\r\n|\r|\n/), '']) {
    if (line === '') {
      if (data.length > 0) events.push({ event: name || undefined, data: data.join('\n') })
      data = []
      name = ''
      continue
    }
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/su.exec(line) ?? []
    if (field === 'data') data.push(value)
    if (field === 'event') name = value
  }
  return events
}

function cutAt(bytes: Uint8Array, positions: readonly number[]): Uint8Array[] {
  const cuts = [0, ...positions.map((n) => n % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end))
}

const SAMPLE = encoder.encode(
  '\uFEFF: hello\r\ndata: é€😀\r\n\r\nevent: error\ndata:{"a":1}\ndata\ndata:  two\n\nid: 7\rretry: 5\rdata: cr\r\rdata: last',
)

const SAMPLE_EVENTS = [
  { event: undefined, data: 'é€😀' },
  { event: 'error', data: '{"a":1}\n\n two' },
  { event: undefined, data: 'cr' },
  { event: undefined, data: 'last' },
]

describe('an event', () => {
  it('is read with a space after the colon, and without', () => {
    expect(dataOf(read('data: a\n\ndata:b\n\ndata:  c\n\n'))).toEqual(['a', 'b', ' c'])
  })

  it('joins several data lines with a line feed', () => {
    expect(dataOf(read('data: a\ndata\ndata: b\n\n'))).toEqual(['a\n\nb'])
  })

  it('may have empty data, but not none', () => {
    expect(dataOf(read('data:\n\nevent: ping\n\n\n\ndata\n\n'))).toEqual(['', ''])
  })

  it('carries its name, which does not stick to the next one', () => {
    expect(read('event: error\ndata: a\n\ndata: b\n\nevent\ndata: c\n\n')).toEqual([
      { event: 'error', data: 'a' },
      { event: undefined, data: 'b' },
      { event: undefined, data: 'c' },
    ])
  })

  it('ignores comments and fields that it does not know', () => {
    expect(dataOf(read(': ping\n:\nid: 1\nretry: 2\ndatax: y\n data: z\nfoo\ndata: a\n\n'))).toEqual(['a'])
  })

  it('ends with LF, CR LF or CR', () => {
    expect(dataOf(read('data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\r\n\n'))).toEqual(['a', 'b', 'c', 'd'])
  })

  it('may lack its last line ends', () => {
    expect(dataOf(read('data: a'))).toEqual(['a'])
    expect(dataOf(read('data: a\n'))).toEqual(['a'])
    expect(dataOf(read('data: a\r'))).toEqual(['a'])
  })

  it('is read after a byte order mark, and only the first mark is one', () => {
    expect(dataOf(read('\uFEFFdata: a\n\ndata: \uFEFF\n\n\uFEFFdata: b\n\n'))).toEqual(['a', '\uFEFF'])
  })

  it('is handed over with the read that completes it, together with all others of that read', () => {
    const reader = new SseReader()

    expect(dataOf(reader.push(encoder.encode('data: a\n\ndata: b\n\ndata: c\n')))).toEqual(['a', 'b'])
    expect(dataOf(reader.push(encoder.encode('\n')))).toEqual(['c'])
    expect(dataOf(reader.push(encoder.encode('data: d\r\n\r')))).toEqual(['d'])
    expect(dataOf(reader.push(encoder.encode('\ndata: e\r\r')))).toEqual(['e'])
    expect(reader.end()).toEqual([])
  })

  it('holds a replacement character for bytes that are not UTF-8', () => {
    const bytes = Uint8Array.from([...encoder.encode('data: '), 0xff, 0xe2, 0x82, 0x0a, 0x0a])

    expect(dataOf(readAll([bytes]))).toEqual(['\uFFFD\uFFFD'])
    expect(dataOf(readAll([...bytes].map((byte) => Uint8Array.of(byte))))).toEqual(['\uFFFD\uFFFD'])
  })
})

describe('the cuts of the network', () => {
  it('change nothing, at every byte position', () => {
    expect(readAll([SAMPLE])).toEqual(SAMPLE_EVENTS)
    for (let position = 0; position <= SAMPLE.length; position++) {
      expect(readAll([SAMPLE.subarray(0, position), SAMPLE.subarray(position)])).toEqual(SAMPLE_EVENTS)
    }
  })

  it('change nothing when each byte comes alone', () => {
    expect(readAll([...SAMPLE].map((byte) => Uint8Array.of(byte)))).toEqual(SAMPLE_EVENTS)
  })

  it('change nothing, for any stream and any cuts', () => {
    const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
    const value = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, ''))
    const line = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.tuple(fc.constantFrom('data: ', 'data:', 'data'), value).map((p) => p.join('')),
      },
      { weight: 3, arbitrary: fc.constant('') },
      fc
        .tuple(fc.constantFrom('event: ', 'event', 'id: ', ': ', ':', 'retry:'), value)
        .map((p) => p.join('')),
      value,
    )
    const stream = fc
      .tuple(fc.constantFrom('', '\uFEFF'), fc.array(fc.tuple(line, lineEnd)), line)
      .map(([mark, lines, last]) => encoder.encode(mark + lines.flat().join('') + last))

    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (bytes, positions) => {
        expect(readAll(cutAt(bytes, positions))).toEqual(expectedEvents(bytes))
      }),
      { numRuns: 2_000 },
    )
  })

  it('change nothing, for bytes that are no text at all', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.array(fc.nat(), { maxLength: 6 }), (bytes, positions) => {
        expect(readAll(cutAt(bytes, positions))).toEqual(readAll([bytes]))
      }),
    )
  })
})

describe('a limit', () => {
  it('stops a line that never ends', () => {
    const reader = new SseReader(1_000)
    const endless = (): void => {
      for (let i = 0; i < 200; i++) reader.push(encoder.encode('data: xxxx'))
    }

    expect(endless).toThrow(SseOverflowError)
  })

  it('stops an event that never ends', () => {
    const reader = new SseReader(1_000)
    const endless = (): void => {
      for (let i = 0; i < 300; i++) reader.push(encoder.encode('data: xxxx\n'))
    }

    expect(endless).toThrow(SseOverflowError)
  })

  it('stops a line that is too long at once', () => {
    expect(() => new SseReader(1_000).push(encoder.encode(`data: ${'x'.repeat(1_001)}\n\n`))).toThrow(
      SseOverflowError,
    )
  })

  it('is for one event, not for the stream', () => {
    const reader = new SseReader(1_000)
    let events = 0
    for (let i = 0; i < 100; i++) events += reader.push(encoder.encode(`data: ${'x'.repeat(900)}\n\n`)).length

    expect(events).toBe(100)
  })
})
