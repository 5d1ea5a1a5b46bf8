/**
 * Figures of the administration as people read them: durations, and times to the second, because what happens during an
 * incident happens within seconds.
 */
const number = new Intl.NumberFormat()
const decimal = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const dated = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: 'numeric',
  minute: '2-digit',
  second: '2-digit',
})

/** @param ms null: nothing was measured */
export function duration(ms: number | null): string {
  if (ms === null) return '–'
  if (ms < 999.5) return `${Math.round(ms)} ms`
  return ms < 59_950 ? `${decimal.format(ms / 1000)} s` : `${decimal.format(ms / 60_000)} min`
}

export const count = (value: number): string => number.format(value)

/** The time of today, or the day and the time. */
export function exactTime(iso: string, now = new Date()): string {
  const date = new Date(iso)
  return (date.toDateString() === now.toDateString() ? clock : dated).format(date)
}

/** A word of the protocol, such as `rate_limit`. */
export const inWords = (word: string): string => word.replaceAll('_', ' ')
