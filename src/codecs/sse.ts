/**
 * Server-sent events over the log (rules S1–S4): each frame of one turn as an event whose id says where to resume.
 *
 * A pure projection: frames in, text out. Heartbeats and the transport are the caller's.
 */
import type { ServerFrame } from '../protocol/server-frames.ts'

/** Where a reader stands: the last `seq` that it got and the length of the answer's text. */
export interface ResumePoint {
  readonly after: number
  readonly have: number
}

export class SseEncoder {
  #seq: number
  #length: number

  constructor(from: ResumePoint = { after: 0, have: 0 }) {
    this.#seq = from.after
    this.#length = from.have
  }

  encode(frame: ServerFrame): string {
    if ('seq' in frame) this.#seq = frame.seq
    if (frame.type === 'stream_start') this.#length = frame.offset
    if (frame.type === 'stream_chunk') this.#length = frame.offset + frame.delta.length
    return `event: ${frame.type}\nid: ${this.#seq}:${this.#length}\ndata: ${JSON.stringify(frame)}\n\n`
  }
}

/** Keeps a connection from being taken for dead. */
export const SSE_HEARTBEAT = ': ping\n\n'

/** @returns null when the id is not one of ours */
export function parseLastEventId(id: string): ResumePoint | null {
  const match = /^(\d{1,15}):(\d{1,10})$/.exec(id)
  return match && { after: Number(match[1]), have: Number(match[2]) }
}
