/**
 * What the person does, applied to the state: messages on their way, older pages, and what a lost link means for what
 * was said about the moment. Pure, like `apply-frame.ts`.
 */
import type { MessagePage } from '../protocol/http.ts'
import { numberOf, type ConversationState as State, type PendingMessage } from './conversation-state.ts'
import type { SendError } from './parley-error.ts'

export function addPending(state: State, message: PendingMessage): State {
  const known = state.pending.some((sent) => sent.id === message.id)
  return known ? state : { ...state, pending: [...state.pending, message] }
}

export function markSending(state: State, id: string): State {
  return update(state, id, (sent) => ({ ...sent, state: 'sending', error: undefined }))
}

/** Only of what is still on its way: an acknowledgement that came first is worth more than a time-out. */
export function markFailed(state: State, id: string, error: SendError): State {
  return update(state, id, (sent) => (sent.state === 'accepted' ? sent : { ...sent, state: 'failed', error }))
}

/** To be sent again with the same id. */
export function markWaiting(state: State, id: string): State {
  return update(state, id, (sent) =>
    sent.state === 'accepted' ? sent : { ...sent, state: 'waiting', error: undefined },
  )
}

export function removePending(state: State, id: string): State {
  return { ...state, pending: state.pending.filter((sent) => sent.id !== id) }
}

/** The link is gone: what was not acknowledged will be sent again, and nobody is known to be here or to type. */
export function linkLost(state: State): State {
  return {
    ...state,
    viewers: [],
    typing: [],
    pending: state.pending.map((sent) => (sent.state === 'sending' ? { ...sent, state: 'waiting' } : sent)),
  }
}

/** Puts an older page before what is loaded. A page that does not join on (asked for before a reset) is dropped. */
export function addOlderPage(state: State, page: MessagePage, askedBefore: string): State {
  if (state.before !== askedBefore) return state
  const first = state.messages[0]
  const older = first
    ? page.messages.filter((message) => numberOf(message.id) < numberOf(first.id))
    : page.messages
  return { ...state, messages: [...older, ...state.messages], before: page.before }
}

function update(state: State, id: string, change: (sent: PendingMessage) => PendingMessage): State {
  return { ...state, pending: state.pending.map((sent) => (sent.id === id ? change(sent) : sent)) }
}
