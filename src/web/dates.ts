/**
 * Times as people say them, in the language of the browser.
 * Days are calendar days: what was said at ten in the evening is yesterday's at one in the morning.
 */
const time = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const utcDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' })

const DAY_MS = 86_400_000

export const fullTime = (iso: string): string => full.format(new Date(iso))

/** The time today; the day before that. */
export function shortTime(iso: string, now = new Date()): string {
  const date = new Date(iso)
  return daysAgo(date, now) === 0 ? time.format(date) : `${day.format(date)}, ${time.format(date)}`
}

/** A day of UTC, such as `2026-11-22`, which is how usage is counted. */
export const dayName = (day: string): string => utcDay.format(new Date(day))

/** The heading under which a conversation stands in the list. */
export function period(iso: string, now = new Date()): string {
  const days = daysAgo(new Date(iso), now)
  if (days <= 0) return 'Today'
  if (days === 1) return 'Yesterday'
  if (days < 7) return 'The last seven days'
  return days < 30 ? 'The last thirty days' : 'Older'
}

/** Calendar days, not spans of 24 hours. */
function daysAgo(date: Date, now: Date): number {
  const midnight = (d: Date) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime()
  return Math.round((midnight(now) - midnight(date)) / DAY_MS)
}
