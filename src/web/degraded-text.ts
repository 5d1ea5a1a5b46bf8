/**
 * An answer that is not the one that was meant to be, as a sentence: who gave it, and what is wrong with whoever should
 * have. The server says why with a class of failure or, where nobody could be asked, with the code of an error.
 */
import type { Degraded } from '../protocol/message.ts'

const WHY: Record<string, string> = {
  auth: 'refuses our key',
  quota: 'has no quota left',
  rate_limit: 'limits our requests',
  rate_limited: 'limits our requests',
  timeout: 'is too slow',
  overloaded: 'is overloaded',
  context_length: 'takes nothing this long',
  cannot_continue: 'cannot go on with it',
  network: 'cannot be reached',
  unreachable: 'cannot be reached',
  unavailable: 'cannot be asked right now',
  queue_timeout: 'is busy',
  no_room: 'is busy',
  paused: 'is paused',
}

export function degradedText({ provider, reason, instead = 'the usual model' }: Degraded): string {
  const why = WHY[reason.replace('model_', '')] ?? 'is not well'
  return provider === 'cache'
    ? `An earlier answer, because the model ${why}`
    : `Answered by ${provider}, because ${instead} ${why}`
}
