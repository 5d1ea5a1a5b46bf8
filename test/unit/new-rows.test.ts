/**
 * What the end of a turn leaves in rows, where the turn may go on after it.
 */
import { describe, expect, test } from 'vitest'
import type { TurnRow } from '../../src/conversation/events.ts'
import { answerRow, endingData, type Ending } from '../../src/conversation/new-rows.ts'

const turn = (rest: Partial<TurnRow> = {}): TurnRow => ({
  number: 2,
  askedBy: 1,
  clientKey: 'u:c',
  state: 'streaming',
  priority: 'normal',
  agentId: 'default',
  model: 'm',
  attempts: 1,
  acceptedSeq: 1,
  requestId: 'r',
  createdAt: 0,
  endedAt: null,
  payerId: null,
  resumedAttempt: null,
  resumedAt: null,
  ...rest,
})
const usage = { inputTokens: 5, outputTokens: 2 }
const error = { code: 'model_error', detail: 'It broke.', retryable: true }
const ended = (rest: Partial<Ending> = {}): Ending => ({ state: 'completed', text: 'Hello', ...rest })

describe('what an end remembers of itself', () => {
  test.each<[string, Partial<TurnRow>, Ending, ReturnType<typeof endingData>]>([
    ['nothing, when the rows say all for ever', {}, ended({ usage }), null],
    ['nothing, when it was stopped', {}, ended({ state: 'stopped' }), null],
    ['its error, when it may go on', {}, ended({ state: 'failed', error }), { length: 5, error }],
    ['its length, when it was interrupted', {}, ended({ state: 'interrupted' }), { length: 5 }],
    [
      'what died before it',
      { attempts: 2 },
      ended({ usage, lost: usage }),
      { length: 5, usage, lost: usage },
    ],
    [
      'which run it was, and where it began',
      { attempts: 3, resumedAttempt: 2 },
      ended({ usage, from: 3 }),
      { length: 5, from: 3, usage, run: 2 },
    ],
    [
      'that no call was under way',
      { attempts: 2, resumedAttempt: 2 },
      ended({ state: 'stopped', from: 5, waited: true }),
      { length: 5, from: 5, waited: true, run: 2 },
    ],
    [
      'a run before which there was no attempt',
      { attempts: 1, resumedAttempt: 0 },
      ended({ from: 0 }),
      { length: 5, from: 0, run: 0 },
    ],
  ])('%s', (_, rows, ending, data) => {
    expect(endingData(turn(rows), ending)).toEqual(data)
  })
})

describe('the message that a turn leaves', () => {
  test.each<[string, Partial<TurnRow>, Partial<Ending>, number]>([
    ['counted by its provider, when that wrote all of it', {}, { usage }, 2],
    ['estimated, when another attempt wrote a part', { attempts: 2 }, { usage }, 1],
    ['estimated, when a part was lost with its process', {}, { usage, lost: usage }, 1],
    ['estimated, when nobody counted', {}, {}, 1],
  ])('has its tokens %s', (_, rows, rest, tokens) => {
    expect(answerRow(turn(rows), ended(rest))).toMatchObject({ content: 'Hello', tokens })
  })

  test('says where it came from only if that is unusual', () => {
    const degraded = { provider: 'other', reason: 'timeout', instead: 'main' }
    expect(answerRow(turn(), ended()).origin).toBeNull()
    expect(answerRow(turn(), ended({ cached: true })).origin).toEqual({ cached: true })
    expect(answerRow(turn(), ended({ degraded })).origin).toEqual({ degraded })
  })
})
