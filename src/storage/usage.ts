/**
 * The usage ledger in D1: added to by conversations, read by people and by the administration.
 *
 * A conversation may tell the same turn twice. Each row remembers the position in the log of the last turn that it counts,
 * and turns are told in the order of the log, so what was counted is not counted again.
 */
import type { AdminUsageAnswer, UsageDay, UsageGroup } from '../protocol/usage.ts'

export interface LedgerEntry {
  readonly userId: string
  readonly conversationId: string
  readonly agentId: string
  readonly model: string
  /** When the turn ended, ms. */
  readonly at: number
  /** The place of the event that ended it: it rises, also when the conversation is deleted and made again. */
  readonly seq: number
  readonly messages: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly micros: number
  readonly priced: boolean
}

const ADD = `
  INSERT INTO usage (user_id, day, conversation_id, agent_id, model,
    messages, input_tokens, output_tokens, cost, priced, seq)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
  ON CONFLICT (user_id, day, conversation_id, agent_id, model) DO UPDATE SET
    messages = messages + ?6, input_tokens = input_tokens + ?7, output_tokens = output_tokens + ?8,
    cost = cost + ?9, priced = min(priced, ?10), seq = ?11
  WHERE ?11 > usage.seq`

const MICROS = 1_000_000

export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

/** @param entries of one conversation, in the order of its log; all are added or none */
export async function addUsage(db: D1Database, entries: readonly LedgerEntry[]): Promise<void> {
  if (entries.length === 0) return
  const add = db.prepare(ADD)
  await db.batch(
    entries.map((entry) =>
      add.bind(
        entry.userId,
        dayOf(entry.at),
        entry.conversationId,
        entry.agentId,
        entry.model,
        entry.messages,
        entry.inputTokens,
        entry.outputTokens,
        entry.micros,
        entry.priced ? 1 : 0,
        entry.seq,
      ),
    ),
  )
}

interface Sums {
  readonly key: string
  readonly messages: number
  readonly input: number
  readonly output: number
  readonly cost: number
  readonly priced: number
}

const SUMS =
  'sum(messages) AS messages, sum(input_tokens) AS input, sum(output_tokens) AS output, sum(cost) AS cost, min(priced) AS priced'

/** What a person used since a day, that day included, newest first. */
export async function usageOf(db: D1Database, userId: string, since: string): Promise<UsageDay[]> {
  const { results } = await db
    .prepare(
      `SELECT day AS key, ${SUMS} FROM usage WHERE user_id = ? AND day >= ? GROUP BY day ORDER BY day DESC`,
    )
    .bind(userId, since)
    .all<Sums>()
  return results.map(({ key, ...sums }) => ({ day: key, ...sumsOf(sums) }))
}

const COLUMN = {
  user: 'user_id',
  model: 'model',
  day: 'day',
  agent: 'agent_id',
  conversation: 'conversation_id',
} as const satisfies Record<UsageGroup, string>

/** Everyone's, most expensive first (days: newest first). */
export async function usageBy(
  db: D1Database,
  by: UsageGroup,
  range: { readonly from: string; readonly to: string },
  limit: number,
): Promise<Pick<AdminUsageAnswer, 'rows' | 'truncated'>> {
  const column = COLUMN[by]
  const order = by === 'day' ? 'key DESC' : 'cost DESC, input + output DESC, key'
  const { results } = await db
    .prepare(
      `SELECT ${column} AS key, ${SUMS} FROM usage WHERE day BETWEEN ? AND ? GROUP BY ${column} ORDER BY ${order} LIMIT ?`,
    )
    .bind(range.from, range.to, limit + 1)
    .all<Sums>()
  const rows = results
    .slice(0, limit)
    .map(({ key, ...sums }) => ({ key, ...sumsOf(sums), priced: sums.priced === 1 }))
  return { rows, truncated: results.length > limit }
}

function sumsOf({ messages, input, output, cost }: Omit<Sums, 'key'>) {
  return { messages, inputTokens: input, outputTokens: output, costUsd: cost / MICROS }
}
