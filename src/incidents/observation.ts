/**
 * What the operations object tells the incidents object about an interval: sums, and nothing of any conversation. The
 * port between the two; an interval with nothing to say is not told, and time that was not told counts as quiet.
 */
import type { FailureClass } from '../models/failure.ts'

/** Upper bounds of the classes in which times to the first token are counted, ms; the last class has none. */
export const FIRST_TOKEN_BOUNDS_MS = [
  50, 100, 200, 400, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 8_000, 12_000, 20_000, 30_000, 60_000,
] as const

/** Calls of one model of one provider. */
export interface ModelObservation {
  readonly provider: string
  readonly model: string
  readonly calls: number
  readonly failures: Partial<Record<FailureClass, number>>
  /** One count per class of {@link FIRST_TOKEN_BOUNDS_MS}, and one for above. */
  readonly firstToken: readonly number[]
  /** What these calls cost, in millionths of a US dollar. */
  readonly micros: number
}

/** Failures of one kind, wherever they came from. */
export interface FailureObservation {
  /** What they are grouped by. */
  readonly fingerprint: string
  readonly kind: string
  readonly provider: string | null
  /** The route that answered with it, such as `POST /api/chat`, or `socket`. */
  readonly route: string | null
  /** One line for the operator. */
  readonly detail: string
  readonly count: number
}

/** What is counted lies in slots of ten seconds; each is told whole when it is over, and once. */
export interface QueueObservation {
  readonly provider: string
  /** Now. */
  readonly waiting: number
  /** Of the turns that left the queue in what is told; null when none did. */
  readonly p95WaitMs: number | null
  readonly timedOut: number
}

/** The last slot that was told of each queue object, by its name. */
export type ToldSlots = Readonly<Record<string, number>>

export interface QueuesTold {
  readonly queues: readonly QueueObservation[]
  /** To be handed in when they are asked next; then what was not heard of this answer is told again. */
  readonly told: ToldSlots
}

export interface Observation {
  /** Ms since the epoch: the end of the interval, later than that of the one before; and how long it was. */
  readonly at: number
  readonly ms: number
  readonly models: readonly ModelObservation[]
  readonly failures: readonly FailureObservation[]
  /** All whose breaker is not closed at that time. */
  readonly breakers: readonly {
    readonly provider: string
    readonly model: string
    readonly state: 'open' | 'half_open'
    /** When it was last called, or a call let through; while it is open, now. Ms since the epoch. */
    readonly heardAt: number
  }[]
  readonly queues: readonly QueueObservation[]
  /** What an operator has paused: `all`, `provider:<name>`, `model:<name>`. */
  readonly paused: readonly string[]
}
