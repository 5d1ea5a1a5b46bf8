/**
 * `turn.completed`: what the webhooks of whoever pays for a turn are told when it was settled. Nothing of what was said.
 *
 * Told by the conversation's outbox, so at least once; the id is made of the place of the turn's end in its log, and so is
 * the same each time.
 */
import type { WebhookEvent, Webhooks } from './event.ts'

/** As much of a turn that ended as is told. */
export interface EndedTurn {
  readonly userId: string
  /** Whose key it was, for a machine. */
  readonly payerId: string | null
  readonly conversationId: string
  readonly agentId: string
  readonly model: string
  readonly inputTokens: number
  readonly outputTokens: number
  /** Ms since the epoch. */
  readonly at: number
  readonly seq: number
  readonly messages: 0 | 1
}

export function turnEvents(turns: readonly EndedTurn[]): WebhookEvent[] {
  return turns
    .filter(({ messages }) => messages > 0)
    .map(({ userId, payerId, conversationId, agentId, model, inputTokens, outputTokens, at, seq }) => ({
      id: `turn_${conversationId}_${seq}`,
      type: 'turn.completed',
      at,
      userId: payerId ?? userId,
      data: {
        conversationId,
        userId,
        agentId,
        model,
        inputTokens,
        outputTokens,
        at: new Date(at).toISOString(),
      },
    }))
}

/**
 * Settles turns, then tells of them.
 *
 * @throws what either throws: the caller does both again
 */
export function tellingOf<Turn extends EndedTurn>(
  settle: (turns: readonly Turn[]) => Promise<void>,
  webhooks: () => Webhooks,
): (turns: readonly Turn[]) => Promise<void> {
  return async (turns) => {
    await settle(turns)
    const events = turnEvents(turns)
    if (events.length > 0) await webhooks().send(events)
  }
}
