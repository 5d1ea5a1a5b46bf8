/**
 * When an answer that lost its process goes on by itself, and whether one that ended may go on when somebody asks. Pure:
 * rows and numbers in, a decision out; that the seam is exact is the model's part.
 */
import type { TurnRow } from './events.ts'
import { MAX_ANSWER_CHARS } from './turn.ts'

/** A turn that lost its process before any text was stored runs once more (rule T4). */
const MAX_BLIND_ATTEMPTS = 2
/** Attempts of one run of which each has added to the text: processes do not die so often by chance. */
const MAX_ATTEMPTS = 4
/** Whoever asked has given up by then; also no outbound call keeps an object alive for longer. */
export const CONTINUE_WITHIN_MS = 15 * 60_000

export interface Lost {
  readonly turn: TurnRow
  /** All text of it that is stored. */
  readonly text: string
  /** The text with which it last ended, if it ever did. */
  readonly before: string
  readonly now: number
  /** Whether any provider can go on from a beginning. */
  readonly continues: boolean
  /** Estimated tokens that one more call reads. */
  readonly inputTokens: number
  /** What all calls of a run may read together, in tokens. */
  readonly maxInputTokens: number
}

export type Recovery = 'again' | 'continue' | 'give_up'

export function recoveryOf({ turn, text, before, now, ...lost }: Lost): Recovery {
  const attempts = turn.attempts - (turn.resumedAttempt ?? 0)
  if (text === '') return attempts < MAX_BLIND_ATTEMPTS ? 'again' : 'give_up'
  const isPastBounds =
    attempts >= (text === before ? MAX_BLIND_ATTEMPTS : MAX_ATTEMPTS) ||
    now - (turn.resumedAt ?? turn.createdAt) > CONTINUE_WITHIN_MS ||
    (attempts + 1) * lost.inputTokens > lost.maxInputTokens
  return lost.continues && !isPastBounds && isGoingOn(text) ? 'continue' : 'give_up'
}

/** Whether an answer with this text has room to go on. */
export function isGoingOn(text: string): boolean {
  return text !== '' && text.length < MAX_ANSWER_CHARS
}
