/**
 * Ids as they cross the wire.
 *
 * A conversation's id is a UUID. Messages and turns are numbered inside their conversation (`m12`, `t13`): their
 * address is always (conversation, id), the number orders them, and the id is short enough to stand in every frame.
 */
import * as z from 'zod'
import { MAX_CLIENT_ID_CHARS } from './limits.ts'

export const conversationId = z.uuid()
export const messageId = z.string().regex(/^m[1-9]\d{0,11}$/, 'must be a message id such as "m12"')
export const turnId = z.string().regex(/^t[1-9]\d{0,11}$/, 'must be a turn id such as "t13"')

/** An id that the client makes: the same id sent again is the same message. */
export const clientId = z
  .string()
  .min(1)
  .max(MAX_CLIENT_ID_CHARS)
  .regex(/^[\w.:-]+$/, 'may hold letters, digits, "_", "-", "." and ":"')

export const agentId = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-z0-9][a-z0-9_-]*$/, 'must be a lower-case agent name')

export const modelName = z.string().min(1).max(128)
export const providerName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be a lower-case name of at most 32 letters, digits and "-"')
export const priority = z.enum(['urgent', 'high', 'normal', 'low'])
export type Priority = z.infer<typeof priority>
