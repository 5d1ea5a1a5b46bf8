/**
 * Exact quotas of one person: what was used, what is held for turns that have not ended, and whether one more fits. Pure:
 * a state and a time go in, a new state comes out; `limiter-object.ts` keeps it in one row.
 *
 * A hold counts in the day and month in which it was made, whenever it is settled: so `used + reserved` never passes a
 * limit by an admission, and only the truth of a settlement may. Each step may be repeated: holds have keys. A hold whose
 * lease ran out no longer counts, but is remembered, so that its truth still counts when it comes late.
 */
import type { Plan } from '../protocol/plan.ts'
import type { Quota, QuotaName } from '../protocol/usage.ts'

/**
 * How long a hold counts without being settled. It only ends what was lost between the reservation and the message's
 * acceptance. A model call cannot outlive 15 minutes (no outbound request keeps an object alive for longer) and is made
 * twice at most; the rest is for the queue before it, and a turn that waits even longer is counted when it settles.
 */
export const LEASE_MS = 60 * 60_000
/** How many lapsed holds are remembered, the newest of them. */
const MOST_LAPSED = 32

export const MICROS = 1_000_000

/** What a hold or a settlement counts. Documents and bytes may be negative in a settlement: something was removed. */
export interface Amounts {
  readonly messages?: number
  readonly tokens?: number
  /** Micro-dollars. */
  readonly micros?: number
  readonly documents?: number
  readonly bytes?: number
}

interface Hold {
  readonly amounts: Amounts
  /** Whether it is a turn, of which only some may be open at once. */
  readonly turn: boolean
  readonly day: number
  readonly month: number
  readonly expiresAt: number
}

export interface QuotaState {
  /** Days since the epoch and months since year 0, UTC, that the counters are of. They never go back. */
  readonly day: number
  readonly month: number
  readonly messagesToday: number
  readonly tokensToday: number
  readonly tokensThisMonth: number
  readonly microsThisMonth: number
  readonly documents: number
  readonly bytes: number
  readonly open: Readonly<Record<string, Hold>>
  readonly lapsed: Readonly<Record<string, Hold>>
}

export const EMPTY: QuotaState = {
  day: 0,
  month: 0,
  messagesToday: 0,
  tokensToday: 0,
  tokensThisMonth: 0,
  microsThisMonth: 0,
  documents: 0,
  bytes: 0,
  open: {},
  lapsed: {},
}

export const DAY_MS = 24 * 60 * 60_000

