/**
 * Who reads along, and how frames reach them. Knows readers, not sockets: a reader is anything that takes frames
 * (a WebSocket, an SSE response), so tests pass plain objects.
 *
 * A frame is encoded once however many read it. Whoever fails to take a frame is dropped; the others are not held up.
 */
import { encodeCompactChunk } from '../protocol/compact-chunk.ts'
import type { Viewer } from '../protocol/message.ts'
import type { Principal } from '../protocol/principal.ts'
import type { FrameOf, ServerFrame } from '../protocol/server-frames.ts'

export interface Reader {
  readonly principal: Principal
  /** Takes deltas in the short form (rule W3). */
  readonly compact: boolean
  /** Counts as somebody who is here; an SSE response does not. */
  readonly present: boolean
  /** @param text the frame, encoded in the form that this reader takes */
  send(frame: ServerFrame, text: string): void
  close(code: number, reason: string): void
}

export class Room {
  readonly #readers = new Set<Reader>()

  get size(): number {
    return this.#readers.size
  }

  has(reader: Reader): boolean {
    return this.#readers.has(reader)
  }

  /** From now on the reader gets every frame. Catch it up first, in the same synchronous block. */
  add(reader: Reader): void {
    this.#readers.add(reader)
  }

  /** @returns false when it was not there */
  remove(reader: Reader): boolean {
    return this.#readers.delete(reader)
  }

  sendTo(reader: Reader, frame: ServerFrame): void {
    this.#deliver(reader, frame, encode(frame, reader.compact))
  }

  broadcast(frame: ServerFrame, except?: Reader): void {
    let plain: string | undefined
    let compact: string | undefined
    for (const reader of this.#readers) {
      if (reader === except) continue
      const text = reader.compact ? (compact ??= encode(frame, true)) : (plain ??= encode(frame, false))
      this.#deliver(reader, frame, text)
    }
  }

  /** One entry for each person, in the order in which they came. */
  viewers(): Viewer[] {
    const viewers = new Map<string, Viewer>()
    for (const { principal, present } of this.#readers) {
      if (!present) continue
      const viewer = viewers.get(principal.userId)
      if (viewer) viewer.connections++
      else viewers.set(principal.userId, { userId: principal.userId, name: principal.name, connections: 1 })
    }
    return [...viewers.values()]
  }

  /** Readers who do not count as somebody who is here. */
  absent(): Reader[] {
    return [...this.#readers].filter(({ present }) => !present)
  }

  /** Says one last thing to these, and ends them. @returns whether somebody who was present is gone */
  cut(which: (principal: Principal) => boolean, frame: ServerFrame, code: number, reason: string): boolean {
    const gone = [...this.#readers].filter(({ principal }) => which(principal))
    for (const reader of gone) {
      this.sendTo(reader, frame)
      this.#readers.delete(reader)
      closeQuietly(reader, code, reason)
    }
    return gone.some(({ present }) => present)
  }

  closeAll(code: number, reason: string): void {
    for (const reader of this.#readers) closeQuietly(reader, code, reason)
    this.#readers.clear()
  }

  #deliver(reader: Reader, frame: ServerFrame, text: string): void {
    try {
      reader.send(frame, text)
    } catch {
      // It is gone; its close event, or its next attempt to resume, does the rest.
      this.#readers.delete(reader)
    }
  }
}

function closeQuietly(reader: Reader, code: number, reason: string): void {
  try {
    reader.close(code, reason)
  } catch {
    // It is closed already.
  }
}

function encode(frame: ServerFrame, compact: boolean): string {
  return compact && isChunk(frame) ? encodeCompactChunk(frame) : JSON.stringify(frame)
}

function isChunk(frame: ServerFrame): frame is FrameOf<'stream_chunk'> {
  return frame.type === 'stream_chunk'
}
