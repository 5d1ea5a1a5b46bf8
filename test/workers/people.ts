/**
 * People with a role: a row in D1 and an access token that says the same, without going through a registration, which is
 * not what the tests that need them are about. Also what the trail says of somebody.
 */
import { env } from 'cloudflare:workers'
import type { AuditEntry } from '../../src/protocol/admin.ts'
import type { Env } from '../../src/env.ts'
import type { Role } from '../../src/protocol/permissions.ts'
import { createServices } from '../../src/services.ts'
import { listEntries } from '../../src/storage/audit.ts'
import { ask } from './worker-guest.ts'

export interface Person {
  readonly id: string
  readonly email: string
  readonly token: string
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>
}

export async function personWith(
  role: Exclude<Role, 'guest' | 'service'>,
  { name = 'Somebody', plan = 'free', createdAt = Date.now() } = {},
): Promise<Person> {
  const services = createServices(env as unknown as Env)
  await services.ready()
  const uuid = crypto.randomUUID()
  const [id, email] = [`user:${uuid}`, `${uuid}@example.test`]
  await env.DB.prepare(
    `INSERT INTO users (id, email, email_key, name, role, plan, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  )
    .bind(id, email, email, name, role, plan, createdAt)
    .run()
  return { id, email, ...(await signedIn(id, role, name, plan)) }
}

/** As by signing in now, with what the row says. */
export async function signedIn(id: string, role: Role, name = 'Somebody', plan = 'free') {
  const { tokens } = createServices(env as unknown as Env)
  const { token } = await tokens.issueAccess({ userId: id, name, role, kind: 'user', plan })
  const request: Person['request'] = (method, path, body, headers = {}) =>
    ask(path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  return { token, request }
}

/** Newest first. */
export async function trailOf(filter: Parameters<typeof listEntries>[1]): Promise<AuditEntry[]> {
  return (await listEntries(env.DB, filter, 200, null)).entries
}

/** As when the database refuses it: of what is in one transaction with the entry, nothing happens. */
export async function whileNotInTrail(action: string, work: () => Promise<void>): Promise<void> {
  await env.DB.prepare(
    `CREATE TRIGGER not_in_trail BEFORE INSERT ON audit WHEN NEW.action = '${action}'
     BEGIN SELECT RAISE(ABORT, 'cannot be written'); END`,
  ).run()
  try {
    await work()
  } finally {
    await env.DB.prepare('DROP TRIGGER not_in_trail').run()
  }
}
