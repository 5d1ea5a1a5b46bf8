/**
 * Sessions and refresh tokens: each serves once, however many come with it at once, and one that was copied ends what it
 * belongs to. Ended sessions take their access tokens along.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { hashOf } from '../../src/auth/opaque-secret.ts'
import { MAX_SESSIONS, REUSE_GRACE_MS } from '../../src/auth/sessions.ts'
import { sessionsAnswer, type SessionAnswer } from '../../src/protocol/accounts.ts'
import { Account, PASSWORD, refresh, send, sessionFrom } from './worker-account.ts'
import { problemOf } from './worker-guest.ts'

const sessionsOf = async (account: Account, token?: string) =>
  sessionsAnswer.parse(await (await account.request('GET', '/api/me/sessions', undefined, token)).json())
    .sessions

/** As if this long had passed since a token was used. */
async function age(session: SessionAnswer, ms: number): Promise<void> {
  await env.DB.prepare('UPDATE refresh_tokens SET used_at = used_at - ? WHERE hash = ?')
    .bind(ms, await hashOf(session.refreshToken))
    .run()
}

describe('a refresh token', () => {
  test('A7 brings a new access token and the next one', async () => {
    const ada = await Account.register()
    const next = await sessionFrom(await refresh(ada.session.refreshToken))
    expect(next.refreshToken).not.toBe(ada.session.refreshToken)
    expect(next.user).toEqual(ada.session.user)
    expect(await ada.statusOf(next.accessToken)).toBe(200)
    expect((await sessionFrom(await refresh(next.refreshToken))).expiresIn).toBe(900)
  })

  test('A7 refresh race: of fifty uses at once exactly one wins, and the session goes on', async () => {
    const ada = await Account.register()
    const responses = await Promise.all(Array.from({ length: 50 }, () => refresh(ada.session.refreshToken)))
    const won = responses.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(responses.filter(({ status }) => status === 401)).toHaveLength(49)
    const [winner] = won
    if (!winner) throw new Error('nobody won')
    expect((await refresh((await sessionFrom(winner)).refreshToken)).status).toBe(200)
  })

  test('A7 used again within a moment is refused, and nothing ends: two tabs asked', async () => {
    const ada = await Account.register()
    const next = await sessionFrom(await refresh(ada.session.refreshToken))
    await age(ada.session, REUSE_GRACE_MS - 3_000)
    expect(await problemOf(await refresh(ada.session.refreshToken))).toMatchObject({ code: 'unauthorized' })
    expect((await refresh(next.refreshToken)).status).toBe(200)
  })

  test('A7 used again later was copied: the whole family ends, access tokens included', async () => {
    const ada = await Account.register()
    const other = await ada.login()
    const next = await sessionFrom(await refresh(ada.session.refreshToken))
    const third = await sessionFrom(await refresh(next.refreshToken))
    await age(ada.session, REUSE_GRACE_MS + 1)
    expect(await problemOf(await refresh(ada.session.refreshToken))).toMatchObject({ code: 'unauthorized' })
    expect((await refresh(third.refreshToken)).status).toBe(401)
    for (const { accessToken } of [ada.session, next, third])
      expect(await ada.statusOf(accessToken)).toBe(401)
    expect(await ada.statusOf(other.accessToken)).toBe(200)
    expect((await refresh(other.refreshToken)).status).toBe(200)
  })

  test('A7 that expired, or that nobody gave out, is refused', async () => {
    const ada = await Account.register()
    await env.DB.prepare('UPDATE refresh_tokens SET expires_at = 1 WHERE hash = ?')
      .bind(await hashOf(ada.session.refreshToken))
      .run()
    const strange = ['rt_', 'rt_x', ada.session.accessToken.slice(0, 256), "' OR 1=1 --", 'x'.repeat(256)]
    for (const token of [ada.session.refreshToken, ...strange])
      expect((await refresh(token)).status).toBe(401)
    expect((await refresh('x'.repeat(257))).status).toBe(422)
  })

  test('A7 is no access token, and an access token is none', async () => {
    const ada = await Account.register()
    expect(await ada.statusOf(ada.session.refreshToken)).toBe(401)
    expect((await refresh(ada.session.accessToken.slice(0, 200))).status).toBe(401)
  })
})

