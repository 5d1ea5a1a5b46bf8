/**
 * An operator of an installation under test: an account that was made an admin by the command, as a person is, and what
 * only operators ask.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { sessionAnswer } from '../../src/protocol/accounts.ts'
import { incidentDetail, incidentPage, type IncidentDetail } from '../../src/protocol/incidents.ts'
import {
  providersAnswer,
  switchState,
  type ProvidersAnswer,
  type SwitchBody,
} from '../../src/protocol/operations.ts'
import { queueAnswer, type ProviderQueue } from '../../src/protocol/queue.ts'
import type { World } from './parley-world.ts'
import { TestUser } from './test-user.ts'
import { quietEnv, ROOT } from './wrangler-dev.ts'

const PASSWORD = 'correct horse battery'

export class Operator {
  readonly user: TestUser

  private constructor(user: TestUser) {
    this.user = user
  }

  static async in({ url, persistDir }: World): Promise<Operator> {
    const email = `operator-${crypto.randomUUID()}@example.com`
    const body = { email, password: PASSWORD, name: 'Operator' }
    await accountOf(url, '/api/auth/register', body)
    const args = ['src/make-admin.mjs', 'grant', email, '--persist-to', persistDir]
    const env = { ...process.env, ...quietEnv(persistDir) }
    await promisify(execFile)(process.execPath, args, { cwd: ROOT, env })
    return new Operator(await accountOf(url, '/api/auth/login', { email, password: PASSWORD }))
  }

  async switch(body: SwitchBody): Promise<void> {
    await this.user.json(switchState, 'POST', '/api/admin/switches', { body })
  }

  async providers(): Promise<ProvidersAnswer> {
    return await this.user.json(providersAnswer, 'GET', '/api/admin/providers')
  }

  /** The breaker of a provider's only model. */
  async breaker(name: string): Promise<string | undefined> {
    const { providers } = await this.providers()
    return providers.find((provider) => provider.name === name)?.models[0]?.breaker.state
  }

  async queue(provider: string): Promise<ProviderQueue | undefined> {
    const { providers } = await this.user.json(queueAnswer, 'GET', '/api/queue')
    return providers.find((each) => each.provider === provider)
  }

  async incidents(): Promise<IncidentDetail[]> {
    const { incidents } = await this.user.json(incidentPage, 'GET', '/api/admin/incidents')
    return await Promise.all(incidents.map(({ id }) => this.incident(id)))
  }

  async incident(id: string): Promise<IncidentDetail> {
    return await this.user.json(incidentDetail, 'GET', `/api/admin/incidents/${id}`)
  }
}

async function accountOf(url: string, path: string, body: object): Promise<TestUser> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  const { accessToken, user } = sessionAnswer.parse(await response.json())
  return new TestUser(url, accessToken, user.id)
}
