/**
 * Retention: conversations that their plan keeps no longer, old entries of the audit trail, and rows that have served, go.
 * Each run does a bounded amount of work and the next goes on, so a large installation needs hours and never a long request.
 *
 * Whether a conversation is unused is asked of itself, at the moment of its removal: D1 lags behind.
 */
export interface RetentionDeps {
  now(): number
  /** Those that were last used before this time, ms since the epoch, of people on this plan; longest unused first. */
  unused(plan: string, before: number, limit: number): Promise<readonly string[]>
  /** @returns whether it is gone */
  removeIfIdle(conversationId: string, before: number): Promise<boolean>
  /** @returns how many rows went */
  removeExpired(
    before: { readonly sessions: number; readonly receipts: number },
    limit: number,
  ): Promise<number>
  /** The oldest that are older than this, ms since the epoch. @returns how many went */
  removeOldEntries(before: number, limit: number): Promise<number>
  report(conversationId: string, error: unknown): void
}

/** In days. */
export interface RetentionTimes {
  /** Since the last activity, by plan; a plan that is not named, or is null, keeps for ever. */
  readonly conversations: Readonly<Record<string, number | null>>
  /** Of entries of the audit trail; 0: for ever. */
  readonly audit: number
}

export interface RetentionResult {
  readonly removed: number
  /** Those that could not be removed, or were used after all. */
  readonly kept: number
  readonly expiredRows: number
  readonly auditEntries: number
}

const DAY_MS = 24 * 3600 * 1000
/** Conversations of one run, and how many at a time: far below what one invocation may ask. */
const MOST_PER_RUN = 400
const AT_ONCE = 10
const MOST_ROWS = 5_000
/** Entries of one statement, and statements of one run. Each entry is a row in six trees. */
const ENTRIES_AT_ONCE = 1_000
const MOST_ENTRY_BATCHES = 10
/** A receipt proves something to somebody who may come late. */
const RECEIPT_DAYS = 3 * 366

export async function retain(times: RetentionTimes, deps: RetentionDeps): Promise<RetentionResult> {
  const now = deps.now()
  let removed = 0
  let kept = 0
  for (const [plan, limit] of Object.entries(times.conversations)) {
    if (limit === null) continue
    const before = now - limit * DAY_MS
    const ids = await deps.unused(plan, before, MOST_PER_RUN - removed - kept)
    for (let i = 0; i < ids.length; i += AT_ONCE) {
      const results = await Promise.all(
        ids.slice(i, i + AT_ONCE).map((id) =>
          deps.removeIfIdle(id, before).catch((error: unknown) => {
            deps.report(id, error)
            return false
          }),
        ),
      )
      const gone = results.filter(Boolean).length
      removed += gone
      kept += results.length - gone
    }
  }
  const expiredRows = await deps.removeExpired(
    { sessions: now, receipts: now - RECEIPT_DAYS * DAY_MS },
    MOST_ROWS,
  )
  const auditEntries = times.audit === 0 ? 0 : await removeOldEntries(now - times.audit * DAY_MS, deps)
  return { removed, kept, expiredRows, auditEntries }
}

async function removeOldEntries(before: number, deps: RetentionDeps): Promise<number> {
  let total = 0
  for (let batch = 0; batch < MOST_ENTRY_BATCHES; batch++) {
    const gone = await deps.removeOldEntries(before, ENTRIES_AT_ONCE)
    total += gone
    if (gone < ENTRIES_AT_ONCE) break
  }
  return total
}
