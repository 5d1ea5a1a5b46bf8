/**
 * What a reader makes of the frames that came: the text of an answer, the numbers of the events, the ends of turns. It
 * collects nothing itself; that is test-socket.ts.
 */
import { expect } from 'vitest'
import type { ServerFrame } from '../../src/protocol/server-frames.ts'

/** The text that a reader has after these frames (rules O4–O6). */
export function textFrom(frames: readonly ServerFrame[], messageId: string): string {
  let text = ''
  for (const frame of frames) {
    if (!('messageId' in frame) || frame.messageId !== messageId) continue
    if (frame.type === 'stream_start') text = text.slice(0, frame.offset)
    else if (frame.type === 'stream_chunk') {
      expect(frame.offset).toBeLessThanOrEqual(text.length)
      text = text.slice(0, frame.offset) + frame.delta
    } else if ('length' in frame) text = text.slice(0, frame.length)
  }
  return text
}

export const ended = (turnId: string) => (frame: { turnId: string }) => frame.turnId === turnId
export const seqs = (frames: readonly ServerFrame[]): number[] =>
  frames.flatMap((frame) => ('seq' in frame && frame.type !== 'conversation_joined' ? [frame.seq] : []))

export const endings = (frames: readonly ServerFrame[]): ServerFrame[] =>
  frames.filter((frame) => /^stream_(complete|stopped|failed|interrupted)$/.test(frame.type))
