/**
 * How everyone reaches a person's limiter object: with one repeat when the call is lost on the way (a deployment, a move
 * of the object), and `unavailable` after that. All calls may be repeated.
 *
 * Without its answer nothing is let through: it knows who is suspended, and quotas are money. It is that one person who
 * waits; the conversations of others go on.
 */
import { AppError } from '../errors.ts'
import type { LimiterObject } from './limiter-object.ts'
import type { Admission, Connected, Standing } from './standing.ts'

export type LimiterNamespace = DurableObjectNamespace<LimiterObject>

const RETRY_AFTER_MS = 1_000

/** @throws AppError `unavailable` */
export async function askLimiter<T>(
  limiters: LimiterNamespace,
  userId: string,
  call: (stub: DurableObjectStub<LimiterObject>) => Promise<T>,
): Promise<T> {
  // A stub whose object died stays broken: each call takes a new one.
  const ask = (): Promise<T> => call(limiters.get(limiters.idFromName(userId)))
  try {
    return await ask()
  } catch {
    // Whatever it was, the second answer decides.
  }
  try {
    return await ask()
  } catch (cause) {
    throw new AppError('unavailable', 'Your limits cannot be checked right now.', {
      cause,
      retryAfterMs: RETRY_AFTER_MS,
    })
  }
}

export function standingOf(limiters: LimiterNamespace, userId: string): Standing {
  const ask = <T>(call: (stub: DurableObjectStub<LimiterObject>) => Promise<T>): Promise<T> =>
    askLimiter(limiters, userId, call)
  return {
    admit: (route, facts) => ask<Admission>(async (stub) => await stub.admit(route, facts)),
    suspend: (reason) => ask((stub) => stub.suspend(reason)),
    isSuspended: () => ask<boolean>(async (stub) => await stub.isSuspended()),
    reinstate: () => ask((stub) => stub.reinstate()),
    endSessions: (which) => ask((stub) => stub.endSessions(which)),
    setPlan: (plan) => ask((stub) => stub.setPlan(plan)),
    forget: () => ask((stub) => stub.forget()),
    connected: (conversationId, facts) =>
      ask<Connected>(async (stub) => await stub.connected(conversationId, facts)),
    disconnected: (conversationId) => ask((stub) => stub.disconnected(conversationId)),
    connections: () => ask((stub) => stub.connections()),
  }
}