function monthOf(now: number): number {
  const date = new Date(now)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

/** The state at this time: new periods begin at zero, and what outlived its lease lapses. */
export function at(state: QuotaState, now: number): QuotaState {
  const day = Math.max(state.day, Math.floor(now / DAY_MS))
  const month = Math.max(state.month, monthOf(now))
  let next = state
  if (day !== state.day) next = { ...next, day, messagesToday: 0, tokensToday: 0 }
  if (month !== state.month) next = { ...next, month, tokensThisMonth: 0, microsThisMonth: 0 }
  const late = Object.entries(next.open).filter(([, hold]) => hold.expiresAt <= now)
  if (late.length === 0) return next
  const open = { ...next.open }
  for (const [key] of late) delete open[key]
  const lapsed = [...Object.entries(next.lapsed), ...late].slice(-MOST_LAPSED)
  return { ...next, open, lapsed: Object.fromEntries(lapsed) }
}

/** A quota as {@link Quota}, with what it counts in whole units (money in micro-dollars). */
interface Counter {
  readonly name: QuotaName
  readonly unit: string
  readonly limit: number | null
  readonly used: number
  readonly reserved: number
  /** One more of these is asked for. */
  readonly asked: number
  /** End of the period, ms; null when it has none. */
  readonly resetAt: number | null
}

function counters(state: QuotaState, plan: Plan, asked: Amounts, isTurn: boolean): Counter[] {
  const held = {
    messages: 0,
    tokensToday: 0,
    tokensThisMonth: 0,
    micros: 0,
    turns: 0,
    documents: 0,
    bytes: 0,
  }
  for (const { amounts, day, month, turn } of Object.values(state.open)) {
    if (day === state.day) {
      held.messages += amounts.messages ?? 0
      held.tokensToday += amounts.tokens ?? 0
    }
    if (month === state.month) {
      held.tokensThisMonth += amounts.tokens ?? 0
      held.micros += amounts.micros ?? 0
    }
    if (turn) held.turns++
    held.documents += amounts.documents ?? 0
    held.bytes += amounts.bytes ?? 0
  }
  const { messages = 0, tokens = 0, micros = 0, documents = 0, bytes = 0 } = asked
  const dayEnd = (state.day + 1) * DAY_MS
  const monthEnd = Date.UTC(Math.floor((state.month + 1) / 12), (state.month + 1) % 12)
  const usd = plan.usdPerMonth === null ? null : Math.round(plan.usdPerMonth * MICROS)
  const row = (
    name: QuotaName,
    unit: string,
    limit: number | null,
    used: number,
    reserved: number,
    amount: number,
    resetAt: number | null,
  ): Counter => ({ name, unit, limit, used, reserved, asked: amount, resetAt })
  return [
    row(
      'messages_per_day',
      'messages',
      plan.messagesPerDay,
      state.messagesToday,
      held.messages,
      messages,
      dayEnd,
    ),
    row('tokens_per_day', 'tokens', plan.tokensPerDay, state.tokensToday, held.tokensToday, tokens, dayEnd),
    row(
      'tokens_per_month',
      'tokens',
      plan.tokensPerMonth,
      state.tokensThisMonth,
      held.tokensThisMonth,
      tokens,
      monthEnd,
    ),
    row('cost_per_month', 'usd', usd, state.microsThisMonth, held.micros, micros, monthEnd),
    row('concurrent_turns', 'turns', plan.concurrentTurns, 0, held.turns, isTurn ? 1 : 0, null),
    row('documents', 'documents', plan.documents, state.documents, held.documents, documents, null),
    row('storage_bytes', 'bytes', plan.storageBytes, state.bytes, held.bytes, bytes, null),
  ]
}

export interface Reserved {
  readonly state: QuotaState
  /** The quota that has no room; null when the hold is made, or was made before under this key. */
  readonly refused: Quota | null
}

/** Holds the amounts under this key, all of them or none. */
export function reserve(
  before: QuotaState,
  plan: Plan,
  key: string,
  amounts: Amounts,
  now: number,
  turn = true,
): Reserved {
  const state = at(before, now)
  if (Object.hasOwn(state.open, key)) return { state, refused: null }
  const full = counters(state, plan, amounts, turn).find(
    ({ limit, used, reserved, asked }) => limit !== null && asked > 0 && used + reserved + asked > limit,
  )
  if (full) return { state, refused: toQuota(full) }
  const { [key]: _, ...lapsed } = state.lapsed
  const hold: Hold = { amounts, turn, day: state.day, month: state.month, expiresAt: now + LEASE_MS }
  return { state: { ...state, lapsed, open: { ...state.open, [key]: hold } }, refused: null }
}

/** Counts the truth instead of the hold. A key without one was settled before, or never reserved: nothing changes. */
export function settle(before: QuotaState, key: string, truth: Amounts, now: number): QuotaState {
  const state = at(before, now)
  const hold = holdOf(state, key)
  if (!hold) return state
  const { messages = 0, tokens = 0, micros = 0, documents = 0, bytes = 0 } = truth
  const today = hold.day === state.day
  const thisMonth = hold.month === state.month
  return {
    ...without(state, key),
    messagesToday: state.messagesToday + (today ? messages : 0),
    tokensToday: state.tokensToday + (today ? tokens : 0),
    tokensThisMonth: state.tokensThisMonth + (thisMonth ? tokens : 0),
    microsThisMonth: state.microsThisMonth + (thisMonth ? micros : 0),
    documents: Math.max(0, state.documents + documents),
    bytes: Math.max(0, state.bytes + bytes),
  }
}

/** Gives everything back. */
export function release(before: QuotaState, key: string, now: number): QuotaState {
  const state = at(before, now)
  return holdOf(state, key) ? without(state, key) : state
}

export function quotas(state: QuotaState, plan: Plan, now: number): Quota[] {
  return counters(at(state, now), plan, {}, false).map(toQuota)
}

function holdOf(state: QuotaState, key: string): Hold | undefined {
  if (Object.hasOwn(state.open, key)) return state.open[key]
  return Object.hasOwn(state.lapsed, key) ? state.lapsed[key] : undefined
}

function without(state: QuotaState, key: string): QuotaState {
  const { [key]: _open, ...open } = state.open
  const { [key]: _lapsed, ...lapsed } = state.lapsed
  return { ...state, open, lapsed }
}

function toQuota({ name, unit, limit, used, reserved, resetAt }: Counter): Quota {
  const scale = unit === 'usd' ? MICROS : 1
  return {
    name,
    unit,
    limit: limit === null ? null : limit / scale,
    used: used / scale,
    reserved: reserved / scale,
    remaining: limit === null ? null : Math.max(0, limit - used - reserved) / scale,
    resetAt: resetAt === null ? null : new Date(resetAt).toISOString(),
  }
}
