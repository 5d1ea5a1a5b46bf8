/**
 * A conversation's side of a provider's queue, over a queue that answers as the test says, and a clock that the test moves.
 */
import type { AdmissionQueue, Grant, QueueAnswer, QueueEntry } from '../../src/admission/admission.ts'
import type { TurnRow } from '../../src/conversation/events.ts'
import { ProviderQueue } from '../../src/conversation/provider-queue.ts'
import { FakeClock } from './fake-clock.ts'

export const TIMEOUT_MS = 60_000
export const LEASE_MS = 30_000
export const WAITING: QueueAnswer = { state: 'waiting', position: 3, etaMs: 4_000 }

export const grant = (grantId = 'g1', provider = 'main'): QueueAnswer & { state: 'granted' } => ({
  state: 'granted',
  provider,
  grantId,
  leaseMs: LEASE_MS,
})

export const turn = (number = 2, rest: Partial<TurnRow> = {}): TurnRow => ({
  number,
  askedBy: number - 1,
  clientKey: `u:${number}`,
  state: 'queued',
  priority: 'high',
  agentId: 'default',
  model: 'limited',
  attempts: 0,
  acceptedSeq: 1,
  requestId: 'r',
  createdAt: 1_000,
  endedAt: null,
  payerId: null,
  resumedAttempt: null,
  resumedAt: null,
  ...rest,
})

/** The queue, with what it was asked in order; each `enter` is answered when the test says. */
export function queueWorld() {
  const clock = new FakeClock()
  const asked: string[] = []
  const entries: QueueEntry[] = []
  const entering: { answer(answer: QueueAnswer): void; fail(): void }[] = []
  const said: string[] = []
  const reports: string[] = []
  let renews: () => Promise<boolean> = () => Promise.resolve(true)
  let leaves: () => Promise<void> = () => Promise.resolve()
  let isFree = true
  let waitsFor: string | null = 'main'
  const closed = new Set<string>()
  let isAnswered: (() => Promise<boolean>) | null = null
  const admission: AdmissionQueue = {
    queueOf: (model) => (model === 'limited' ? waitsFor : null),
    isOfUse: (provider) => !closed.has(provider),
    enter(entry) {
      asked.push(`enter ${entry.turn}`)
      entries.push(entry)
      return new Promise((resolve, reject) => {
        entering.push({ answer: resolve, fail: () => reject(new Error('lost')) })
      })
    },
    leave(entry) {
      asked.push(`leave ${entry.turn}`)
      return leaves()
    },
    renew({ grantId }) {
      asked.push(`renew ${grantId}`)
      return renews()
    },
    release({ grantId }, _, usedTokens) {
      asked.push(`release ${grantId} ${usedTokens}`)
      return Promise.resolve()
    },
  }
  const releases: ((usedTokens: number) => void)[] = []
  const queue: ProviderQueue = new ProviderQueue({
    admission,
    conversationId: 'c',
    timeoutMs: TIMEOUT_MS,
    now: clock.now,
    after: clock.after,
    describe: () => ({ userId: 'u', tokens: 120 }),
    goesOn: () => false,
    fresh: () => undefined,
    isAnswered: () => isAnswered?.() ?? false,
    needless: () => said.push('needless'),
    granted(given, place: Grant | null) {
      said.push(`granted ${given.number} ${place?.grantId ?? 'none'}`)
      if (isFree && place) releases.push(queue.keep(place))
      return isFree
    },
    moved: () => said.push('moved'),
    refused: (given, error) => said.push(`refused ${given.number} ${error.code}`),
    report: (event) => reports.push(event),
  })
  return {
    clock,
    queue,
    asked,
    entries,
    said,
    reports,
    releases,
    entering,
    renewing: (how: () => Promise<boolean>) => (renews = how),
    leaving: (how: () => Promise<void>) => (leaves = how),
    busy: () => (isFree = false),
    waitsFor: (provider: string | null) => (waitsFor = provider),
    close: (provider: string) => void closed.add(provider),
    answered: (is: boolean) => (isAnswered = () => Promise.resolve(is)),
  }
}

/** Lets everything happen that waits for nothing. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}
