/**
 * The room with plain objects for readers: what each gets, in which form, and what a failing one does to the others.
 */
import { describe, expect, test } from 'vitest'
import { Room, type Reader } from '../../src/conversation/room.ts'
import type { Principal } from '../../src/protocol/principal.ts'
import type { ServerFrame } from '../../src/protocol/server-frames.ts'

class TestReader implements Reader {
  readonly principal: Principal
  readonly compact: boolean
  readonly present: boolean
  readonly texts: string[] = []
  closedWith: [number, string] | null = null
  broken = false

  constructor(userId: string, options: { compact?: boolean; present?: boolean } = {}) {
    this.principal = { userId, name: userId.toUpperCase(), role: 'guest', kind: 'guest' }
    this.compact = options.compact ?? false
    this.present = options.present ?? true
  }

  send(_frame: ServerFrame, text: string): void {
    if (this.broken) throw new Error('gone')
    this.texts.push(text)
  }

  close(code: number, reason: string): void {
    if (this.broken) throw new Error('gone')
    this.closedWith = [code, reason]
  }
}

function roomOf(...readers: TestReader[]): Room {
  const room = new Room()
  for (const reader of readers) room.add(reader)
  return room
}

const CHUNK: ServerFrame = { type: 'stream_chunk', messageId: 'm12', offset: 40, delta: 'Hi' }
const PRESENCE: ServerFrame = { type: 'presence', viewers: [] }

describe('the room', () => {
  test('W3 sends deltas in the short form to those who asked for it, and everything else as JSON', () => {
    const [plain, compact] = [new TestReader('a'), new TestReader('b', { compact: true })]
    const room = roomOf(plain, compact)
    room.broadcast(CHUNK)
    room.broadcast(PRESENCE)
    expect(plain.texts).toEqual([JSON.stringify(CHUNK), JSON.stringify(PRESENCE)])
    expect(compact.texts).toEqual(['c.14:Hi', JSON.stringify(PRESENCE)])
    room.sendTo(compact, CHUNK)
    expect(compact.texts.at(-1)).toBe('c.14:Hi')
  })

  test('encodes a frame once for each form, however many read it', () => {
    let encodings = 0
    const counted = {
      ...PRESENCE,
      toJSON() {
        encodings++
        return PRESENCE
      },
    }
    const readers = Array.from({ length: 50 }, (_, i) => new TestReader(`u${i}`, { compact: i % 2 === 0 }))
    roomOf(...readers).broadcast(counted)
    expect(encodings).toBeLessThanOrEqual(2)
    expect(new Set(readers.flatMap((reader) => reader.texts))).toEqual(new Set([JSON.stringify(PRESENCE)]))
  })

  test('drops a reader that fails, and serves the others', () => {
    const [first, broken, last] = [new TestReader('a'), new TestReader('b'), new TestReader('c')]
    const room = roomOf(first, broken, last)
    broken.broken = true
    room.broadcast(PRESENCE)
    expect([first.texts.length, last.texts.length]).toEqual([1, 1])
    expect(room.has(broken)).toBe(false)
    expect(room.size).toBe(2)
  })

  test('leaves out the one whose doing it is', () => {
    const [one, other] = [new TestReader('a'), new TestReader('b')]
    roomOf(one, other).broadcast(PRESENCE, one)
    expect([one.texts.length, other.texts.length]).toEqual([0, 1])
  })

  test('counts people, not windows, in the order in which they came; followers of one turn are not there', () => {
    const leaving = new TestReader('a')
    const room = roomOf(
      leaving,
      new TestReader('b'),
      new TestReader('a'),
      new TestReader('c', { present: false }),
    )
    expect(room.viewers()).toEqual([
      { userId: 'a', name: 'A', connections: 2 },
      { userId: 'b', name: 'B', connections: 1 },
    ])
    expect(room.remove(leaving)).toBe(true)
    expect(room.remove(leaving)).toBe(false)
    expect(room.viewers().map((viewer) => viewer.connections)).toEqual([1, 1])
  })

  test('a reader that is added twice reads once', () => {
    const reader = new TestReader('a')
    const room = roomOf(reader, reader)
    room.broadcast(PRESENCE)
    expect(reader.texts).toHaveLength(1)
    expect(room.viewers()).toEqual([{ userId: 'a', name: 'A', connections: 1 }])
  })

  test('C2 closes everyone, also when one of them is gone already', () => {
    const [first, broken, last] = [new TestReader('a'), new TestReader('b'), new TestReader('c')]
    const room = roomOf(first, broken, last)
    broken.broken = true
    room.closeAll(4410, 'deleted')
    expect([first.closedWith, last.closedWith]).toEqual([
      [4410, 'deleted'],
      [4410, 'deleted'],
    ])
    expect(room.size).toBe(0)
  })
})
