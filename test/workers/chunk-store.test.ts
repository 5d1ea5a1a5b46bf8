/**
 * The stored text of an answer, read back after any number of attempts, with left-overs of others between its pieces.
 */
import { expect, test } from 'vitest'
import { ChunkStore } from '../../src/conversation/chunk-store.ts'
import { openDatabase } from '../../src/conversation/database.ts'
import { Statements } from '../../src/conversation/statements.ts'
import type { TurnRow } from '../../src/conversation/events.ts'
import { runInDurableObject } from 'cloudflare:test'
import { applyMigrations } from '../../src/conversation/database.ts'
import { env } from 'cloudflare:workers'

type Piece = readonly [slot: number, offset: number, delta: string, attempt?: number, turn?: number]

test.each<[string, readonly Piece[], string, { text: string; slot: number; whole: boolean }]>([
  ['nothing', [], '', { text: '', slot: 0, whole: true }],
  [
    'pieces of one attempt',
    [
      [0, 0, 'He'],
      [1, 2, 'llo'],
    ],
    '',
    { text: 'Hello', slot: 2, whole: true },
  ],
  [
    'an attempt that went on where another died',
    [
      [0, 0, 'He'],
      [1, 2, 'llo', 2],
      [2, 5, '!', 3],
    ],
    '',
    { text: 'Hello!', slot: 3, whole: true },
  ],
  [
    'left-overs of an earlier attempt behind a later one',
    [
      [0, 5, ' wo', 2],
      [1, 8, 'rld', 2],
      [2, 4, 'o', 1],
    ],
    'Hello',
    { text: 'Hello world', slot: 2, whole: true },
  ],
  [
    'only what was there before its last end, whose slots are free',
    [
      [0, 0, 'He'],
      [1, 2, 'l'],
    ],
    'Hello',
    { text: 'Hello', slot: 0, whole: true },
  ],
  [
    'another answer between its pieces',
    [
      [0, 0, 'x', 1, 4],
      [1, 2, 'llo', 1],
    ],
    '',
    { text: '', slot: 1, whole: false },
  ],
  [
    'another answer over the old pieces of one that went on',
    [
      [0, 0, 'xyz', 1, 4],
      [1, 2, 'llo', 1],
    ],
    'Hello',
    { text: 'Hello', slot: 0, whole: true },
  ],
  [
    'a gap',
    [
      [0, 0, 'He'],
      [1, 3, 'lo'],
    ],
    '',
    { text: 'He', slot: 1, whole: false },
  ],
])('T4 %s', async (_, pieces, before, read) => {
  await runInDurableObject(
    env.CONVERSATIONS.get(env.CONVERSATIONS.newUniqueId()),
    async (_object, { storage }) => {
      await applyMigrations(openDatabase(storage))
      const store = new ChunkStore(new Statements(storage))
      for (const [slot, offset, delta, attempts = 1, number = 2] of pieces)
        store.put({ number, attempts } as TurnRow, slot, offset, delta)
      expect(store.read({ number: 2 } as TurnRow, before)).toEqual(read)
    },
  )
})
