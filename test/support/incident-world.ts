/**
 * An incident desk with a clock that stands still, real SQL, and webhooks that note what they are told or refuse it; and
 * observations as the operations object sends them. Alarms go off when the clock passes them; `restart` forgets all that is
 * not stored.
 */
import type { FailureClass } from '../../src/models/failure.ts'
import { IncidentDesk } from '../../src/incidents/incident-desk.ts'
import { FIRST_TOKEN_BOUNDS_MS, type Observation } from '../../src/incidents/observation.ts'
import type { Rows } from '../../src/incidents/rows.ts'
import { incidentRules } from '../../src/protocol/incident-rules.ts'
import type { WebhookEvent } from '../../src/webhooks/event.ts'

export const START = Date.parse('2026-11-20T10:00:00Z')
export const SECOND = 1_000
export const MINUTE = 60_000

/** @param firstTokenMs of all calls that did not fail */
export function calls(
  provider: string,
  good: number,
  bad: Partial<Record<FailureClass, number>> = {},
  { firstTokenMs = 300, micros = 0, model = 'm' } = {},
): Observation['models'][number] {
  const failed = Object.values(bad).reduce((all, n) => all + n, 0)
  const at = FIRST_TOKEN_BOUNDS_MS.findIndex((bound) => firstTokenMs <= bound)
  const index = at < 0 ? FIRST_TOKEN_BOUNDS_MS.length : at
  const firstToken = Array.from({ length: FIRST_TOKEN_BOUNDS_MS.length + 1 }, (_, i) =>
    i === index ? good : 0,
  )
  return { provider, model, calls: good + failed, failures: bad, firstToken, micros }
}

export function failures(
  fingerprint: string,
  count: number,
  over: Partial<Observation['failures'][number]> = {},
): Observation['failures'][number] {
  return {
    fingerprint,
    kind: 'server',
    provider: 'a',
    route: 'POST /api/chat',
    detail: `detail of ${fingerprint}`,
    count,
    ...over,
  }
}

/** An observation, as far as it matters; of each breaker there was a call just then, unless something else is said. */
export interface Observed extends Partial<Omit<Observation, 'breakers'>> {
  readonly breakers?: readonly (Omit<Observation['breakers'][number], 'heardAt'> & {
    readonly heardAt?: number
  })[]
}

export class IncidentWorld {
  readonly #rows: Rows
  readonly #rules: ReturnType<typeof incidentRules.parse>
  readonly told: WebhookEvent[] = []
  readonly notes: string[] = []
  readonly reports: string[] = []
  isDeaf = false
  now = START
  alarm: number | null = null
  alarmsSet = 0
  desk: IncidentDesk

  constructor(rows: Rows, rules: object = {}) {
    this.#rows = rows
    this.#rules = incidentRules.parse(rules)
    this.desk = this.restart()
  }

  restart(): IncidentDesk {
    this.desk = new IncidentDesk({
      rows: this.#rows,
      rules: this.#rules,
      alarm: this.alarm,
      webhooks: {
        send: async (events) => {
          if (this.isDeaf) throw new Error('nobody takes it')
          this.told.push(...events)
        },
      },
      now: () => this.now,
      newPseudonym: () => crypto.randomUUID(),
      wakeAt: (time) => {
        this.alarm = time
        this.alarmsSet += 1
      },
      note: (event) => void this.notes.push(event),
      report: (event) => void this.reports.push(event),
    })
    return this.desk
  }

  observe({ breakers = [], ...over }: Observed = {}): void {
    const at = over.at ?? this.now
    this.desk.observe({
      at,
      ms: 10 * SECOND,
      models: [],
      failures: [],
      breakers: breakers.map((breaker) => ({ heardAt: at, ...breaker })),
      queues: [],
      paused: [],
      ...over,
    })
  }

  /** Lets time pass, and alarms go off in it. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms
    while (this.alarm !== null && this.alarm <= until) {
      this.now = Math.max(this.now, this.alarm)
      this.alarm = null
      await this.desk.alarm()
    }
    this.now = until
  }

  /** Observes the same every ten seconds. */
  async keep(ms: number, over: () => Observed): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10 * SECOND) {
      await this.pass(10 * SECOND)
      this.observe(over())
    }
    await this.pass(0)
  }

  get toldTypes(): string[] {
    return this.told.map(({ type }) => type)
  }

  kinds(id: number): string[] {
    const found = this.desk.get(id)
    return found.ok ? found.value.timeline.map(({ kind }) => kind) : []
  }

  state(id: number): string | null {
    const found = this.desk.get(id)
    return found.ok ? found.value.state : null
  }
}
