/**
 * The Durable Object of the installation's incidents, one for all (`global`): transport only. Each call is one of
 * `IncidentDesk`'s; its callers are Workers and the operations object of this application, which have checked what they say.
 *
 * Its own SQLite and not D1 is the authority: D1 may be what is down.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import type { Result } from '../errors.ts'
import type { ErrorGroup, ErrorRow, Incident, IncidentDetail, IncidentState } from '../protocol/incidents.ts'
import { incidentParts } from '../operating.ts'
import { IncidentDesk } from './incident-desk.ts'
import type { Observation } from './observation.ts'

export class IncidentsObject extends DurableObject<Env> {
  #desk!: IncidentDesk

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    void ctx.blockConcurrencyWhile(async () => {
      const { storage } = ctx
      this.#desk = new IncidentDesk({
        ...incidentParts(env),
        rows: storage,
        alarm: await storage.getAlarm(),
        now: () => Date.now(),
        newPseudonym: () => crypto.randomUUID().replaceAll('-', ''),
        // Awaited by the output gate: what is answered is stored.
        wakeAt: (time) => void storage.setAlarm(time),
      })
    })
  }

  observe(observation: Observation): void {
    this.#desk.observe(observation)
  }

  override async alarm(): Promise<void> {
    await this.#desk.alarm()
  }

  list(
    state: IncidentState | null,
    limit: number,
    below: number | null,
  ): { incidents: Incident[]; end: { at: number; id: number } | null } {
    return this.#desk.list(state, limit, below)
  }

  get(id: number): Result<IncidentDetail> {
    return this.#desk.get(id)
  }

  acknowledge(id: number, userId: string): Result<IncidentDetail> {
    return this.#desk.acknowledge(id, userId)
  }

  resolve(id: number, userId: string, note: string | null): Result<IncidentDetail> {
    return this.#desk.resolve(id, userId, note)
  }

  addNote(id: number, userId: string, text: string): Result<IncidentDetail> {
    return this.#desk.addNote(id, userId, text)
  }

  postMortem(id: number): Result<string> {
    return this.#desk.postMortem(id)
  }

  errors(group: ErrorGroup, from: number, to: number): { rows: ErrorRow[]; truncated: boolean } {
    return this.#desk.errors(group, from, to)
  }

  forgetPerson(userId: string): void {
    this.#desk.forgetPerson(userId)
  }
}
