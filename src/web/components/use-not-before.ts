/**
 * Whether a moment still lies ahead, as a component sees it: it renders again when the moment has come.
 * What may be done from then on is the component's to say.
 */
import { useEffect, useState } from 'preact/hooks'

/** Timers hold no longer waits; a month is waited for in parts. */
const MAX_WAIT_MS = 86_400_000

/** @param at ISO 8601; null: nothing is waited for */
export function useNotBefore(at: string | null): boolean {
  const [now, setNow] = useState(Date.now)
  const left = at === null ? 0 : Date.parse(at) - now
  useEffect(() => {
    if (left <= 0) return
    const timer = setTimeout(() => setNow(Date.now()), Math.min(left, MAX_WAIT_MS))
    return () => clearTimeout(timer)
  }, [left])
  return left > 0
}
