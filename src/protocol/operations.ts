/**
 * What an operator sees and switches: providers with their breakers and recent calls, and the kill switch. For the server
 * and the client.
 */
import * as z from 'zod'
import { reason } from './admin.ts'
import { modelName, providerName } from './ids.ts'

const at = z.iso.datetime()

/** What can be paused: all turns, one provider, or one model wherever it is offered. */
export const switchTarget = z.union([
  z.literal('all'),
  z.templateLiteral(['provider:', providerName]),
  z.templateLiteral(['model:', modelName]),
])
export type SwitchTarget = z.infer<typeof switchTarget>

/** `POST /admin/switches` → {@link switchState} */
export const switchBody = z
  .strictObject({
    target: switchTarget,
    paused: z.boolean(),
    /** Why; who is refused reads it. Needed to pause. */
    reason: reason.optional(),
    /** Calls that are running are ended as well. */
    stopRunning: z.boolean().optional(),
  })
  .refine((body) => !body.paused || body.reason !== undefined, {
    message: 'is needed to pause',
    path: ['reason'],
  })
export type SwitchBody = z.input<typeof switchBody>

export const pause = z.object({
  target: switchTarget,
  reason: z.string(),
  /** Whose decision it was: a user id. */
  by: z.string(),
  at,
  stopRunning: z.boolean(),
})
export type PauseState = z.infer<typeof pause>

export const switchState = z.object({ target: switchTarget, paused: z.boolean(), pause: pause.nullable() })
export type SwitchState = z.infer<typeof switchState>

/** `POST /admin/providers/:name/reset`; without a model, all of that provider. → {@link resetAnswer} */
export const resetBody = z.strictObject({ model: modelName.optional() })
export type ResetBody = z.infer<typeof resetBody>
export const resetAnswer = z.object({
  provider: z.string(),
  /** Models whose breaker was not closed, and now is. */
  closed: z.array(z.string()),
})
export type ResetAnswer = z.infer<typeof resetAnswer>

export const breakerState = z.object({
  state: z.enum(['closed', 'open', 'half_open']),
  /** Of its last change, in words; null when there was none that is remembered. */
  why: z.string().nullable(),
  since: at.nullable(),
  /** When it lets the first calls through again; null unless it is open. */
  retryAt: at.nullable(),
  /** How often it opened, as far as is remembered. */
  opened: z.int(),
})
export type BreakerView = z.infer<typeof breakerState>

export const recentCalls = z.object({
  calls: z.int(),
  /** By class of failure; only those that there were. */
  failures: z.record(z.string(), z.int()),
  /** Estimates, ms; null when nothing came. */
  firstTokenMs: z.object({ p50: z.number().nullable(), p95: z.number().nullable() }),
  inputTokens: z.int(),
  outputTokens: z.int(),
  /** Millionths of a US dollar. */
  costMicros: z.int(),
})
export type RecentCalls = z.infer<typeof recentCalls>

/** `GET /admin/providers` */
export const providersAnswer = z.object({
  /** In the order in which they are asked. */
  providers: z.array(
    z.object({
      name: z.string(),
      /** Which adapter it is; a text, so that the page need not know all of them. */
      kind: z.string(),
      paused: pause.nullable(),
      models: z.array(
        z.object({ model: z.string(), paused: pause.nullable(), breaker: breakerState, recent: recentCalls }),
      ),
    }),
  ),
  /** Everything that is paused, also what is not configured any more. */
  pauses: z.array(pause),
  /** How far back `recent` goes, ms. */
  recentMs: z.int(),
})
export type ProvidersAnswer = z.infer<typeof providersAnswer>
