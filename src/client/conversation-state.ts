/**
 * A conversation as one client sees it: a plain immutable value, and what can be read from it. `apply-frame.ts` moves it
 * forward by what the server says, `pending.ts` by what the person does; who holds it is `connection.ts`.
 */
import type { JoinConversation } from '../protocol/client-frames.ts'
import type { Member } from '../protocol/members.ts'
import { textOf, type Conversation, type Message, type Viewer } from '../protocol/message.ts'
import type { OpenTurn } from '../protocol/server-frames.ts'
import type { SendError } from './parley-error.ts'

/** A message that was sent here and is not yet seen in the log. */
export interface PendingMessage {
  /** The client id: sending it again with the same content is the same message (rule I3). */
  readonly id: string
  readonly content: string
  readonly createdAt: string
  /**
   * `waiting`: not handed to the network; `sending`: handed over, not acknowledged; `accepted`: durable (rule O2), its
   * event is on its way; `failed`: refused, see `error`.
   */
  readonly state: 'waiting' | 'sending' | 'accepted' | 'failed'
  readonly error?: SendError | undefined
}

export interface Typist {
  readonly userId: string
  readonly name: string
}

export interface ConversationState {
  /** `new` until first joined; a `deleted` one never changes again. */
  readonly phase: 'new' | 'live' | 'deleted'
  /** The last event that was applied (rule O1). */
  readonly seq: number
  /** Something was missed: until joined again, nothing more is applied (rules O1, O4, O6). */
  readonly needsRejoin: boolean
  readonly conversation: Conversation | null
  /** By number, which is the order of acceptance; the part of the history that was loaded, without gaps. */
  readonly messages: readonly Message[]
  /** Pass to `listMessages` to read what is older; null when all is here. */
  readonly before: string | null
  /** Turns that have not ended. */
  readonly turns: readonly OpenTurn[]
  readonly viewers: readonly Viewer[]
  /** As last told; null when nothing was said of them since joining. */
  readonly members: readonly Member[] | null
  readonly typing: readonly Typist[]
  readonly you: { readonly userId: string; readonly name: string } | null
  readonly pending: readonly PendingMessage[]
  /** The last error that the server sent that belongs to no message. */
  readonly notice: SendError | null
}

export const newConversationState: ConversationState = {
  phase: 'new',
  seq: 0,
  needsRejoin: false,
  conversation: null,
  messages: [],
  before: null,
  turns: [],
  viewers: [],
  members: null,
  typing: [],
  you: null,
  pending: [],
  notice: null,
}

/** What to say in order to get what this state lacks (rules R2–R4). `fresh` gives up what is held, and asks for a page. */
export function joinRequest(state: ConversationState, fresh = false): JoinConversation {
  const base = { type: 'join_conversation', compact: true } as const
  if (fresh || state.phase !== 'live') return base
  const unfinished = state.messages.findLast((message) => message.status === 'streaming')
  const have = unfinished && { messageId: unfinished.id, offset: textOf(unfinished).length }
  return { ...base, after: state.seq, ...(have && { have }) }
}

/** The number of a message or turn (rule I1). */
export const numberOf = (id: string): number => Number(id.slice(1))

/** The turn that runs now, if one does. */
export function runningTurn(state: ConversationState): OpenTurn | undefined {
  return state.turns.find((turn) => turn.state === 'streaming')
}

/** Whether the person here may write; who they are is not known before joining, and then nothing stands in their way. */
export const mayWrite = (state: ConversationState): boolean => state.conversation?.role !== 'viewer'

/** Puts a message in its place by number, or in the place of the one with its id. */
export function withMessage(messages: readonly Message[], message: Message): readonly Message[] {
  const number = numberOf(message.id)
  const at = messages.findLastIndex((other) => numberOf(other.id) <= number)
  const replaces = messages[at]?.id === message.id
  return [...messages.slice(0, replaces ? at : at + 1), message, ...messages.slice(at + 1)]
}

export function withText(message: Message, text: string): Message {
  return { ...message, parts: text === '' ? [] : [{ type: 'text', text }] }
}

export function withTurn(turns: readonly OpenTurn[], turn: OpenTurn): readonly OpenTurn[] {
  const others = turns.filter((other) => other.turnId !== turn.turnId)
  return [...others, turn].toSorted((a, b) => numberOf(a.turnId) - numberOf(b.turnId))
}
