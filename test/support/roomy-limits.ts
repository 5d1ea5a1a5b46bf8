/**
 * Limits that stand in nobody's way, but are counted like any others: for benchmarks, and for tests whose clients send
 * faster than people do.
 */
const MOST = 1_000_000_000
const FAST = { capacity: 1_000_000, perSecond: 1_000_000 }

export const ROOMY_PLAN = {
  messagesPerDay: MOST,
  tokensPerDay: MOST * 1_000,
  tokensPerMonth: MOST * 1_000,
  usdPerMonth: MOST,
  concurrentTurns: 1_000,
  buckets: { read: FAST, write: FAST, auth: FAST, manage: FAST, admin: FAST },
}

/** Variables of the Worker. */
export const ROOMY_VARS = {
  PLANS: JSON.stringify({ guest: ROOMY_PLAN, free: ROOMY_PLAN }),
  FRAME_RATES: JSON.stringify({ chat: FAST, typing: FAST, join: FAST, other: FAST }),
  MAX_SOCKETS_PER_USER: '1000',
  MAX_SOCKETS_PER_ROOM: '1000',
}
