/**
 * Bodies and answers of the REST routes, each once, for the server and the client.
 * Request bodies refuse unknown fields; a field at fault is named in the answer.
 */
import * as z from 'zod'
import * as ids from './ids.ts'
import { limitReached } from './limit-reached.ts'
import { MAX_PAGE_CONVERSATIONS, MAX_PAGE_MESSAGES, PAGE_CONVERSATIONS, PAGE_MESSAGES } from './limits.ts'
import { content, conversation, message, title } from './message.ts'

export const guestAnswer = z.object({
  accessToken: z.string(),
  tokenType: z.literal('Bearer'),
  /** Seconds until the token expires. */
  expiresIn: z.int(),
  user: z.object({ id: z.string(), name: z.string(), role: z.string() }),
})
export type GuestAnswer = z.infer<typeof guestAnswer>

export const ticketAnswer = z.object({
  ticket: z.string(),
  /** Seconds until the ticket expires. */
  expiresIn: z.int(),
})
export type TicketAnswer = z.infer<typeof ticketAnswer>

export const createConversationBody = z.strictObject({
  title: title.optional(),
  /** Send the same key again to get the same conversation. */
  idempotencyKey: ids.clientId.optional(),
})
export type CreateConversationBody = z.infer<typeof createConversationBody>
export const updateConversationBody = z.strictObject({ title })

/** A whole number as it comes in a query string: digits only, so that "", "1e3" and " 5" are refused. */
export const queryInt = (most: number, standard: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine((n) => n >= 1 && n <= most, `must be from 1 to ${most}`)
    .optional()
    .transform((n) => n ?? standard)

export const listConversationsQuery = z.strictObject({
  limit: queryInt(MAX_PAGE_CONVERSATIONS, PAGE_CONVERSATIONS),
  /** `next` of the page before. */
  cursor: z.string().max(200).optional(),
})

export const conversationPage = z.object({
  conversations: z.array(conversation),
  /** Pass as `cursor` to read on; null at the end. */
  next: z.string().nullable(),
})
export type ConversationPage = z.infer<typeof conversationPage>

export const listMessagesQuery = z.strictObject({
  limit: queryInt(MAX_PAGE_MESSAGES, PAGE_MESSAGES),
  /** Only messages before this one. */
  before: ids.messageId.optional(),
})

export const messagePage = z.object({
  /** Oldest first. */
  messages: z.array(message),
  /** Pass as `before` to read the page before this one; null at the beginning. */
  before: ids.messageId.nullable(),
})
export type MessagePage = z.infer<typeof messagePage>

export const chatBody = z.strictObject({
  message: content,
  conversationId: ids.conversationId.optional(),
  /** Send the same key again to get the same turn: no second message, no second model call. */
  idempotencyKey: ids.clientId.optional(),
  agentId: ids.agentId.optional(),
  priority: ids.priority.optional(),
  model: ids.modelName.optional(),
})
export type ChatBody = z.infer<typeof chatBody>

export const chatAnswer = z.object({
  conversationId: ids.conversationId,
  turnId: ids.turnId,
  /** The finished assistant message. */
  message,
})
export type ChatAnswer = z.infer<typeof chatAnswer>

export const stopBody = z.strictObject({ turnId: ids.turnId })
export const stopAnswer = z.object({
  turnId: ids.turnId,
  state: z.enum(['completed', 'stopped', 'failed', 'interrupted']),
  /** False: the turn had ended already. */
  stopped: z.boolean(),
})
export type StopAnswer = z.infer<typeof stopAnswer>

export const continueBody = z.strictObject({ turnId: ids.turnId })
export const continueAnswer = z.object({
  turnId: ids.turnId,
  messageId: ids.messageId,
  /** False: it was going on already. */
  continued: z.boolean(),
})
export type ContinueAnswer = z.infer<typeof continueAnswer>

const componentHealth = z.object({
  state: z.enum(['up', 'down']),
  ms: z.number(),
  detail: z.string().optional(),
})
export const readyAnswer = z.object({
  state: z.enum(['ready', 'down']),
  components: z.object({ d1: componentHealth, conversations: componentHealth, provider: componentHealth }),
})
export type ReadyAnswer = z.infer<typeof readyAnswer>
export type ComponentHealth = z.infer<typeof componentHealth>

/** RFC 9457 problem details: the body of every failed request. */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  requestId: z.string(),
  retryable: z.boolean(),
  field: z.string().optional(),
  retryAfterMs: z.number().optional(),
  limit: limitReached.optional(),
})
export type Problem = z.infer<typeof problem>
