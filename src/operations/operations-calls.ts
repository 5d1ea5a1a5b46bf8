/**
 * How the Worker and conversations reach the operations object: the link of an isolate, and what an operator's routes ask,
 * with one repeat when a call is lost on the way. All of these calls may be repeated.
 */
import { AppError } from '../errors.ts'
import type { ProvidersAnswer, ResetAnswer, SwitchState, SwitchTarget } from '../protocol/operations.ts'
import { OperationsLink } from './operations-link.ts'
import type { OperationsObject } from './operations-object.ts'
import { pauseState, providerList, type ConfiguredProvider } from './provider-list.ts'

export type OperationsNamespace = DurableObjectNamespace<OperationsObject>

const RETRY_AFTER_MS = 1_000

/** There is one for the whole installation. A stub whose object died stays broken, so each call takes a new one. */
function stubIn(operations: OperationsNamespace): DurableObjectStub<OperationsObject> {
  return operations.get(operations.idFromName('global'))
}

export function linkTo(operations: OperationsNamespace, slowMs: number): OperationsLink {
  return new OperationsLink({
    calls: () => {
      const stub = stubIn(operations)
      return {
        sync: async (batch) => await stub.sync(batch),
        probe: async (provider, model) => await stub.probe(provider, model),
      }
    },
    now: () => Date.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
    slowMs,
    id: crypto.randomUUID(),
  })
}

/** What an operator may do. Every call throws `unavailable` when the object cannot be reached. */
export interface OperationsDesk {
  providers(): Promise<ProvidersAnswer>
  /** @param by user id of the operator. @throws AppError `conflict` when too much is paused already */
  pause(target: SwitchTarget, reason: string, by: string, stopRunning: boolean): Promise<SwitchState>
  resume(target: SwitchTarget, by: string): Promise<SwitchState & { readonly wasPaused: boolean }>
  /** @param model null: all of this provider */
  reset(provider: string, model: string | null, by: string): Promise<ResetAnswer>
}

export function deskOf(
  operations: OperationsNamespace,
  configured: () => readonly ConfiguredProvider[],
): OperationsDesk {
  const ask = <T>(call: (stub: DurableObjectStub<OperationsObject>) => Promise<T>): Promise<T> =>
    askOperations(operations, call)
  return {
    async providers() {
      return providerList(await ask(async (stub) => await stub.overview()), configured())
    },
    async pause(target, reason, by, stopRunning) {
      const pause = await ask(async (stub) => await stub.pause(target, reason, by, stopRunning))
      if (!pause) throw new AppError('conflict', 'Too much is paused already: end a pause first.')
      return { target, paused: true, pause: pauseState(pause) }
    },
    async resume(target, by) {
      const wasPaused = await ask(async (stub) => await stub.resume(target, by))
      return { target, paused: false, pause: null, wasPaused }
    },
    async reset(provider, model, by) {
      return { provider, closed: await ask(async (stub) => await stub.reset(provider, model, by)) }
    },
  }
}

/** @throws AppError `unavailable` */
async function askOperations<T>(
  operations: OperationsNamespace,
  call: (stub: DurableObjectStub<OperationsObject>) => Promise<T>,
): Promise<T> {
  try {
    return await call(stubIn(operations))
  } catch {
    // Whatever it was, the second answer decides.
  }
  try {
    return await call(stubIn(operations))
  } catch (cause) {
    throw new AppError('unavailable', 'The providers cannot be looked after right now.', {
      cause,
      retryAfterMs: RETRY_AFTER_MS,
    })
  }
}