describe('the sessions of a person', () => {
  test('A7 are listed with where they came from, as far as that is kept', async () => {
    const ada = await Account.register()
    const body = { email: ada.email, password: PASSWORD }
    const headers = { 'user-agent': 'Test/1.0' }
    const login = await send('POST', '/api/auth/login', { body, headers, address: '203.0.113.77' })
    const device = await sessionFrom(login)
    const sessions = await sessionsOf(ada, device.accessToken)
    expect(sessions).toHaveLength(2)
    expect(sessions.find(({ current }) => current)).toMatchObject({
      agent: 'Test/1.0',
      address: '203.0.113.0/24',
    })
  })

  test('A7 end one by one: their tokens are refused at once, others are not', async () => {
    const ada = await Account.register()
    const other = await ada.login()
    const target = (await sessionsOf(ada, other.accessToken)).find(({ current }) => current)
    expect((await ada.request('DELETE', `/api/me/sessions/${target?.id}`)).status).toBe(204)
    expect(await ada.statusOf(other.accessToken)).toBe(401)
    expect((await refresh(other.refreshToken)).status).toBe(401)
    expect(await ada.statusOf(ada.session.accessToken)).toBe(200)
    expect((await ada.request('DELETE', `/api/me/sessions/${target?.id}`)).status).toBe(404)
  })

  test("A7 id guessing: another's session answers like one that does not exist, and goes on", async () => {
    const [ada, eve] = [await Account.register(), await Account.register()]
    const [session] = await sessionsOf(ada)
    const [foreign, unknown] = [
      await eve.request('DELETE', `/api/me/sessions/${session?.id}`),
      await eve.request('DELETE', `/api/me/sessions/${crypto.randomUUID()}`),
    ]
    expect(await problemOf(foreign)).toEqual(await problemOf(unknown))
    expect(foreign.status).toBe(404)
    expect(await ada.statusOf(ada.session.accessToken)).toBe(200)
  })

  test('A7 signing out ends this one; signing out everywhere, all', async () => {
    const ada = await Account.register()
    const [second, third] = [await ada.login(), await ada.login()]
    expect((await ada.request('POST', '/api/auth/logout')).status).toBe(204)
    expect(await ada.statusOf(ada.session.accessToken)).toBe(401)
    expect((await refresh(ada.session.refreshToken)).status).toBe(401)
    expect(await ada.statusOf(second.accessToken)).toBe(200)
    expect((await ada.request('POST', '/api/auth/logout-all', undefined, second.accessToken)).status).toBe(
      204,
    )
    for (const { accessToken, refreshToken } of [second, third]) {
      expect(await ada.statusOf(accessToken)).toBe(401)
      expect((await refresh(refreshToken)).status).toBe(401)
    }
    // Whoever signs in again is in.
    expect(await ada.statusOf((await ada.login()).accessToken)).toBe(200)
  })

  test('A7 are so many and no more: the one used longest ago makes room', async () => {
    const ada = await Account.register()
    const rows = Array.from({ length: MAX_SESSIONS }, (_, index) =>
      env.DB.prepare("INSERT INTO sessions VALUES (?, ?, 1, ?, '', '')").bind(
        crypto.randomUUID(),
        ada.userId,
        1_000 + index,
      ),
    )
    await env.DB.batch(rows)
    await ada.login()
    const count = await env.DB.prepare(
      'SELECT count(*) AS n, min(last_used_at) AS oldest FROM sessions WHERE user_id = ?',
    )
      .bind(ada.userId)
      .first<{ n: number; oldest: number }>()
    expect(count?.n).toBe(MAX_SESSIONS)
    expect(count?.oldest).toBe(1_002)
  })
})
