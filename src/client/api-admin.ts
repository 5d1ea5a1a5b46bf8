/**
 * The REST routes of the administration as typed calls. Who may ask which is decided by the server; the page offers what
 * `protocol/permissions.ts` says.
 */
import * as admin from '../protocol/admin.ts'
import type { AdminUser, AuditPage, ChangeUserBody, UserPage } from '../protocol/admin.ts'
import * as operations from '../protocol/operations.ts'
import type { ProvidersAnswer, ResetAnswer, SwitchBody, SwitchState } from '../protocol/operations.ts'
import { queueAnswer, requeueAnswer, type QueueAnswer, type RequeueAnswer } from '../protocol/queue.ts'
import { adminUsageAnswer, type AdminUsageAnswer, type UsageGroup } from '../protocol/usage.ts'
import { search, type Caller } from './caller.ts'

export interface AuditFilter {
  readonly actor?: string | undefined
  readonly action?: string | undefined
  readonly resource?: string | undefined
  /** ISO 8601. */
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly cursor?: string | undefined
}

export interface UsageQuery {
  /** First and last day, UTC. */
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly by: UsageGroup
}

export class AdminApi {
  readonly #caller: Caller

  constructor(caller: Caller) {
    this.#caller = caller
  }

  /** @param query.q the whole id, or how an email or a name begins */
  async users(query: { q?: string | undefined; cursor?: string | undefined }): Promise<UserPage> {
    const path = `/api/admin/users${search(query)}`
    return await this.#caller.json({ method: 'GET', path }, admin.userPage)
  }

  async changeUser(id: string, body: ChangeUserBody): Promise<AdminUser> {
    return await this.#caller.json({ method: 'PATCH', path: userPath(id), body }, admin.adminUser)
  }

  async suspend(id: string, reason: string): Promise<AdminUser> {
    const call = { method: 'POST', path: `${userPath(id)}/suspend`, body: { reason } } as const
    return await this.#caller.json(call, admin.adminUser)
  }

  async unsuspend(id: string): Promise<AdminUser> {
    return await this.#caller.json({ method: 'POST', path: `${userPath(id)}/unsuspend` }, admin.adminUser)
  }

  async usage({ from, to, by }: UsageQuery): Promise<AdminUsageAnswer> {
    const path = `/api/admin/usage${search({ from, to, by })}`
    return await this.#caller.json({ method: 'GET', path }, adminUsageAnswer)
  }

  async audit(filter: AuditFilter): Promise<AuditPage> {
    const path = `/api/admin/audit${search({ ...filter })}`
    return await this.#caller.json({ method: 'GET', path }, admin.auditPage)
  }

  /** How each model of each provider is. */
  async providers(): Promise<ProvidersAnswer> {
    return await this.#caller.json(
      { method: 'GET', path: '/api/admin/providers' },
      operations.providersAnswer,
    )
  }

  /** The kill switch: pauses a provider, a model or all turns, or ends that. */
  async switch(body: SwitchBody): Promise<SwitchState> {
    const call = { method: 'POST', path: '/api/admin/switches', body } as const
    return await this.#caller.json(call, operations.switchState)
  }

  /** Closes the breakers of a provider, or of one of its models. */
  async resetBreaker(provider: string, model?: string): Promise<ResetAnswer> {
    const path = `/api/admin/providers/${encodeURIComponent(provider)}/reset`
    const body = model === undefined ? {} : { model }
    return await this.#caller.json({ method: 'POST', path, body }, operations.resetAnswer)
  }

  /** What waits in front of providers that have limits. */
  async queue(): Promise<QueueAnswer> {
    return await this.#caller.json({ method: 'GET', path: '/api/queue' }, queueAnswer)
  }

  async requeue(deadLetterId: string): Promise<RequeueAnswer> {
    const path = `/api/queue/dead-letters/${encodeURIComponent(deadLetterId)}/requeue`
    return await this.#caller.json({ method: 'POST', path }, requeueAnswer)
  }
}

const userPath = (id: string) => `/api/admin/users/${encodeURIComponent(id)}`
