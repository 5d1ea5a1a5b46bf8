/**
 * One attempt to tell one endpoint: a signed POST, whose answer's status is all that is looked at. The body of the answer is
 * not read, so nobody learns through us what an address says. Redirects are not followed: they would lead past the check
 * of the address. Decides nothing about what comes after.
 */
import type { DeliveryFailure } from '../protocol/webhooks.ts'
import { addressRefusal, type AddressRules } from './address.ts'
import { signedHeaders } from './sign.ts'

/** A receiver that works longer than this should answer first and work afterwards. */
export const ATTEMPT_LIMIT_MS = 10_000

export interface AttemptDeps {
  readonly fetch: typeof fetch
  readonly rules: AddressRules
  readonly limitMs: number
  readonly now: () => number
}

export interface Target {
  readonly url: string
  /** The current one, and the one before while it still signs. */
  readonly secrets: readonly string[]
}

export type Attempt =
  | { readonly ok: true; readonly status: number; readonly durationMs: number }
  | {
      readonly ok: false
      readonly failure: DeliveryFailure
      readonly status: number | null
      readonly retryAfter: string | null
      readonly durationMs: number
    }

/** Never throws. */
export async function attempt(
  { fetch, rules, limitMs, now }: AttemptDeps,
  { url, secrets }: Target,
  id: string,
  body: string,
): Promise<Attempt> {
  const started = now()
  const failed = (failure: DeliveryFailure, status: number | null, retryAfter: string | null): Attempt => ({
    ok: false,
    failure,
    status,
    retryAfter,
    durationMs: now() - started,
  })
  if (addressRefusal(url, rules) !== null) return failed('address_refused', null, null)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Parley-Webhooks/1',
        ...(await signedHeaders(secrets, id, started, body)),
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(limitMs),
    })
    // Not waited for: it may never end.
    response.body?.cancel().catch(() => {})
    const { status, headers } = response
    if (response.ok) return { ok: true, status, durationMs: now() - started }
    const isRedirect = status >= 300 && status < 400
    return failed(isRedirect ? 'redirect' : 'status', status, headers.get('retry-after'))
  } catch (error) {
    const isTimeout = error instanceof Error && /^(?:Timeout|Abort)Error$/.test(error.name)
    return failed(isTimeout ? 'timeout' : 'network', null, null)
  }
}
