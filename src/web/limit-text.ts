/**
 * A limit that was reached, as sentences: which one, and from when there is room again. What is counted is the server's
 * to say; a limit of a name that this page does not know keeps the server's own words.
 */
import type { LimitReached } from '../protocol/limit-reached.ts'
import { shortTime } from './dates.ts'

const number = new Intl.NumberFormat()
const money = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'USD' })

const WHAT: Record<string, (limit: string) => string> = {
  messages_per_day: (limit) => `You have used your ${limit} messages for today.`,
  tokens_per_day: (limit) => `You have used your ${limit} tokens for today.`,
  tokens_per_month: (limit) => `You have used your ${limit} tokens for this month.`,
  cost_per_month: (limit) => `You have used your ${limit} for this month.`,
  concurrent_turns: (limit) => `${limit} of your answers are running, which is as many as your plan allows.`,
}

export const amount = (value: number, unit: string): string =>
  unit === 'usd' ? money.format(value) : unit === 'bytes' ? bytes(value) : number.format(value)

/** @param detail the server's words */
export function limitText({ name, limit, unit, resetAt }: LimitReached, detail: string): string {
  const what = WHAT[name]?.(amount(limit, unit)) ?? detail
  return resetAt === null ? what : `${what} You can go on ${fromWhen(resetAt)}.`
}

/** "at 14:05", "on 24 Nov, 02:00" or "in 12 seconds". */
export function fromWhen(iso: string, now = Date.now()): string {
  const seconds = Math.max(1, Math.ceil((Date.parse(iso) - now) / 1000))
  if (seconds < 60) return seconds === 1 ? 'in a second' : `in ${seconds} seconds`
  const time = shortTime(iso)
  return `${time.includes(',') ? 'on' : 'at'} ${time}`
}

function bytes(value: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const
  const step = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3))
  const options = { style: 'unit', unit: units[step] ?? 'byte', maximumFractionDigits: 1 } as const
  return new Intl.NumberFormat(undefined, options).format(value / 1000 ** step)
}
