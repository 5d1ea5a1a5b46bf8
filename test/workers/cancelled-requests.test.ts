/**
 * Requests that go away in the middle: what they had begun for everyone is not what the others wait for.
 */
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { app } from '../../src/app.ts'
import type { Env } from '../../src/env.ts'
import { D1_MIGRATIONS, migrateLocally } from '../../src/storage/local-setup.ts'
import { silentAtFirst } from './silent-d1.ts'

const arrive = async (own: Env): Promise<Response> =>
  await app.fetch(
    new Request('http://parley.test/api/auth/guest', { method: 'POST' }),
    own,
    createExecutionContext(),
  )

describe('a request that went away', () => {
  test('while it set the database up holds no other up', async () => {
    const own = { ...env, DB: silentAtFirst() } as unknown as Env
    void arrive(own)
    expect((await arrive(own)).status).toBe(201)
  })
})

describe('requests that set the database up at once', () => {
  test('all succeed, and it is set up once', async () => {
    const tables = await env.DB.prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*'",
    ).all<{ name: string }>()
    await env.DB.batch(tables.results.map(({ name }) => env.DB.prepare(`DROP TABLE ${name}`)))
    await Promise.all(Array.from({ length: 10 }, () => migrateLocally(env.DB)))
    const { results } = await env.DB.prepare('SELECT name FROM d1_migrations').all()
    expect(results).toEqual(D1_MIGRATIONS.map(({ name }) => ({ name })))
  })

  test('agree on the secret that signs', async () => {
    const fresh = () => ({ ...env }) as unknown as Env
    const envs = [fresh(), fresh()]
    const responses = await Promise.all([...envs, ...envs, ...envs].map(arrive))
    const tokens = await Promise.all(
      responses.map(async (response) => (await response.json<{ accessToken: string }>()).accessToken),
    )
    for (const token of tokens) {
      for (const own of envs) {
        const request = new Request('http://parley.test/api/conversations', {
          headers: { authorization: `Bearer ${token}` },
        })
        expect((await app.fetch(request, own, createExecutionContext())).status).toBe(200)
      }
    }
  })
})
