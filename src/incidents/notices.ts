/**
 * What others are told of an incident, and how it leaves: each notice is a row until the webhooks have taken it over, so it
 * is told at least once, under an id that stays the same. Nobody who handled it is named to other people's servers.
 */
import type { WebhookEvent, WebhookEventType, Webhooks } from '../webhooks/event.ts'
import { titleOf, type IncidentRecord } from './incident.ts'

/** Waits after a failure, in ms: doubles from the first to the last. */
const RETRY_FIRST_MS = 1_000
const RETRY_MOST_MS = 5 * 60_000
/** Handed over in one call. */
const AT_ONCE = 20

/** @param n number of the timeline's entry that it tells of: one step, one id, for ever */
export function noticeOf(
  incident: IncidentRecord,
  type: WebhookEventType,
  n: number,
  at: number,
): WebhookEvent {
  const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())
  const { id, openedAt, rule, kind, subject, severity, state, level, value, summary } = incident
  return {
    // With when it opened: numbers begin again where an installation does.
    id: `inc_${openedAt.toString(36)}_${id}_${n}`,
    type,
    at,
    userId: null,
    data: {
      id: `i${id}`,
      title: titleOf(incident),
      rule,
      kind,
      subject,
      severity,
      state,
      level,
      openedAt: iso(openedAt),
      acknowledgedAt: iso(incident.acknowledgedAt),
      resolvedAt: iso(incident.resolvedAt),
      reopened: incident.reopened,
      value,
      summary,
    },
  }
}

export interface NoticeRows {
  /** Oldest first. */
  first(limit: number): readonly { readonly n: number; readonly event: WebhookEvent }[]
  remove(upTo: number): void
}

export interface NoticeDeps {
  readonly rows: NoticeRows
  readonly webhooks: Webhooks
  now(): number
  report(error: unknown): void
}

export class Notices {
  readonly #deps: NoticeDeps
  #failures = 0
  #retryAt = 0

  constructor(deps: NoticeDeps) {
    this.#deps = deps
  }

  /** When to {@link drain}; null when there is nothing to tell. */
  dueAt(): number | null {
    return this.#deps.rows.first(1).length === 0 ? null : this.#retryAt
  }

  /** Hands over what there is, in order. Never throws: what was not taken stays, and {@link dueAt} says when to come again. */
  async drain(): Promise<void> {
    const { rows, webhooks } = this.#deps
    if (this.#deps.now() < this.#retryAt) return
    try {
      for (;;) {
        const batch = rows.first(AT_ONCE)
        const last = batch.at(-1)
        if (!last) return
        await webhooks.send(batch.map(({ event }) => event))
        rows.remove(last.n)
        this.#failures = 0
        this.#retryAt = 0
      }
    } catch (error) {
      this.#failures += 1
      const wait = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** (this.#failures - 1))
      this.#retryAt = this.#deps.now() + wait
      this.#deps.report(error)
    }
  }
}
