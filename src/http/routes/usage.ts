/**
 * `GET /api/usage`: what is left of my quotas, and what I used day by day. `GET /api/admin/usage`: what everyone used.
 *
 * What is left comes from my limiter object, which is exact; what was used from the ledger, which is told when turns end.
 */
import { Hono } from 'hono'
import type { AppEnv } from '../../env.ts'
import { AppError } from '../../errors.ts'
import {
  adminUsageQuery,
  MAX_USAGE_ROWS,
  type AdminUsageAnswer,
  type UsageAnswer,
} from '../../protocol/usage.ts'
import { permit } from '../permit.ts'
import { validate } from '../validate.ts'

const DAY_MS = 24 * 60 * 60_000
/** Days that are told when nobody says otherwise; a month always fits. */
const DAYS = 31
/** Longest range of one question. */
const MAX_DAYS = 366

const dayBefore = (day: number, days: number): string =>
  new Date(day - days * DAY_MS).toISOString().slice(0, 10)

export const usageRoutes = new Hono<AppEnv>().get('/', permit('usage:read'), async (c) => {
  const { services, principal } = c.var
  const [left, days] = await Promise.all([
    services.usage.quotas(principal),
    services.usage.days(principal.userId, dayBefore(Date.now(), DAYS - 1)),
  ])
  const answer: UsageAnswer = { ...left, days }
  return c.json(answer)
})

export const adminUsageRoutes = new Hono<AppEnv>().get(
  '/',
  permit('admin:usage:read'),
  validate('query', adminUsageQuery),
  async (c) => {
    const { to = dayBefore(Date.now(), 0), by = 'user', ...query } = c.req.valid('query')
    const from = query.from ?? dayBefore(Date.parse(to), DAYS - 2)
    const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1
    if (days < 1 || days > MAX_DAYS) {
      throw new AppError(
        'validation_failed',
        `The field "from" must lie up to ${MAX_DAYS} days before "to".`,
        {
          field: 'from',
        },
      )
    }
    await c.var.audit('admin_usage_read', null, { by, from, to })
    const answer: AdminUsageAnswer = {
      from,
      to,
      by,
      ...(await c.var.services.usage.by(by, { from, to }, MAX_USAGE_ROWS)),
    }
    return c.json(answer)
  },
)
