/**
 * Entries of the audit trail for what operators look at and do while something is wrong. That may be D1, so whoever cannot
 * be written down is let through all the same: what would have been the entry is in the log then, as an error.
 *
 * Everything else is written down before it is done, or does not happen.
 */
import type { Context } from 'hono'
import type { AppEnv } from '../env.ts'
import type { AuditAction, AuditDetails } from '../protocol/admin.ts'

/** Who still watches after this is written down again. */
const AGAIN_AFTER_MS = 10 * 60_000
/** As many are remembered; those in charge are few. */
const MOST = 1_000

const written = new Map<string, number>()

/**
 * For what a page that is open reads every few seconds: an entry for each time would be most of the trail and of what it
 * costs, so one person's reading is one entry in a while, per isolate.
 */
export async function auditWatching(c: Context<AppEnv>, action: AuditAction): Promise<void> {
  const key = `${action} ${c.var.principal.userId}`
  const now = Date.now()
  const age = now - (written.get(key) ?? Number.NEGATIVE_INFINITY)
  if (age >= 0 && age < AGAIN_AFTER_MS) return
  if (!(await auditAfter(c, action))) return
  if (written.size >= MOST) written.clear()
  written.set(key, now)
}

/** For what is done already. Never throws. @returns whether it is in the trail */
export async function auditAfter(
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
