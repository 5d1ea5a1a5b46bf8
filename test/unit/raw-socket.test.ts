/**
 * The benchmark's own WebSocket client: what it counts must be what was sent, however the network cuts it.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clientFrame, FrameReader } from '../support/raw-socket.ts'

const TEXT = 0x1

/** A frame as servers send it: not masked. */
function serverFrame(payload: Buffer, first = 0x80 | TEXT): Buffer {
  const { length } = payload
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), payload])
  const head = Buffer.alloc(length < 0x10000 ? 4 : 10)
  head[0] = first
  head[1] = head.length === 4 ? 126 : 127
  if (head.length === 4) head.writeUInt16BE(length, 2)
  else head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

function read(pieces: Iterable<Buffer>): { payload: string; wireBytes: number }[] {
  const frames: { payload: string; wireBytes: number }[] = []
  const reader = new FrameReader((_opcode, payload, wireBytes) =>
    frames.push({ payload: payload.toString(), wireBytes }),
  )
  for (const piece of pieces) reader.push(piece)
  return frames
}

/** Lengths around which the header grows. */
const payloads = fc.array(
  fc
    .oneof(fc.nat(300), fc.constantFrom(0, 125, 126, 127, 0xffff, 0x10000))
    .map((length) => Buffer.alloc(length, 'x')),
  { minLength: 1, maxLength: 6 },
)

test('finds the same frames wherever the network has cut them', () => {
  fc.assert(
    fc.property(payloads, fc.array(fc.nat(), { maxLength: 20 }), (sent, cuts) => {
      const frames = sent.map((payload) => serverFrame(payload))
      const wire = Buffer.concat(frames)
      const at = [0, ...cuts.map((cut) => cut % (wire.length + 1)).toSorted((a, b) => a - b), wire.length]
      const pieces = at.slice(1).map((end, i) => wire.subarray(at[i], end))
      expect(read(pieces)).toEqual(
        sent.map((payload, i) => ({ payload: payload.toString(), wireBytes: frames[i]?.length })),
      )
    }),
  )
})

test('counts a frame only when its last byte has come', () => {
  const wire = serverFrame(Buffer.from('hello'))
  expect(read([wire.subarray(0, -1)])).toEqual([])
  expect(read([...wire].map((byte) => Buffer.from([byte])))).toEqual([{ payload: 'hello', wireBytes: 7 }])
})

test('refuses fragments, extension bits and masked frames instead of counting them wrongly', () => {
  expect(() => read([serverFrame(Buffer.from('a'), TEXT)])).toThrow('fragmented')
  expect(() => read([serverFrame(Buffer.from('a'), 0xc0 | TEXT)])).toThrow('extension')
  expect(() => read([clientFrame(TEXT, Buffer.from('a'))])).toThrow('masked')
})

test('masks what it sends, with a length that any server can read', () => {
  fc.assert(
    fc.property(payloads, ([payload = Buffer.alloc(0)]) => {
      const frame = clientFrame(TEXT, payload)
      const head = payload.length < 126 ? 2 : payload.length < 0x10000 ? 4 : 10
      const mask = frame.subarray(head, head + 4)
      const unmasked = frame.subarray(head + 4).map((byte, i) => byte ^ (mask[i & 3] ?? 0))
      expect((frame[1] ?? 0) & 0x80).toBe(0x80)
      const clear = Buffer.concat([frame.subarray(0, head), unmasked])
      clear[1] = (clear[1] ?? 0) & 0x7f
      expect(clear.equals(serverFrame(payload))).toBe(true)
    }),
  )
})
