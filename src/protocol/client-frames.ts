/**
 * Frames that a client sends on its socket. One JSON object per text frame; unknown fields are refused, so that a
 * misspelt option fails loudly. Rules: README.md in this folder.
 */
import * as z from 'zod'
import * as ids from './ids.ts'
import { MAX_TOKEN_CHARS } from './limits.ts'
import { content } from './message.ts'

/** The text that a client already holds of one unfinished message: `offset` is its length in UTF-16 code units. */
export const have = z.strictObject({ messageId: ids.messageId, offset: z.int().nonnegative() })
export type Have = z.infer<typeof have>

export const joinConversation = z.strictObject({
  type: z.literal('join_conversation'),
  /** The last `seq` that the client applied. Absent: send a fresh page. */
  after: z.int().nonnegative().optional(),
  have: have.optional(),
  /** Ask for deltas in the short text form (rule W3). */
  compact: z.boolean().optional(),
})

export const leaveConversation = z.strictObject({ type: z.literal('leave_conversation') })

export const streamChat = z.strictObject({
  type: z.literal('stream_chat'),
  id: ids.clientId,
  content,
  parentId: ids.messageId.nullable().optional(),
  agentId: ids.agentId.optional(),
  priority: ids.priority.optional(),
})

export const stopStream = z.strictObject({ type: z.literal('stop_stream'), turnId: ids.turnId })

/** Has an answer that failed or was interrupted go on, after the text that it has. */
export const continueTurn = z.strictObject({ type: z.literal('continue_turn'), turnId: ids.turnId })

export const typingIn = z.strictObject({ type: z.literal('typing'), active: z.boolean().optional() })

/** A fresh access token of the same person, in answer to `auth_required` or before it is asked for. */
export const authenticate = z.strictObject({
  type: z.literal('authenticate'),
  token: z.string().min(1).max(MAX_TOKEN_CHARS),
})

/** By type, because looking one up costs a tenth of trying a union. */
export const clientFrames = {
  join_conversation: joinConversation,
  leave_conversation: leaveConversation,
  stream_chat: streamChat,
  stop_stream: stopStream,
  continue_turn: continueTurn,
  typing: typingIn,
  authenticate,
}
export type ClientFrame = z.infer<(typeof clientFrames)[keyof typeof clientFrames]>
export type JoinConversation = z.infer<typeof joinConversation>
