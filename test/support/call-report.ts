/**
 * Reports of model calls as the chain makes them, for tests of those who read them.
 */
import type { CallReport } from '../../src/models/provider-gate.ts'

export function callReport(
  outcome: CallReport['outcome'] = 'ok',
  more: Partial<CallReport> = {},
): CallReport {
  return {
    provider: 'one',
    model: 'm',
    at: Date.now(),
    outcome,
    firstTokenMs: outcome === 'ok' ? 120 : null,
    durationMs: 0,
    probe: false,
    kind: 'first',
    fingerprint: outcome === 'ok' ? null : `one ${outcome}`,
    detail: outcome === 'ok' ? null : `It failed: ${outcome}.`,
    inputTokens: 10,
    outputTokens: 20,
    ...more,
  }
}
