/**
 * The client's half of the protocol as one pure function: (state, frame) → state. Whatever is lost, repeated or cut, the
 * text comes out as the server stores it, or the state says `needsRejoin`. Sending the join is the connection's part.
 */
import type { Conversation, Message } from '../protocol/message.ts'
import { textOf } from '../protocol/message.ts'
import { isTurnEnded, type FrameOf, type ServerFrame, type TurnEnded } from '../protocol/server-frames.ts'
import {
  numberOf,
  withMessage,
  withText,
  withTurn,
  type ConversationState as State,
  type PendingMessage,
} from './conversation-state.ts'
import { ParleyError } from './parley-error.ts'
import type { UnknownEvent } from './server-frame-parser.ts'

type Event = UnknownEvent | Extract<ServerFrame, { seq: number }>
type LogEvent = Exclude<Event, { type: 'conversation_joined' }>

export function applyFrame(state: State, frame: ServerFrame | UnknownEvent): State {
  if (state.phase === 'deleted') return state
  switch (frame.type) {
    case 'conversation_joined':
      return joined(state, frame)
    case 'stream_chunk':
      return chunk(state, frame)
    case 'message_accepted':
      return accepted(state, frame)
    case 'turn_queued': {
      const { type: _, ...turn } = frame
      return { ...state, turns: withTurn(state.turns, turn) }
    }
    case 'presence': {
      const here = new Set(frame.viewers.map((viewer) => viewer.userId))
      return { ...state, viewers: frame.viewers, typing: state.typing.filter((who) => here.has(who.userId)) }
    }
    case 'typing':
      return typing(state, frame)
    case 'conversation_deleted':
      return { ...state, phase: 'deleted', turns: [], viewers: [], typing: [] }
    case 'error':
      return refused(state, frame)
    // Of the link, not of the conversation.
    case 'auth_required':
    case 'authenticated':
      return state
    default:
      return event(state, frame)
  }
}

/** Rule O1: each once, in order; a gap means that something was missed. */
function event(state: State, frame: LogEvent): State {
  if (state.phase !== 'live' || state.needsRejoin || frame.seq <= state.seq) return state
  if (frame.seq > state.seq + 1) return { ...state, needsRejoin: true }
  const next = effect(state, frame)
  // An event that could not take effect is not counted, so that joining again brings it back.
  return next.needsRejoin ? next : { ...next, seq: frame.seq }
}

function effect(state: State, frame: LogEvent): State {
  if (frame.type === 'unknown_event') return state
  if (isTurnEnded(frame)) return turnEnded(state, frame)
  switch (frame.type) {
    case 'message_created':
      return messageCreated(state, frame.message)
    case 'stream_start':
      return streamStart(state, frame)
    case 'conversation_updated':
      return { ...state, conversation: withRole(frame.conversation, state.conversation?.role) }
    case 'members_updated':
      return membersUpdated(state, frame)
    default:
      return state
  }
}

/** What everyone is told does not say what one is oneself. */
function withRole(conversation: Conversation, role: Conversation['role']): Conversation {
  return { ...conversation, ...(conversation.role === undefined && role !== undefined && { role }) }
}

function membersUpdated(state: State, { members }: FrameOf<'members_updated'>): State {
  const you = members.find((member) => member.userId === state.you?.userId)
  const { conversation } = state
  return {
    ...state,
    members,
    ...(you && conversation && { conversation: { ...conversation, role: you.role } }),
  }
}

function joined(state: State, frame: FrameOf<'conversation_joined'>): State {
  const { conversation, turns, viewers, you } = frame
  const here: State = { ...state, conversation, turns, viewers, you, needsRejoin: false, typing: [] }
  if (!frame.reset) return state.phase === 'live' ? here : { ...state, needsRejoin: true }

  const messages = frame.messages ?? []
  const known = new Set(messages.flatMap((message) => (isOwn(message, you) ? [message.clientId] : [])))
  // What was accepted lies in the log up to `seq`, on this page or an older one.
  const pending = state.pending.filter((sent) => sent.state !== 'accepted' && !known.has(sent.id))
  return { ...here, phase: 'live', seq: frame.seq, messages, before: frame.before ?? null, pending }
}

/** Rule O4: the text is cut back to the offset, then the delta is appended. */
function chunk(state: State, frame: FrameOf<'stream_chunk'>): State {
  if (state.phase !== 'live' || state.needsRejoin) return state
  const at = state.messages.findLastIndex((message) => message.id === frame.messageId)
  const message = state.messages[at]
  if (!message) return isOlder(state, frame.messageId) ? state : { ...state, needsRejoin: true }
  // A late repeat of a message that has ended: its text is settled.
  if (message.status !== 'streaming') return state
  const text = textOf(message)
  if (text.length < frame.offset) return { ...state, needsRejoin: true }
  const kept = text.length === frame.offset ? text : text.slice(0, frame.offset)
  return { ...state, messages: state.messages.with(at, withText(message, kept + frame.delta)) }
}

