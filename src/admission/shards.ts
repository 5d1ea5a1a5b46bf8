/**
 * How a provider's limits are divided over its queue objects, and which of them a conversation belongs to. Pure, and the
 * same for those who ask and for the objects themselves.
 */
import type { ProviderLimits } from '../protocol/provider-limits.ts'

/** What one object may let through. */
export type ShardLimits = Pick<ProviderLimits, 'concurrent' | 'requestsPerMinute' | 'tokensPerMinute'>

const KINDS = ['concurrent', 'requestsPerMinute', 'tokensPerMinute'] as const

export function isLimited(limits: ProviderLimits | undefined): limits is ProviderLimits {
  return limits !== undefined && KINDS.some((kind) => limits[kind] !== undefined)
}

/** How many objects there are: never so many that one of them would have nothing to give. */
export function shardCount(limits: ProviderLimits): number {
  return Math.min(limits.shards ?? 1, ...KINDS.map((kind) => limits[kind] ?? Infinity))
}

/**
 * The share of one object: whole numbers, whose sum over all objects is the limit. An object of before, when there were
 * more, has the least share for what still waits there.
 */
export function shardLimits(limits: ProviderLimits, index: number): ShardLimits {
  const count = shardCount(limits)
  const share = (limit: number | undefined): number | undefined =>
    limit === undefined ? undefined : Math.floor(limit / count) + (index < limit % count ? 1 : 0)
  return {
    concurrent: share(limits.concurrent),
    requestsPerMinute: share(limits.requestsPerMinute),
    tokensPerMinute: share(limits.tokensPerMinute),
  }
}

/** The object of this conversation: always the same one, while there are as many (FNV-1a, 32 bits). */
export function shardOf(conversationId: string, limits: ProviderLimits): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < conversationId.length; i++) {
    hash = Math.imul(hash ^ conversationId.charCodeAt(i), 0x01000193)
  }
  return (hash >>> 0) % shardCount(limits)
}

/** The name of an object, and what it says. */
export const shardName = (provider: string, index: number): string => `${provider}/${index}`

export function readShardName(name: string): { readonly provider: string; readonly index: number } {
  const at = name.lastIndexOf('/')
  return { provider: name.slice(0, at), index: Number(name.slice(at + 1)) }
}
