/**
 * Errors as sentences. The server's own `detail` is written for people and is used as it is; only what the server never
 * said, or says in the terms of the protocol, gets words here.
 */
import type { ParleyErrorCode } from '../client/index.ts'
import type { LimitReached } from '../protocol/limit-reached.ts'
import { limitText } from './limit-text.ts'

interface Described {
  readonly code: ParleyErrorCode
  readonly detail?: string
  readonly message?: string
  readonly limit?: LimitReached | undefined
}

const SENTENCES: Record<string, string> = {
  network: 'The server could not be reached. Check your connection and try again.',
  not_found: 'This conversation does not exist, or is not yours.',
  unauthorized: 'Your session has ended. Reload the page to go on.',
  queue_full: 'Too many messages are waiting in this conversation. Try again when some are answered.',
  invalid_credentials: 'The email or the password is wrong.',
  wrong_password: 'This is not your password.',
  last_admin: 'This is the last administrator. Make somebody else one first.',
  model_unavailable: 'No model can be asked right now. Try again in a minute.',
  model_unreachable: 'The connection to the model failed. Try again in a minute.',
  model_overloaded: 'The model has too much to do right now. Try again in a minute.',
  model_quota:
    'The quota at the model’s provider is used up. Tell whoever runs this; trying again will not help.',
  model_context_length: 'This conversation is longer than the model can read. Begin a new one.',
  model_refused_content: 'The model’s provider refused this. Say it in another way.',
  queue_timeout: 'The model was busy for too long. Nothing was lost: try again.',
  email_taken: 'There is an account with this email already. Sign in instead.',
}

export function errorText({ code, detail, message, limit }: Described): string {
  const said = detail ?? message ?? ''
  if (limit) return limitText(limit, said)
  // Why is what somebody wrote just for this, perhaps without an end.
  if (code === 'paused') return `${said}${/[.!?]$/.test(said) ? '' : '.'} Try again when that is over.`
  return (SENTENCES[code] ?? said) || 'Something went wrong.'
}