function messageCreated(state: State, message: Message): State {
  const messages = withMessage(state.messages, message)
  if (message.role !== 'user') return { ...state, messages }
  const own = isOwn(message, state.you)
  const turn = {
    turnId: message.turnId,
    askedBy: message.id,
    messageId: `m${numberOf(message.turnId)}`,
    state: 'queued',
    position: 0,
    priority: 'normal',
  } as const
  return {
    ...state,
    messages,
    // A turn that the join or `turn_queued` told of is known better than it can be guessed here.
    turns: state.turns.some((other) => other.turnId === turn.turnId)
      ? state.turns
      : withTurn(state.turns, turn),
    typing: state.typing.filter((who) => who.userId !== message.authorId),
    pending: own ? state.pending.filter((sent) => sent.id !== message.clientId) : state.pending,
  }
}

/** Rule O5: what an earlier attempt said is void. */
function streamStart(state: State, frame: FrameOf<'stream_start'>): State {
  const turn = {
    turnId: frame.turnId,
    askedBy: frame.parentId,
    messageId: frame.messageId,
    state: 'streaming',
    position: 0,
    priority: state.turns.find((other) => other.turnId === frame.turnId)?.priority ?? 'normal',
  } as const
  const turns = withTurn(state.turns, turn)
  const held = state.messages.find((message) => message.id === frame.messageId)
  if (!held && isOlder(state, frame.messageId)) return { ...state, turns }

  const text = held ? textOf(held) : ''
  if (text.length < frame.offset) return { ...state, needsRejoin: true }
  const started: Message = {
    ...(held ?? answer(frame)),
    status: 'streaming',
    agentId: frame.agentId,
    model: frame.model,
    // How it ended before is over, too.
    error: undefined,
    finishReason: undefined,
    degraded: undefined,
    cached: undefined,
  }
  return {
    ...state,
    turns,
    messages: withMessage(state.messages, withText(started, text.slice(0, frame.offset))),
  }
}

/** Rule O6: `length` says how much of the text is the stored text. */
function turnEnded(state: State, frame: TurnEnded): State {
  const turns = state.turns.filter((turn) => turn.turnId !== frame.turnId)
  const held = state.messages.find((message) => message.id === frame.messageId)
  if (!held && isOlder(state, frame.messageId)) return { ...state, turns }

  const message = held ?? answer(frame)
  const text = textOf(message)
  if (text.length < frame.length) return { ...state, needsRejoin: true }
  const ended = { ...withText(message, text.slice(0, frame.length)), ...outcome(frame) }
  return { ...state, turns, messages: withMessage(state.messages, ended) }
}

function outcome(frame: TurnEnded): Partial<Message> & Pick<Message, 'status'> {
  if (frame.type === 'stream_stopped') return { status: 'stopped' }
  if (frame.type === 'stream_failed') return { status: 'failed', error: frame.error }
  if (frame.type === 'stream_interrupted') return { status: 'interrupted', error: frame.error }
  const { finishReason, model, usage, degraded, cached } = frame
  return {
    status: 'completed',
    finishReason,
    model,
    ...(usage && { usage }),
    ...(degraded && { degraded }),
    ...(cached && { cached }),
  }
}

function accepted(state: State, frame: FrameOf<'message_accepted'>): State {
  const newest = state.messages.at(-1)
  // A repeat whose message passed by already, here or on a page that is not loaded, has nothing left to wait for.
  const isPast = newest !== undefined && numberOf(frame.messageId) <= numberOf(newest.id)
  const pending = state.pending.flatMap((sent): PendingMessage[] => {
    if (sent.id !== frame.id) return [sent]
    return isPast ? [] : [{ ...sent, state: 'accepted', error: undefined }]
  })
  return { ...state, pending }
}

const ABOUT_THE_LINK: ReadonlySet<string> = new Set(['auth_required', 'access_changed', 'suspended'])

function refused(state: State, frame: FrameOf<'error'>): State {
  // Why the link is cut, which is about to be made again: the link has a voice of its own.
  if (frame.id === undefined && ABOUT_THE_LINK.has(frame.code)) return state
  const error = ParleyError.fromFrame(frame).toTurnError()
  if (!state.pending.some((sent) => sent.id === frame.id)) return { ...state, notice: error }
  const pending = state.pending.map((sent) =>
    sent.id === frame.id ? { ...sent, state: 'failed' as const, error } : sent,
  )
  return { ...state, pending }
}

function typing(state: State, { userId, name, active }: FrameOf<'typing'>): State {
  const others = state.typing.filter((who) => who.userId !== userId)
  const shown = active && userId !== state.you?.userId
  return { ...state, typing: shown ? [...others, { userId, name }] : others }
}

/** The message that a turn writes, before anything of it is known. */
function answer(frame: TurnEnded | FrameOf<'stream_start'>): Message {
  return {
    id: frame.messageId,
    parentId: frame.parentId,
    turnId: frame.turnId,
    role: 'assistant',
    authorId: null,
    authorName: null,
    status: 'streaming',
    parts: [],
    createdAt: frame.at,
  }
}

const isOwn = (message: Message, you: State['you']) =>
  message.clientId !== undefined && message.authorId === you?.userId

/** Lies before the loaded part of the history, so it is not missing. */
function isOlder(state: State, messageId: string): boolean {
  const oldest = state.messages[0]
  return state.before !== null && oldest !== undefined && numberOf(messageId) < numberOf(oldest.id)
}
