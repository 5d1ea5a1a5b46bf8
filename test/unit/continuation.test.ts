/**
 * Whether an answer that lost its process goes on: each bound from both sides.
 */
import { expect, test } from 'vitest'
import { CONTINUE_WITHIN_MS, isGoingOn, recoveryOf, type Lost } from '../../src/conversation/continuation.ts'
import type { TurnRow } from '../../src/conversation/events.ts'
import { MAX_ANSWER_CHARS } from '../../src/conversation/turn.ts'

const NOW = Date.parse('2026-11-20T10:00:00Z')

type Case = Partial<Omit<Lost, 'turn'>> & {
  readonly turn?: Partial<Pick<TurnRow, 'attempts' | 'resumedAttempt' | 'resumedAt' | 'createdAt'>>
}

function decide({ turn, ...lost }: Case): string {
  const rows = { attempts: 1, resumedAttempt: null, resumedAt: null, createdAt: NOW, ...turn }
  return recoveryOf({
    turn: rows as TurnRow,
    text: 'Hello',
    before: '',
    now: NOW,
    continues: true,
    inputTokens: 100,
    maxInputTokens: 1_000_000,
    ...lost,
  })
}

test.each<[string, Case, string]>([
  ['nothing said, first death', { text: '' }, 'again'],
  ['nothing said, second death', { text: '', turn: { attempts: 2 } }, 'give_up'],
  ['nothing said, and nobody can continue', { text: '', continues: false }, 'again'],
  ['nothing said since it was had go on', { text: '', turn: { attempts: 5, resumedAttempt: 4 } }, 'again'],
  ['something said', {}, 'continue'],
  ['something said, and nobody can continue', { continues: false }, 'give_up'],
  ['third death, each said more', { turn: { attempts: 3 } }, 'continue'],
  ['fourth death', { turn: { attempts: 4 } }, 'give_up'],
  ['fourth death, but only the first of this run', { turn: { attempts: 4, resumedAttempt: 3 } }, 'continue'],
  [
    'had go on, and nothing new said, first death',
    { before: 'Hello', turn: { attempts: 4, resumedAttempt: 3 } },
    'continue',
  ],
  [
    'had go on, and nothing new said, second death',
    { before: 'Hello', turn: { attempts: 5, resumedAttempt: 3 } },
    'give_up',
  ],
  ['just in time', { now: NOW + CONTINUE_WITHIN_MS }, 'continue'],
  ['too late', { now: NOW + CONTINUE_WITHIN_MS + 1 }, 'give_up'],
  [
    'late, but had go on a moment ago',
    {
      now: NOW + CONTINUE_WITHIN_MS + 1,
      turn: { attempts: 2, resumedAttempt: 1, resumedAt: NOW + CONTINUE_WITHIN_MS },
    },
    'continue',
  ],
  ['as dear as it may be', { inputTokens: 500, maxInputTokens: 1_000 }, 'continue'],
  ['too dear', { inputTokens: 501, maxInputTokens: 1_000 }, 'give_up'],
  ['as long as an answer may be', { text: 'a'.repeat(MAX_ANSWER_CHARS) }, 'give_up'],
])('T4 %s', (_, given, decided) => {
  expect(decide(given)).toBe(decided)
})

test.each([
  ['', false],
  ['a', true],
  ['a'.repeat(MAX_ANSWER_CHARS - 1), true],
  ['a'.repeat(MAX_ANSWER_CHARS), false],
])('an answer has room to go on while it has begun and is not full', (text, isOpen) => {
  expect(isGoingOn(text)).toBe(isOpen)
})
