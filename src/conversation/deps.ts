/**
 * What a conversation is lent: the model, its settings, time, an alarm, and the directory in D1, behind a port.
 * The composition root and the Durable Object fill it in; tests pass plain objects.
 */
import type { Model } from '../models/model.ts'
import type { Conversation } from '../protocol/message.ts'

/** What D1 is told of a conversation; an older `seq` than it knows is to be ignored. */
export interface DirectoryEntry {
  readonly seq: number
  readonly conversation: Conversation
}

/** Where conversations are listed. */
export interface Directory {
  put(entry: DirectoryEntry): Promise<void>
  remove(conversationId: string): Promise<void>
}

export interface ConversationSettings {
  readonly systemPrompt: string
  /** Estimated tokens of history that a request carries beside the system prompt. */
  readonly contextTokens: number
  readonly maxQueuedTurns: number
  readonly watchdogMs: number
  /** Models that a caller may name. */
  readonly models: readonly string[]
}

export interface ConversationDeps {
  readonly model: Model
  readonly settings: ConversationSettings
  readonly directory: Directory
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `run` once after `ms`; the result cancels it. */
  after(ms: number, run: () => void): () => void
  /** Sees to it that `alarm` is called at about that time (ms since the epoch), whatever happens to the process. */
  wakeAt(time: number): void
  /** Removes all rows, for good. */
  erase(): Promise<void>
  /** For the operator: something expected that should be looked at if it happens often. */
  warn(event: string, details: Record<string, unknown>): void
  /** For the operator: something that must not happen. */
  report(event: string, error: unknown, details: Record<string, unknown>): void
}
