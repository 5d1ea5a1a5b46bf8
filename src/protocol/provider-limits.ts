/**
 * How much a provider takes from us, as it is configured and as operators are told of it. Apart from the rest of the
 * configuration, which is none of the page's.
 */
import * as z from 'zod'

/** What the provider allows us; what is left out is not limited, and with none of them nothing waits. */
export const providerLimits = z.strictObject({
  /** Calls at the same time. */
  concurrent: z.int().min(1).max(100_000).optional(),
  requestsPerMinute: z.int().min(1).max(10_000_000).optional(),
  tokensPerMinute: z.int().min(1).max(10_000_000_000).optional(),
  /** Over how many queue objects the limits are divided; more than one only above some hundred grants a second. */
  shards: z.int().min(1).max(64).optional(),
})
export type ProviderLimits = z.infer<typeof providerLimits>
