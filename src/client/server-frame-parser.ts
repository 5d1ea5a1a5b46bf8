/**
 * Text of the wire → a checked frame. What does not fit the protocol is no frame: it is dropped, never cast. Only one
 * thing of an unknown frame counts: if it is a durable event of a newer server, its `seq` keeps our count in step.
 */
import * as z from 'zod'
import { decodeCompactChunk } from '../protocol/compact-chunk.ts'
import { serverFrame, type ServerFrame } from '../protocol/server-frames.ts'

/** A durable event that this version does not know. */
export interface UnknownEvent {
  readonly type: 'unknown_event'
  readonly seq: number
}

const KNOWN_TYPES = new Set<string>(serverFrame.options.map((option) => option.shape.type.value))
const anyEvent = z.object({ type: z.string(), seq: z.int().positive() })

/** @returns the frame, or null when the text is none that this version can use */
export function parseServerFrame(text: string): ServerFrame | UnknownEvent | null {
  if (!text.startsWith('{')) return decodeCompactChunk(text)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return null
  }
  const frame = serverFrame.safeParse(json)
  if (frame.success) return frame.data
  const event = anyEvent.safeParse(json)
  return event.success && !KNOWN_TYPES.has(event.data.type)
    ? { type: 'unknown_event', seq: event.data.seq }
    : null
}
