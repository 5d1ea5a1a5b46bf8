/**
 * The short form of `stream_chunk` (rule W3): `<message number>.<offset>:<delta>`, both numbers in base 36.
 *
 * A token of four characters costs some twelve bytes instead of seventy, and neither side escapes or parses JSON for
 * it. A frame that does not begin with `{` is in this form, so the two kinds cannot be confused.
 */
import type { FrameOf } from './server-frames.ts'

type Chunk = FrameOf<'stream_chunk'>

export function encodeCompactChunk(chunk: Pick<Chunk, 'messageId' | 'offset' | 'delta'>): string {
  return `${Number(chunk.messageId.slice(1)).toString(36)}.${chunk.offset.toString(36)}:${chunk.delta}`
}

const HEAD = /^([1-9a-z][0-9a-z]{0,9})\.([0-9a-z]{1,9}):/

/** @returns the chunk, or null when the text is not in this form */
export function decodeCompactChunk(text: string): Chunk | null {
  const head = HEAD.exec(text)
  if (!head) return null
  const [whole, number, offset] = head as unknown as [string, string, string]
  return {
    type: 'stream_chunk',
    messageId: `m${Number.parseInt(number, 36)}`,
    offset: Number.parseInt(offset, 36),
    delta: text.slice(whole.length),
  }
}
