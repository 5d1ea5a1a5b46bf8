/**
 * Entries of the audit trail for what operators look at and do while something is wrong. That may be D1, so whoever cannot
 * be written down is let through all the same: what would have been the entry is in the log then, as an error.
 *
 * Everything else that cannot be written down is an error to whoever asked for it. A secret that is made, a webhook
 * that goes and a person who is changed are one transaction with their entry; whatever else was done by then stays done.
 */
import type { Context } from 'hono'
import type { AppEnv } from '../env.ts'
import type { AuditAction, AuditDetails } from '../protocol/admin.ts'

/** Who still watches after this is written down again. */
const AGAIN_AFTER_MS = 10 * 60_000
/** Longest wait for an entry: a database that hangs must not hold up the one tool that is needed then. */
const PATIENCE_MS = 1_000
/** As many are remembered; those in charge are few. */
const MOST = 1_000

const written = new Map<string, number>()

/**
 * For what a page that is open reads every few seconds: an entry for each time would be most of the trail and of what it
 * costs, so one person's reading is one entry in a while, per isolate. Nobody waits for it.
 */
export function auditWatching(c: Context<AppEnv>, action: AuditAction): void {
  const key = `${action} ${c.var.principal.userId}`
  const now = Date.now()
  const age = now - (written.get(key) ?? Number.NEGATIVE_INFINITY)
  if (age >= 0 && age < AGAIN_AFTER_MS) return
  if (written.size >= MOST) written.clear()
  written.set(key, now)
  // What could not be written is tried again with the next reading.
  c.executionCtx.waitUntil(record(c, action).then((isWritten) => isWritten || written.delete(key)))
}

/** For what is done already: it is waited for, but not for long. Never throws. */
export async function auditAfter(
  c: Context<AppEnv>,
  action: AuditAction,
  resource?: string,
  details?: AuditDetails,
): Promise<void> {
  const entry = record(c, action, resource, details)
  c.executionCtx.waitUntil(entry)
  let timer: ReturnType<typeof setTimeout> | undefined
  const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)))
  await Promise.race([entry, patience])
  clearTimeout(timer)
}

/** @returns whether it is in the trail; otherwise it is in the log */
async function record(
  c: Context<AppEnv>,
  action: AuditAction,
  resource?: string,
  details?: AuditDetails,
): Promise<boolean> {
  try {
    await c.var.audit(action, resource, details)
    return true
  } catch (error) {
    const { userId } = c.var.principal
    c.var.logger.error('not_in_trail', error, { action, actor: userId, resource, ...details })
    return false
  }
}
