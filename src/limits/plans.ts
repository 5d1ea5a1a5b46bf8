/**
 * What each plan allows, and which plan is whose. The numbers are standards that an operator changes with the variable
 * `PLANS`; a plan of a new name starts from `free`.
 *
 * A guest's are generous for a person and dull for a machine: whoever makes many guests meets the flood guard.
 */
import type { FrameRates, Plan, PlanOverrides } from '../protocol/plan.ts'
import type { Principal } from '../protocol/principal.ts'

export type Plans = Readonly<Record<string, Plan>>

const GIB = 1024 ** 3

const BUCKETS: Plan['buckets'] = {
  read: { capacity: 300, perSecond: 30 },
  write: { capacity: 120, perSecond: 10 },
  // A page that lost its connection asks for a ticket for each attempt.
  auth: { capacity: 120, perSecond: 5 },
  // Each of these is an entry of the audit trail, for ever: enough for a day of inviting, too little to fill a database.
  manage: { capacity: 120, perSecond: 0.1 },
  admin: { capacity: 60, perSecond: 5 },
}

export const DEFAULT_PLANS = {
  guest: {
    messagesPerDay: 500,
    tokensPerDay: 2_000_000,
    tokensPerMonth: 20_000_000,
    usdPerMonth: 5,
    // A full queue (16) and what runs, in one conversation and a half.
    concurrentTurns: 24,
    documents: 20,
    storageBytes: GIB / 20,
    buckets: BUCKETS,
  },
  free: {
    messagesPerDay: 1_000,
    tokensPerDay: 4_000_000,
    tokensPerMonth: 40_000_000,
    usdPerMonth: 10,
    concurrentTurns: 48,
    documents: 100,
    storageBytes: GIB / 4,
    buckets: BUCKETS,
  },
  pro: {
    messagesPerDay: 10_000,
    tokensPerDay: 40_000_000,
    tokensPerMonth: 400_000_000,
    usdPerMonth: 200,
    concurrentTurns: 200,
    documents: 10_000,
    storageBytes: 20 * GIB,
    buckets: {
      read: { capacity: 1_200, perSecond: 120 },
      write: { capacity: 600, perSecond: 60 },
      auth: { capacity: 240, perSecond: 10 },
      manage: { capacity: 600, perSecond: 1 },
      admin: { capacity: 120, perSecond: 10 },
    },
  },
  unlimited: {
    messagesPerDay: null,
    tokensPerDay: null,
    tokensPerMonth: null,
    usdPerMonth: null,
    concurrentTurns: null,
    documents: null,
    storageBytes: null,
    // A program that has gone wild is stopped even here.
    buckets: {
      read: { capacity: 20_000, perSecond: 10_000 },
      write: { capacity: 20_000, perSecond: 10_000 },
      auth: { capacity: 2_000, perSecond: 1_000 },
      manage: { capacity: 20_000, perSecond: 10_000 },
      admin: { capacity: 2_000, perSecond: 1_000 },
    },
  },
} as const satisfies Plans

/** Of one socket. A person types, a program repeats: far above the one, and enough below the other to protect a room. */
const FRAME_RATES: FrameRates = {
  chat: { capacity: 40, perSecond: 5 },
  typing: { capacity: 60, perSecond: 10 },
  join: { capacity: 40, perSecond: 5 },
  other: { capacity: 200, perSecond: 50 },
}

export function mergeFrameRates(overrides: Partial<FrameRates>): FrameRates {
  return { ...FRAME_RATES, ...set(overrides) }
}

export function mergePlans(overrides: PlanOverrides): Plans {
  const plans: Record<string, Plan> = { ...DEFAULT_PLANS }
  for (const [name, { buckets, ...limits }] of Object.entries(overrides)) {
    const base = (Object.hasOwn(plans, name) && plans[name]) || DEFAULT_PLANS.free
    plans[name] = { ...base, ...set(limits), buckets: { ...base.buckets, ...set(buckets ?? {}) } }
  }
  return plans
}

/** The plan that counts: the one that was given, else that of the kind; a name that is no plan counts as none. */
export function planOf(
  plans: Plans,
  { kind, plan }: Pick<Principal, 'kind' | 'plan'>,
  given: string | null = null,
): { readonly name: string; readonly plan: Plan } {
  const standard = kind === 'guest' ? 'guest' : kind === 'service' ? 'pro' : 'free'
  const name = [given, plan, standard].find((each) => each != null && Object.hasOwn(plans, each)) ?? standard
  return { name, plan: plans[name] ?? DEFAULT_PLANS.free }
}

/** Whether a turn of this plan has to be reserved: a plan without any such limit does not pay for asking. */
export function countsTurns(plan: Plan): boolean {
  return [
    plan.messagesPerDay,
    plan.tokensPerDay,
    plan.tokensPerMonth,
    plan.usdPerMonth,
    plan.concurrentTurns,
  ].some((limit) => limit !== null)
}

/** Without what is undefined, which would hide the standard when spread over it. */
function set<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
