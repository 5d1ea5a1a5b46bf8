/**
 * Delivers what lies in the queue: finds the endpoint, makes one attempt, writes what became of it, and says whether the
 * message is done or comes again. How often it may come, and where it goes then, is the platform's (wrangler.toml).
 *
 * A message that comes twice is delivered twice, under the same id: receivers know it by that.
 */
import type { DisabledReason } from '../protocol/webhooks.ts'
import type { DeliveryRow } from '../storage/webhooks.ts'
import { attempt, type Attempt, type AttemptDeps, type Target } from './attempt.ts'
import { bodyOf, queueMessage, type TestEvent } from './queue-message.ts'
import { retryDelayS } from './retry-schedule.ts'
import type { WebhookEvent } from './event.ts'

/** Deliveries given up in a row, after which an endpoint is told nothing more. */
export const MOST_DEAD_IN_A_ROW = 5

/** What is known of an endpoint when something is to be sent there. */
export type Known =
  | ({ readonly state: 'open' } & Target)
  /** Deleted, or disabled. */
  | { readonly state: 'closed' }
  | { readonly state: 'secret_unreadable' }

export interface DeliveryDeps extends AttemptDeps {
  /** From 0 to below 1. */
  random(): number
  target(endpointId: string): Promise<Known>
  record(row: DeliveryRow, disable: DisabledReason | null): Promise<void>
  recordDead(row: DeliveryRow, most: number): Promise<void>
  report(event: string, error: unknown, details: Record<string, unknown>): void
}

/** As much of the platform's message as is used. */
export interface Letter {
  readonly id: string
  readonly body: unknown
  /** From 1. */
  readonly attempts: number
  readonly timestamp: Date
}

export type Verdict = { readonly done: true } | { readonly done: false; readonly delayS: number }

const DONE: Verdict = { done: true }

/** Never throws: what fails comes again. */
export async function deliver(letter: Letter, deps: DeliveryDeps): Promise<Verdict> {
  const parsed = queueMessage.safeParse(letter.body)
  if (!parsed.success) {
    // Nobody here writes such a message, and it does not get better.
    deps.report('webhook_message_unreadable', parsed.error, { letter: letter.id })
    return DONE
  }
  const { endpointId, event } = parsed.data
  const later = (retryAfter: string | null = null): Verdict => ({
    done: false,
    delayS: retryDelayS(letter.attempts, retryAfter, deps.now(), () => deps.random()),
  })
  try {
    const known = await deps.target(endpointId)
    if (known.state === 'closed') return DONE
    const result = known.state === 'open' ? await attempt(deps, known, event.id, bodyOf(event)) : UNREADABLE
    const disable = reasonToDisable(result)
    const isDone = result.ok || disable !== null
    const outcome = result.ok ? 'delivered' : isDone ? 'dead' : 'failed'
    await deps.record(rowOf(endpointId, event, letter.attempts, outcome, result, deps.now()), disable)
    return isDone || result.ok ? DONE : later(result.retryAfter)
  } catch (error) {
    deps.report('webhook_not_delivered', error, { endpointId, event: event.id })
    return later()
  }
}

/** One attempt outside of the queue, to see whether an endpoint answers. @throws when it cannot be recorded */
export async function deliverTest(
  endpointId: string,
  event: TestEvent,
  target: Target,
  deps: Pick<DeliveryDeps, keyof AttemptDeps | 'record'>,
): Promise<DeliveryRow> {
  const result = await attempt(deps, target, event.id, bodyOf(event))
  const row = rowOf(endpointId, event, 1, result.ok ? 'delivered' : 'dead', result, deps.now())
  await deps.record(row, null)
  return row
}

/** How long a dead letter that could not be written down waits. */
const DEAD_RETRY_S = 60

/** Writes down a delivery that was given up. Never throws. */
export async function bury(
  letter: Letter,
  deps: Pick<DeliveryDeps, 'recordDead' | 'report'>,
): Promise<Verdict> {
  const parsed = queueMessage.safeParse(letter.body)
  if (!parsed.success) return DONE
  const { endpointId, event } = parsed.data
  try {
    // The letter's own time: the same each time that it is tried, so that it counts once.
    const at = letter.timestamp.getTime()
    const result = { ok: false, failure: 'given_up', status: null, retryAfter: null, durationMs: 0 } as const
    await deps.recordDead(rowOf(endpointId, event, 0, 'dead', result, at), MOST_DEAD_IN_A_ROW)
    return DONE
  } catch (error) {
    deps.report('webhook_not_buried', error, { endpointId, event: event.id })
    return { done: false, delayS: DEAD_RETRY_S }
  }
}

const UNREADABLE: Attempt = {
  ok: false,
  failure: 'secret_unreadable',
  status: null,
  retryAfter: null,
  durationMs: 0,
}

const GONE = 410

function reasonToDisable(result: Attempt): DisabledReason | null {
  if (result.ok) return null
  if (result.status === GONE) return 'gone'
  return result.failure === 'address_refused' || result.failure === 'secret_unreadable'
    ? result.failure
    : null
}

function rowOf(
  endpointId: string,
  event: Pick<WebhookEvent, 'id'> & { readonly type: string },
  attempts: number,
  outcome: DeliveryRow['outcome'],
  result: Attempt,
  at: number,
): DeliveryRow {
  return {
    endpointId,
    at,
    eventId: event.id,
    type: event.type,
    attempt: attempts,
    outcome,
    failure: result.ok ? null : result.failure,
    status: result.status,
    durationMs: result.durationMs,
  }
}
