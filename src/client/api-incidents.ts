/**
 * The REST routes of incidents and of error counts as typed calls, for whoever is in charge. Who may ask which is decided
 * by the server.
 */
import * as shapes from '../protocol/incidents.ts'
import type {
  ErrorGroup,
  ErrorsAnswer,
  IncidentDetail,
  IncidentPage,
  IncidentState,
} from '../protocol/incidents.ts'
import { search, type Caller } from './caller.ts'

export interface IncidentFilter {
  readonly state?: IncidentState | undefined
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

export interface ErrorsQuery {
  /** ISO 8601; at most 14 days apart. */
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly group: ErrorGroup
}

export class IncidentsApi {
  readonly #caller: Caller

  constructor(caller: Caller) {
    this.#caller = caller
  }

  /** Newest first. */
  async list(filter: IncidentFilter = {}): Promise<IncidentPage> {
    const path = `/api/admin/incidents${search({ ...filter })}`
    return await this.#caller.json({ method: 'GET', path }, shapes.incidentPage)
  }

  async get(id: string): Promise<IncidentDetail> {
    return await this.#caller.json({ method: 'GET', path: pathOf(id) }, shapes.incidentDetail)
  }

  async acknowledge(id: string): Promise<IncidentDetail> {
    const path = `${pathOf(id)}/acknowledge`
    return await this.#caller.json({ method: 'POST', path }, shapes.incidentDetail)
  }

  async resolve(id: string, note?: string): Promise<IncidentDetail> {
    const body = note === undefined ? {} : { note }
    const path = `${pathOf(id)}/resolve`
    return await this.#caller.json({ method: 'POST', path, body }, shapes.incidentDetail)
  }

  async addNote(id: string, text: string): Promise<IncidentDetail> {
    const call = { method: 'POST', path: `${pathOf(id)}/notes`, body: { text } } as const
    return await this.#caller.json(call, shapes.incidentDetail)
  }

  /** A draft in Markdown. Names and texts of others are escaped in it. */
  async postMortem(id: string): Promise<string> {
    const response = await this.#caller.send({ method: 'GET', path: `${pathOf(id)}/post-mortem` })
    return await response.text()
  }

  async errors({ from, to, group }: ErrorsQuery): Promise<ErrorsAnswer> {
    const path = `/api/admin/errors${search({ from, to, group })}`
    return await this.#caller.json({ method: 'GET', path }, shapes.errorsAnswer)
  }
}

const pathOf = (id: string): string => `/api/admin/incidents/${encodeURIComponent(id)}`
