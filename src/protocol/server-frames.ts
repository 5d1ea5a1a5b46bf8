/**
 * Frames that the server sends. Those with a `seq` are the durable events of the log; the others are of the moment.
 * The same objects travel as socket frames, as SSE events and over RPC. Rules: README.md in this folder.
 */
import * as z from 'zod'
import * as ids from './ids.ts'
import { limitReached } from './limit-reached.ts'
import { member } from './members.ts'
import { conversation, degraded, finishReason, message, turnError, usage, viewer } from './message.ts'

const seq = z.int().positive()
const offset = z.int().nonnegative()
const at = z.iso.datetime()

/** A turn that has not ended: its place in the queue while it waits, or that it runs. */
export const openTurn = z.object({
  turnId: ids.turnId,
  /** The message that asked. */
  askedBy: ids.messageId,
  /** The message that the turn writes. */
  messageId: ids.messageId,
  state: z.enum(['queued', 'streaming']),
  /** 1 is next; 0 runs. */
  position: z.int().nonnegative(),
  priority: ids.priority,
  /** It waits for the provider, too, and that is how long it is likely to take, in ms. Absent when nobody can tell. */
  etaMs: z.int().nonnegative().optional(),
})
export type OpenTurn = z.infer<typeof openTurn>

export const conversationJoined = z.object({
  type: z.literal('conversation_joined'),
  /** The newest `seq` of the log; what the client missed up to here follows, unless `reset`. */
  seq: z.int().nonnegative(),
  /** True: forget what you had, `messages` is the newest page. */
  reset: z.boolean(),
  conversation,
  /** The newest page, oldest first; only with `reset`. */
  messages: z.array(message).optional(),
  /** Pass as `before` to read the page before this one; null at the beginning. Only with `reset`. */
  before: ids.messageId.nullable().optional(),
  turns: z.array(openTurn),
  viewers: z.array(viewer),
  you: z.object({ userId: z.string(), name: z.string() }),
})

export const messageCreated = z.object({ type: z.literal('message_created'), seq, message })

/** To the sender only, once the message is durable. */
export const messageAccepted = z.object({
  type: z.literal('message_accepted'),
  /** The client's own id, as sent. */
  id: z.string(),
  /** The person's message. */
  messageId: ids.messageId,
  turnId: ids.turnId,
  /** The message that the turn writes, or has written. */
  answerId: ids.messageId,
  /** True: this id was accepted before, and nothing new was started. */
  duplicate: z.boolean(),
})

export const turnQueued = openTurn.extend({ type: z.literal('turn_queued') })

/**
 * The turn runs; `offset` is where the text of this attempt begins: cut the message back to it. A turn that had failed or
 * was interrupted may start again, after the text that it has.
 */
export const streamStart = z.object({
  type: z.literal('stream_start'),
  seq,
  turnId: ids.turnId,
  messageId: ids.messageId,
  parentId: ids.messageId,
  attempt: z.int().positive(),
  offset,
  agentId: z.string(),
  model: z.string(),
  at,
})

export const streamChunk = z.object({
  type: z.literal('stream_chunk'),
  messageId: ids.messageId,
  offset,
  delta: z.string(),
})

const ended = {
  seq,
  turnId: ids.turnId,
  messageId: ids.messageId,
  parentId: ids.messageId,
  length: offset,
  at,
}

export const streamComplete = z.object({
  type: z.literal('stream_complete'),
  ...ended,
  finishReason,
  model: z.string(),
  usage: usage.optional(),
  degraded: degraded.optional(),
  cached: z.boolean().optional(),
})
export const streamStopped = z.object({ type: z.literal('stream_stopped'), ...ended })
export const streamFailed = z.object({ type: z.literal('stream_failed'), ...ended, error: turnError })
export const streamInterrupted = z.object({
  type: z.literal('stream_interrupted'),
  ...ended,
  error: turnError,
})

export const presence = z.object({ type: z.literal('presence'), viewers: z.array(viewer) })

export const typingOut = z.object({
  type: z.literal('typing'),
  userId: z.string(),
  name: z.string(),
  active: z.boolean(),
})

export const conversationUpdated = z.object({ type: z.literal('conversation_updated'), seq, conversation })

/** Who is in the conversation from now on, in the order in which they came. */
export const membersUpdated = z.object({ type: z.literal('members_updated'), seq, members: z.array(member) })

/** The proof of who is here has expired: send `authenticate` within this time, or be disconnected. */
export const authRequired = z.object({ type: z.literal('auth_required'), graceMs: z.int().nonnegative() })

/** Answers `authenticate`; `expiresAt` is when it is asked for again, null when never. */
export const authenticated = z.object({
  type: z.literal('authenticated'),
  expiresAt: z.iso.datetime().nullable(),
})

export const conversationDeleted = z.object({
  type: z.literal('conversation_deleted'),
  conversationId: z.string(),
})

export const errorFrame = z.object({
  type: z.literal('error'),
  code: z.string(),
  title: z.string(),
  detail: z.string(),
  retryable: z.boolean(),
  /** The field at fault. */
  field: z.string().optional(),
  /** The client's own id of the message that was refused. */
  id: z.string().optional(),
  retryAfterMs: z.number().optional(),
  limit: limitReached.optional(),
})

export const serverFrame = z.discriminatedUnion('type', [
  conversationJoined,
  messageCreated,
  messageAccepted,
  turnQueued,
  streamStart,
  streamChunk,
  streamComplete,
  streamStopped,
  streamFailed,
  streamInterrupted,
  presence,
  typingOut,
  conversationUpdated,
  membersUpdated,
  authRequired,
  authenticated,
  conversationDeleted,
  errorFrame,
])
export type ServerFrame = z.infer<typeof serverFrame>

export type FrameOf<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>
/** The frames that are events of the log: each carries its `seq`. */
export type DurableFrame =
  FrameOf<'message_created' | 'stream_start' | 'conversation_updated' | 'members_updated'> | TurnEnded
export type EventType = DurableFrame['type']

/** Frames that say that a turn has ended. */
export type TurnEnded = FrameOf<'stream_complete' | 'stream_stopped' | 'stream_failed' | 'stream_interrupted'>

export function isTurnEnded(frame: ServerFrame): frame is TurnEnded {
  switch (frame.type) {
    case 'stream_complete':
    case 'stream_stopped':
    case 'stream_failed':
    case 'stream_interrupted':
      return true
    default:
      return false
  }
}
