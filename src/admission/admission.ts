/**
 * The port between a conversation and the queue in front of a provider that has limits. A conversation enters its next
 * turn, keeps the turn `queued` in its own rows, and starts it when it is told that it may; everything may be said twice.
 *
 * What is behind it is the object in this folder. Where no provider has limits nothing is ever entered.
 */
import type { Priority } from '../protocol/ids.ts'

/** A turn that asks for a place. Entering it again changes nothing: it is known by its conversation and number. */
export interface QueueEntry {
  readonly provider: string
  readonly conversationId: string
  readonly turn: number
  /** Whose turn it is, for fairness. */
  readonly userId: string
  readonly priority: Priority
  /** Expected tokens, in and out. */
  readonly tokens: number
  /** When it was accepted, ms since the epoch: age counts from there, also for a turn that enters again. */
  readonly since: number
  /** When waiting ends, ms since the epoch. */
  readonly deadline: number
}

/** Names a place that was given; whoever has it may make one call at a time until `leaseMs` after the last renewal. */
export interface Grant {
  readonly provider: string
  readonly grantId: string
  readonly leaseMs: number
}

export type QueueAnswer =
  /** `again`: an operator has sent the turn again, so it is to run also if it had ended. */
  | ({ readonly state: 'granted'; readonly again?: true } & Grant)
  /** 1 is next. `etaMs`: null when nobody can tell yet. */
  | { readonly state: 'waiting'; readonly position: number; readonly etaMs: number | null }
  /** Too many wait already. */
  | { readonly state: 'full' }

/** What a queue tells a conversation about a turn of its; told until it is answered. */
export type QueueNews = QueueAnswer | { readonly state: 'timed_out' }

export interface AdmissionQueue {
  /**
   * The provider with which a turn of this model needs a place before it is run; null when it needs none, for who is to
   * answer has no limits, or nobody can. Goes by what is known now, and reads memory only.
   *
   * @param goesOn with text that it has already, which not every provider can
   */
  queueOf(model: string, goesOn: boolean): string | null
  /** Whether a place with this provider is of use to such a turn now. Reads memory only. */
  isOfUse(provider: string, model: string, goesOn: boolean): boolean
  /** @throws when the queue cannot be reached: ask again later */
  enter(entry: QueueEntry): Promise<QueueAnswer>
  /** The turn does not wait any more (it was stopped, or its conversation goes away). */
  leave(entry: Pick<QueueEntry, 'provider' | 'conversationId' | 'turn'>): Promise<void>
  /** @returns false when the place was taken away: it expired */
  renew(grant: Grant, conversationId: string): Promise<boolean>
  /** Gives the place back, with the tokens that were used. */
  release(grant: Grant, conversationId: string, usedTokens: number): Promise<void>
}

/** What a conversation answers to {@link QueueNews}: whether the place that it was given will be used. */
export interface QueueListener {
  queueNews(turn: number, news: QueueNews): Promise<boolean>
}
