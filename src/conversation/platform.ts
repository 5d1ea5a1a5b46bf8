/**
 * What the platform lends to a conversation: the time, timers, and the alarm that its object has one of.
 * Decides nothing; tests lend their own.
 */
import type { ConversationDeps } from './deps.ts'

export function platformParts(
  storage: DurableObjectStorage,
): Pick<ConversationDeps, 'now' | 'after' | 'wakeAt'> {
  return {
    now: () => Date.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
    wakeAt: (time) => void storage.setAlarm(time),
  }
}
