/**
 * What is known of a person beyond their token: suspended or not, which tokens are void, which plan was given to them.
 * This is the port; `limiter-object.ts` keeps it, one object per person, and answers it with every request's admission.
 *
 * Everything here takes hold with that person's next request; cutting open sockets is for whoever calls this.
 */
import type { ErrorShape } from '../errors.ts'
import type { Principal } from '../protocol/principal.ts'

/** Each kind of request has a token bucket of its own, so that reading never uses up what writing needs. */
export const ROUTE_CLASSES = ['read', 'write', 'auth', 'manage', 'admin'] as const
export type RouteClass = (typeof ROUTE_CLASSES)[number]

/** What an admission looks at. */
export interface AdmissionFacts {
  readonly kind: Principal['kind']
  readonly plan?: string | undefined
  readonly sessionId?: string | undefined
  readonly issuedAt?: number | undefined
}

/** Where a limit stands, as the `RateLimit` headers tell it. */
export interface LimitState {
  readonly name: string
  /** Most that fits. */
  readonly limit: number
  /** Seconds in which an empty bucket fills. */
  readonly windowS: number
  readonly remaining: number
  /** Seconds until it is whole again. */
  readonly resetS: number
}

export type Admission =
  | { readonly ok: true; readonly limits: readonly LimitState[]; readonly plan: string }
  | { readonly ok: false; readonly error: ErrorShape; readonly limits: readonly LimitState[] }

/** Tokens issued before a time (seconds since the epoch), or those of one session until they have all expired. */
export type EndedSessions =
  | { readonly before: number }
  | { readonly sessionId: string; /** When its last token ends, seconds. */ readonly until: number }

export interface Connected {
  /** Why these sockets may not stay: much may have happened since they were let in. */
  readonly refused: ErrorShape | null
  /** Conversations that are no longer remembered, because there are too many: their sockets have to go. */
  readonly dropped: readonly string[]
}

export interface Standing {
  /** One decision per request: suspended, void, too fast, or fine. Writes no row. */
  admit(route: RouteClass, facts: AdmissionFacts): Promise<Admission>
  suspend(reason: string): Promise<void>
  /** Asked by others, of whom this person lets in: it takes nothing from a bucket. */
  isSuspended(): Promise<boolean>
  reinstate(): Promise<void>
  endSessions(which: EndedSessions): Promise<void>
  /** The plan whose quotas apply whatever a token says; null: that of the token again. */
  setPlan(plan: string | null): Promise<void>
  /** Removes everything known of the person but what has to outlive them: their tokens stay void. */
  forget(): Promise<void>
  /** A conversation holds sockets of this person, or no longer does: where to cut them when this person is suspended. */
  connected(conversationId: string, facts: AdmissionFacts): Promise<Connected>
  disconnected(conversationId: string): Promise<void>
  /** @returns ids of the conversations that hold sockets of this person */
  connections(): Promise<string[]>
}
