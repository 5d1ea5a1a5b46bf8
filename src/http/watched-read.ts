/**
 * The entry of the audit trail for what somebody watches: a page that is open reads it every few seconds, and an entry for
 * each time would be most of the trail and of what it costs. So one person's reading is one entry in a while, per isolate.
 */
import type { Context } from 'hono'
import type { AppEnv } from '../env.ts'
import type { AuditAction } from '../protocol/admin.ts'

/** Who still watches after this is written down again. */
const AGAIN_AFTER_MS = 10 * 60_000
/** As many are remembered; those in charge are few. */
const MOST = 1_000

const written = new Map<string, number>()

/** @throws whatever writing the entry does; then it is tried again with the next reading */
export async function auditWatching(c: Context<AppEnv>, action: AuditAction): Promise<void> {
  const key = `${action} ${c.var.principal.userId}`
  const now = Date.now()
  const age = now - (written.get(key) ?? Number.NEGATIVE_INFINITY)
  if (age >= 0 && age < AGAIN_AFTER_MS) return
  await c.var.audit(action)
  if (written.size >= MOST) written.clear()
  written.set(key, now)
}
