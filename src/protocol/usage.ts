/**
 * What was used and what is left: `GET /api/usage` for oneself, `GET /api/admin/usage` for everyone.
 * Days and months are those of UTC; money is in US dollars.
 */
import * as z from 'zod'

export const QUOTA_NAMES = [
  'messages_per_day',
  'tokens_per_day',
  'tokens_per_month',
  'cost_per_month',
  'concurrent_turns',
  'documents',
  'storage_bytes',
] as const
export const quotaName = z.enum(QUOTA_NAMES)
export type QuotaName = z.infer<typeof quotaName>

export const quota = z.object({
  name: quotaName,
  /** What is counted: `messages`, `tokens`, `usd`, `turns`, `documents`, `bytes`. */
  unit: z.string(),
  /** Null: without a limit. */
  limit: z.number().nullable(),
  used: z.number(),
  /** Held for turns that have not ended. */
  reserved: z.number(),
  remaining: z.number().nullable(),
  /** When the period ends, ISO 8601; null for what is not counted by time. */
  resetAt: z.string().nullable(),
})
export type Quota = z.infer<typeof quota>

const sums = {
  messages: z.int(),
  inputTokens: z.int(),
  outputTokens: z.int(),
  costUsd: z.number(),
}

export const usageDay = z.object({ day: z.iso.date(), ...sums })
export type UsageDay = z.infer<typeof usageDay>

export const usageAnswer = z.object({
  plan: z.string(),
  quotas: z.array(quota),
  /** Newest first; days on which nothing was used are left out. */
  days: z.array(usageDay),
})
export type UsageAnswer = z.infer<typeof usageAnswer>

export const USAGE_GROUPS = ['user', 'model', 'day', 'agent', 'conversation'] as const
export type UsageGroup = (typeof USAGE_GROUPS)[number]

/** Rows of one answer of the administration, most expensive first. */
export const MAX_USAGE_ROWS = 1_000

export const adminUsageQuery = z.strictObject({
  /** First and last day, UTC, both included; standard: the last 30 days. */
  from: z.iso.date().optional(),
  to: z.iso.date().optional(),
  by: z.enum(USAGE_GROUPS).optional(),
})

export const adminUsageAnswer = z.object({
  from: z.iso.date(),
  to: z.iso.date(),
  by: z.enum(USAGE_GROUPS),
  rows: z.array(
    z.object({
      key: z.string(),
      ...sums,
      /** False when models without a known price are among them: the cost is too low then. */
      priced: z.boolean(),
    }),
  ),
  /** True: there were more rows than one answer holds. */
  truncated: z.boolean(),
})
export type AdminUsageAnswer = z.infer<typeof adminUsageAnswer>
