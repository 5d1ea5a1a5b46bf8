/**
 * Messages and conversations as clients see them.
 *
 * A message is one node of the conversation's tree (`parentId`). Its text lies in parts, so that other kinds of part
 * (tool calls, citations) can stand beside text without changing the shape.
 */
import * as z from 'zod'
import * as ids from './ids.ts'
import { MAX_CONTENT_CHARS, MAX_TITLE_CHARS } from './limits.ts'
import { MEMBER_ROLES } from './permissions.ts'

/** Broken UTF-16 and NUL would be altered or refused by stores and models on the way, so they are refused here. */
const wellFormed = z
  .string()
  .refine((text) => text.isWellFormed(), 'holds half a surrogate pair')
  .refine((text) => !text.includes('\u0000'), 'holds a NUL character')

/** What a person says: not blank, at most {@link MAX_CONTENT_CHARS} UTF-16 code units. */
export const content = wellFormed
  .refine((text) => text.length <= MAX_CONTENT_CHARS, `is longer than ${MAX_CONTENT_CHARS} characters`)
  .refine((text) => text.trim() !== '', 'is empty')

export const title = wellFormed
  .transform((text) => text.replace(/\s+/g, ' ').trim())
  .refine((text) => text.length <= MAX_TITLE_CHARS, `is longer than ${MAX_TITLE_CHARS} characters`)
  .refine((text) => text !== '', 'is empty')

export const role = z.enum(['user', 'assistant', 'system', 'tool'])
export type Role = z.infer<typeof role>

/** `streaming` is the only state that changes; a person's message is `completed` from the start. */
export const messageStatus = z.enum(['streaming', 'completed', 'stopped', 'failed', 'interrupted'])
export type MessageStatus = z.infer<typeof messageStatus>

/** Why the model ended: its own end, the length limit, a filter, or unknown. */
export const finishReason = z.enum(['stop', 'length', 'content_filter', 'tool_calls', 'unknown'])
export type FinishReason = z.infer<typeof finishReason>

/** Tokens as the provider reported them. */
export const usage = z.object({ inputTokens: z.int().nonnegative(), outputTokens: z.int().nonnegative() })
export type Usage = z.infer<typeof usage>

/** Why a turn failed: a code of the error table and whether trying again may help. */
export const turnError = z.object({
  code: z.string(),
  detail: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.number().optional(),
  /** The text so far can be gone on from: whoever asked may send `continue_turn`. */
  continuable: z.boolean().optional(),
})
export type TurnError = z.infer<typeof turnError>

/** The answer is not the one that was meant to be: somebody else gave it, or nobody could. */
export const degraded = z.object({
  /** Who answered. */
  provider: z.string(),
  /** Why whoever should have did not, in a word: a class of failure, `paused` or `breaker_open`. */
  reason: z.string(),
  /** Who should have answered. */
  instead: z.string().optional(),
})
export type Degraded = z.infer<typeof degraded>

export const part = z.object({ type: z.literal('text'), text: z.string() })

export const message = z.object({
  id: ids.messageId,
  parentId: ids.messageId.nullable(),
  /** The turn that answers this message, or that wrote it. */
  turnId: ids.turnId,
  /** The id that the sending client made; on messages of people only. */
  clientId: z.string().optional(),
  role,
  authorId: z.string().nullable(),
  authorName: z.string().nullable(),
  status: messageStatus,
  parts: z.array(part),
  createdAt: z.iso.datetime(),
  agentId: z.string().optional(),
  model: z.string().optional(),
  finishReason: finishReason.optional(),
  usage: usage.optional(),
  error: turnError.optional(),
  degraded: degraded.optional(),
  /** The same question was answered before, and this is that answer. */
  cached: z.boolean().optional(),
})
export type Message = z.infer<typeof message>

/** The text of a message: its text parts, joined. */
export function textOf(message: Pick<Message, 'parts'>): string {
  return message.parts.map((part) => part.text).join('')
}

export const conversation = z.object({
  id: ids.conversationId,
  title: z.string(),
  ownerId: z.string(),
  createdAt: z.iso.datetime(),
  lastActivityAt: z.iso.datetime(),
  messageCount: z.int().nonnegative(),
  /** What the person who is answered is in it; absent where everyone is told the same. */
  role: z.enum(MEMBER_ROLES).optional(),
})
export type Conversation = z.infer<typeof conversation>

/** One person in the room, however many windows they have open. */
export const viewer = z.object({ userId: z.string(), name: z.string(), connections: z.int().positive() })
export type Viewer = z.infer<typeof viewer>
