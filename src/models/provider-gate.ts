/**
 * The port between model calls and what all of the installation knows about its providers: which are paused, whose breaker
 * is open, who has room. What is behind it lives in `operations/` and `admission/`; a test passes a plain object.
 *
 * Asking it costs nothing when all is well: `verdict` reads memory. Only what is unusual makes a call.
 */
import type { FailureClass } from './failure.ts'

/** Why a provider is not asked now. */
export type Closed =
  | { readonly ok: false; readonly why: 'paused'; readonly reason: string }
  | { readonly ok: false; readonly why: 'breaker_open'; readonly retryAfterMs: number }
  /** Its breaker lets a few calls through to see whether it is well: {@link ProviderGate.probe} asks for one of them. */
  | { readonly ok: false; readonly why: 'half_open' }

export type Verdict = { readonly ok: true } | Closed

/** What became of one upstream call, told once when it ends. */
export interface CallReport {
  readonly provider: string
  readonly model: string
  /** Ms since the epoch at which it ended. */
  readonly at: number
  readonly outcome: 'ok' | FailureClass
  /** From the call to its first text, ms; null when there was none. */
  readonly firstTokenMs: number | null
  readonly durationMs: number
  /** It was let through by {@link ProviderGate.probe}. */
  readonly probe: boolean
  readonly kind: 'first' | 'retry' | 'fallback' | 'hedge' | 'continuation'
  /** Of a failure: what it is grouped by (class, status, provider's error code), without anything of the conversation. */
  readonly fingerprint: string | null
  /** Of a failure: one line for the operator, without anything of the conversation. */
  readonly detail: string | null
  /** Of a failure: how long the provider wants to be left alone, where it said so. */
  readonly retryAfterMs?: number | null | undefined
  readonly inputTokens: number
  readonly outputTokens: number
}

/** Permission of the provider's queue to make one call. */
export interface Lease {
  /** Gives the place back, with what was used. Safe to call twice. */
  release(usedTokens: number): void
}

export interface ProviderGate {
  /** Waits until what is known is at most a second old; undefined when it is already. Never throws, and never waits long. */
  fresh(): Promise<void> | undefined
  /** All turns are paused: why; null when they are not. */
  pausedForAll(): string | null
  verdict(provider: string, model: string): Verdict
  /** Whether this call may be one of the few of a half-open breaker. */
  probe(provider: string, model: string): Promise<boolean>
  /**
   * Takes a place with a provider that has limits, if there is one at once: for calls of a turn that holds none with it.
   *
   * @param tokens expected; asked for only where there are limits
   * @returns undefined when the provider has no limits; null when there is no room
   */
  tryEnter(provider: string, tokens: () => number): Promise<Lease | null> | undefined
  report(call: CallReport): void
  /** Why a call that runs is to be ended, or null. Reads memory; to be asked several times a second while it runs. */
  stopped(provider: string, model: string): string | null
}

/** Lets everything through and remembers nothing: for an installation of one provider without limits, and for tests. */
export const OPEN_GATE: ProviderGate = {
  fresh: () => undefined,
  pausedForAll: () => null,
  verdict: () => ({ ok: true }),
  probe: () => Promise.resolve(true),
  tryEnter: () => undefined,
  report() {},
  stopped: () => null,
}
