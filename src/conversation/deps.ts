/**
 * What a conversation is lent: the model, its settings, time, an alarm, and the directory in D1, behind a port.
 * The composition root and the Durable Object fill it in; tests pass plain objects.
 */
import type { AdmissionQueue } from '../admission/admission.ts'
import type { Agents } from '../agents/registry.ts'
import type { ErrorShape } from '../errors.ts'
import type { Model } from '../models/model.ts'
import type { Conversation } from '../protocol/message.ts'
import type { FrameRates } from '../protocol/plan.ts'
import type { AnswerCache } from './answer-cache.ts'
import type { MemberRole } from '../protocol/permissions.ts'
import type { Principal } from '../protocol/principal.ts'

/** What D1 is told of a conversation; an older `seq` than it knows is to be ignored. */
export interface DirectoryEntry {
  readonly seq: number
  readonly conversation: Conversation
  /** All members but the owner; absent when nothing changed there since D1 was last told. */
  readonly members?: readonly DirectoryMember[]
}

/** Somebody who was removed is in no list; D1 knows it, so that an erasure finds what is stored of them here. */
export interface DirectoryMember {
  readonly userId: string
  readonly role: MemberRole | 'removed'
}

/** Of a link, D1 knows to which conversation it leads, and the hash of its token. */
export interface LinkEntry {
  readonly kind: 'invite' | 'share'
  readonly hash: string
  readonly conversationId: string
  /** Milliseconds since the epoch; null: it does not expire. */
  readonly expiresAt: number | null
}

/** Where conversations are listed, and found by links. */
export interface Directory {
  put(entry: DirectoryEntry): Promise<void>
  remove(conversationId: string): Promise<void>
  putLink(link: LinkEntry): Promise<void>
  removeLink(hash: string): Promise<void>
}

/** What a turn is expected to use. */
export interface TurnEstimate {
  readonly model: string
  readonly inputTokens: number
  readonly outputTokens: number
}

/** What a turn used. All zero: nothing, and what was reserved is given back. */
export interface TurnUsage extends TurnEstimate {
  readonly userId: string
  /** Whose quotas it drew on, if not the author's. */
  readonly payerId: string | null
  /** Under which it was reserved. */
  readonly turnKey: string
  readonly conversationId: string
  readonly agentId: string
  /** When it ended, ms, and the place of the event that says so among all that were ever of this id. */
  readonly at: number
  readonly seq: number
  readonly messages: 0 | 1
}

/** Quotas of the people who write, and the ledger of what they used. */
export interface Quota {
  /** Whether this person's turns have to be reserved at all. */
  counts(author: Principal): boolean
  /** Again with the same key: the same reservation. @returns why not; null when it is reserved */
  reserve(author: Principal, turnKey: string, estimate: TurnEstimate): Promise<ErrorShape | null>
  release(author: Principal, turnKey: string): Promise<void>
  /** Turns of one conversation in the order of its log; told again, they count once. */
  settle(usage: readonly TurnUsage[]): Promise<void>
}

export interface ConversationSettings {
  /** Tokens that an answer is expected to have, until it is known. */
  readonly answerTokens: number
  /** How fast one connection may send. */
  readonly frameRates: FrameRates
  /** Estimated tokens that a request carries: an agent's instructions, and as much of the history as fits beside them. */
  readonly contextTokens: number
  readonly maxQueuedTurns: number
  /** How long a turn waits for a place with its provider, ms. */
  readonly queueTimeoutMs: number
  /** Tokens that the calls of one answer may read together, when it goes on after its process died. */
  readonly continueTokens: number
  readonly watchdogMs: number
  readonly maxSocketsPerUser: number
  readonly maxSocketsPerRoom: number
  /** How long a connection goes on after its proof has expired, while a fresh one is asked for. */
  readonly authGraceMs: number
  /** Models that a caller may name. */
  readonly models: readonly string[]
}

export interface ConversationDeps {
  readonly model: Model
  readonly agents: Agents
  readonly cache: AnswerCache
  /** The queues in front of providers that have limits. */
  readonly admission: AdmissionQueue
  /** Waits until {@link paused} is at most a second old; undefined when it is. Never throws, and never waits long. */
  fresh(): Promise<void> | undefined
  /** Why an operator has paused all turns; null when none has. Reads memory only. */
  paused(): string | null
  readonly settings: ConversationSettings
  readonly directory: Directory
  readonly quota: Quota
  /** Who sent this access token. @throws AppError `unauthorized` */
  verify(token: string): Promise<Principal>
  /** Whether this person is suspended now. @throws AppError `unavailable` */
  isSuspended(userId: string): Promise<boolean>
  /**
   * This person has sockets here, or has none any more: told to what knows where to cut them.
   *
   * @throws AppError why the sockets may not stay
   */
  connected(who: Principal, conversationId: string, isHere: boolean): Promise<void>
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
