/**
 * `GET /api/admin/audit`: the trail, filtered and in pages, for admins.
 * Reading it is written into it, before it is read.
 */
import { Hono } from 'hono'
import * as z from 'zod'
import type { AppEnv } from '../../env.ts'
import { listAuditQuery, type AuditPage } from '../../protocol/admin.ts'
import { decodeCursor, encodeCursor } from '../page-cursor.ts'
import { permit } from '../permit.ts'
import { validate } from '../validate.ts'

const entryId = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number)

export const auditRoutes = new Hono<AppEnv>().get(
  '/',
  permit('admin:audit:read'),
  validate('query', listAuditQuery),
  async (c) => {
    const { limit, cursor, from, to, ...filter } = c.req.valid('query')
    const after = decodeCursor(cursor, entryId)
    // Whose entries were looked at is what somebody wants to know later. A filter is an id, never a text.
    await c.var.audit('admin_audit_read', filter.actor ?? filter.resource ?? null, {
      by: filter.actor !== undefined ? 'actor' : filter.resource !== undefined ? 'resource' : null,
      action: filter.action ?? null,
    })
    const { entries, end } = await c.var.services.audit.list(
      { ...filter, from: timeOf(from), to: timeOf(to) },
      limit,
      after,
    )
    const answer: AuditPage = { entries, next: end && encodeCursor(end) }
    return c.json(answer)
  },
)

const timeOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Date.parse(text)
