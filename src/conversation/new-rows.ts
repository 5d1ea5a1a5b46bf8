/**
 * The rows that a message and the end of a turn are written as. Pure; `history.ts` writes them, each in one transaction
 * with its event.
 */
import { estimateTokenCount } from 'tokenx'
import type { Priority } from '../protocol/ids.ts'
import type { Degraded, FinishReason, TurnError, Usage } from '../protocol/message.ts'
import type { Principal } from '../protocol/principal.ts'
import type { EndingData, MessageRow, TurnRow } from './events.ts'
import type { EndedState } from './turn-state.ts'

export interface NewMessage {
  readonly author: Principal
  readonly clientId: string
  readonly content: string
  readonly parent: number | null
  readonly priority: Priority
  readonly agentId: string
  readonly model: string
  readonly requestId: string
}

/** How a turn ended, with all the text that it wrote. */
export interface Ending {
  readonly state: EndedState
  readonly text: string
  readonly model?: string | undefined
  readonly finishReason?: FinishReason | undefined
  readonly usage?: Usage | undefined
  readonly error?: TurnError | undefined
  readonly degraded?: Degraded | undefined
  readonly cached?: boolean | undefined
  /** Length of the text from which it was had go on after an earlier end. */
  readonly from?: number | undefined
  /** What attempts used that died, and of which no provider told. */
  readonly lost?: Usage | undefined
  /** It waited for its (next) attempt: no call was under way that would have used anything. */
  readonly waited?: boolean | undefined
}

/** What a person said. @param number its own; the answer's is the next */
export function questionRow(input: NewMessage, number: number, now: number): MessageRow {
  return {
    number,
    parent: input.parent,
    turn: number + 1,
    role: 'user',
    status: 'completed',
    content: input.content,
    tokens: estimateTokenCount(input.content),
    authorId: input.author.userId,
    authorName: input.author.name,
    clientId: input.clientId,
    createdAt: now,
    agentId: null,
    model: null,
    finishReason: null,
    usage: null,
    error: null,
    origin: null,
  }
}

export function turnRow(
  input: NewMessage,
  number: number,
  { startNow, acceptedSeq, now }: { startNow: boolean; acceptedSeq: number; now: number },
): TurnRow {
  return {
    number,
    askedBy: number - 1,
    clientKey: clientKeyOf(input.author.userId, input.clientId),
    state: startNow ? 'streaming' : 'queued',
    priority: input.priority,
    agentId: input.agentId,
    model: input.model,
    attempts: startNow ? 1 : 0,
    acceptedSeq,
    requestId: input.requestId,
    createdAt: now,
    endedAt: null,
    payerId: input.author.ownerId ?? null,
    resumedAttempt: null,
    resumedAt: null,
  }
}

/** The message that a turn leaves, whatever its state. */
export function answerRow(turn: TurnRow, ending: Ending): MessageRow {
  const { degraded, cached } = ending
  const isWhole = turn.attempts <= 1 && ending.lost === undefined
  return {
    number: turn.number,
    parent: turn.askedBy,
    turn: turn.number,
    role: 'assistant',
    status: ending.state,
    content: ending.text,
    // What a provider counted is of its own part of the text.
    tokens: (isWhole ? ending.usage?.outputTokens : undefined) ?? estimateTokenCount(ending.text),
    authorId: null,
    authorName: null,
    clientId: null,
    createdAt: turn.createdAt,
    agentId: turn.agentId,
    model: ending.model ?? turn.model,
    finishReason: ending.finishReason ?? null,
    usage: ending.usage ?? null,
    error: ending.error ?? null,
    origin: degraded || cached ? { ...(degraded && { degraded }), ...(cached && { cached }) } : null,
  }
}

/**
 * What the row of the answer will not say for ever, because the turn may go on after this end: null when it cannot.
 */
export function endingData(turn: TurnRow, ending: Ending): EndingData | null {
  const mayGoOn = ending.state === 'failed' || ending.state === 'interrupted'
  if (!mayGoOn && turn.resumedAttempt === null && ending.lost === undefined) return null
  return {
    length: ending.text.length,
    ...(ending.from !== undefined && { from: ending.from }),
    ...(ending.error && { error: ending.error }),
    ...(ending.usage && { usage: ending.usage }),
    ...(ending.lost && { lost: ending.lost }),
    ...(ending.waited && { waited: true }),
    ...(turn.resumedAttempt !== null && { run: turn.resumedAttempt }),
  }
}

export function clientKeyOf(userId: string, clientId: string): string {
  return `${userId}:${clientId}`
}
