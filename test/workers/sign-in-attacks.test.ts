/**
 * Attacks on the door: guessing passwords, from one place and from many, learning who has an account, coming with a cookie
 * or somebody else's kind of token.
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { ACCOUNT_FROM_ANYWHERE, ACCOUNT_FROM_NETWORK, NETWORK, networkOf } from '../../src/auth/attempts.ts'
import { hashOf } from '../../src/auth/opaque-secret.ts'
import { Account, login, newAddress, newEmail, PASSWORD, send } from './worker-account.ts'
import { ask, Guest, problemOf } from './worker-guest.ts'

const countsOfAccount = async (email: string) =>
  env.ATTEMPTS.get(env.ATTEMPTS.idFromName(`email:${await hashOf(email)}`))
const countsOfAddress = (address: string) =>
  env.ATTEMPTS.get(env.ATTEMPTS.idFromName(`address:${networkOf(address)}`))

/** As if this long had passed for what these counts hold. */
async function pass(stub: Awaited<ReturnType<typeof countsOfAccount>>, ms: number): Promise<void> {
  await runInDurableObject(stub, (_, { storage }) => {
    storage.sql.exec('UPDATE counts SET at = at - ?, forget_at = forget_at - ?', ms, ms)
  })
}

describe('brute force', () => {
  test('A6 per account: after 5 failures the next has to wait, even with the right password, and is told how long', async () => {
    const ada = await Account.register()
    const address = newAddress()
    for (let i = 0; i < ACCOUNT_FROM_NETWORK.free; i += 1) {
      expect((await login(ada.email, 'wrong horse battery', address)).status).toBe(401)
    }
    const response = await login(ada.email, PASSWORD, address)
    expect(response.headers.get('retry-after')).toBe('1')
    const problem = await problemOf(response)
    expect(problem).toMatchObject({
      status: 429,
      code: 'rate_limited',
      limit: { name: 'sign_in_attempts_account', unit: 'attempts', limit: 5, remaining: 0 },
    })
    expect(problem.retryAfterMs).toBeLessThanOrEqual(1_000)
    await pass(await countsOfAccount(ada.email), 1_000)
    expect((await login(ada.email, PASSWORD, address)).status).toBe(200)
    // That reset it.
    expect((await login(ada.email, 'wrong horse battery', address)).status).toBe(401)
    expect((await login(ada.email, PASSWORD, address)).status).toBe(200)
  })

  test('A6 per account: of a hundred guesses at once, five are looked at', async () => {
    const ada = await Account.register()
    const address = newAddress()
    const statuses = await Promise.all(
      Array.from(
        { length: 100 },
        async () => (await login(ada.email, 'wrong horse battery', address)).status,
      ),
    )
    expect(statuses.filter((status) => status === 401)).toHaveLength(ACCOUNT_FROM_NETWORK.free)
    expect(statuses.filter((status) => status === 429)).toHaveLength(100 - ACCOUNT_FROM_NETWORK.free)
  }, 60_000)

  test('A6 nobody is locked out by others: from where the owner has signed in before, they still can', async () => {
    const ada = await Account.register()
    const home = newAddress()
    expect((await login(ada.email, PASSWORD, home)).status).toBe(200)
    const counts = await countsOfAccount(ada.email)
    for (let i = 0; i < ACCOUNT_FROM_ANYWHERE.free; i += 1)
      expect(await counts.tryAccount(`attacker-${i}`)).toBeNull()
    // All strangers together have to wait now, but for no more than a minute.
    const refused = await counts.tryAccount('attacker-x')
    expect(refused).toMatchObject({ code: 'rate_limited' })
    expect(refused?.retryAfterMs).toBeLessThanOrEqual(ACCOUNT_FROM_ANYWHERE.maxWaitMs)
    expect((await login(ada.email, PASSWORD, newAddress())).status).toBe(429)
    expect((await login(ada.email, PASSWORD, home)).status).toBe(200)
  })

  test('A6 per address: who tries one password on many accounts has to wait, in all their network', async () => {
    const counts = countsOfAddress('2001:db8:ffff:1::1')
    for (let i = 0; i < NETWORK.free; i += 1) expect(await counts.tryNetwork()).toBeNull()
    const problem = await problemOf(await login(newEmail(), PASSWORD, '2001:db8:ffff:1:ffff::9'))
    expect(problem).toMatchObject({ status: 429, limit: { name: 'sign_in_attempts_address' } })
    const account = await Account.register()
    expect((await login(account.email, PASSWORD, '2001:db8:ffff:2::1')).status).toBe(200)
  })

  test('A6 whoever signs in often and rightly never has to wait', async () => {
    const ada = await Account.register()
    const address = newAddress()
    for (let i = 0; i < NETWORK.free + 2; i += 1)
      expect((await login(ada.email, PASSWORD, address)).status).toBe(200)
  }, 60_000)

  test('A6 changing the password and registering guess no faster', async () => {
    const ada = await Account.register()
    const address = newAddress()
    const body = { currentPassword: 'wrong horse battery', newPassword: 'another horse battery' }
    const change = () => send('POST', '/api/auth/password', { body, token: ada.session.accessToken, address })
    for (let i = 0; i < ACCOUNT_FROM_NETWORK.free; i += 1) expect((await change()).status).toBe(401)
    expect((await change()).status).toBe(429)
    expect((await login(ada.email, PASSWORD, address)).status).toBe(429)
  })

  test('A6 counts are forgotten, and leave nothing behind', async () => {
    const email = newEmail()
    await login(email, 'wrong horse battery')
    const counts = await countsOfAccount(email)
    await pass(counts, 24 * 3600_000)
    expect(await runDurableObjectAlarm(counts)).toBe(true)
    await runInDurableObject(counts, async (_, { storage }) => {
      const ours = "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'"
      expect(storage.sql.exec(ours).toArray()).toEqual([])
      expect(await storage.getAlarm()).toBeNull()
    })
  })
})

describe('who has an account', () => {
  test('A4 is not told at the door: the same answer, and the same work, for a wrong password and for nobody', async () => {
    const ada = await Account.register()
    const strangers = [newEmail(), 'no address at all', 'аda@corp.example', "' OR 1=1 --"]
    const said = await problemOf(await login(ada.email, 'wrong horse battery'))
    expect(said).toMatchObject({ status: 401, code: 'invalid_credentials' })
    expect(said.field).toBeUndefined()
    for (const email of strangers) {
      expect({ ...(await problemOf(await login(email, PASSWORD))), requestId: '' }).toEqual({
        ...said,
        requestId: '',
      })
    }
    expect((await login(ada.email, 'x')).status).toBe(401)
  })
})

describe('what proves nothing', () => {
  test('CSRF: A9 a cookie with a valid token is no proof, at any door', async () => {
    const ada = await Account.register()
    for (const name of ['token', 'access_token', 'session', 'authorization', '__Host-session']) {
      const cookie = `${name}=${ada.session.accessToken}; refresh=${ada.session.refreshToken}`
      for (const [method, path] of [
        ['GET', '/api/me'],
        ['GET', '/api/conversations'],
        ['POST', '/api/auth/logout-all'],
        ['POST', '/api/auth/ticket'],
      ] as const) {
        expect((await ask(path, { method, headers: { cookie } })).status).toBe(401)
      }
    }
    expect(await ada.statusOf(ada.session.accessToken)).toBe(200)
  })

  test('CSRF: A9 a form of another page does not get as far as a password', async () => {
    const body = new URLSearchParams({ email: newEmail(), password: PASSWORD })
    const response = await ask('/api/auth/login', { method: 'POST', body })
    expect(await problemOf(response)).toMatchObject({ status: 415 })
    expect(response.headers.get('set-cookie')).toBeNull()
  })

  test('A9 neither is a token in the query, of another scheme, twice, or over-long', async () => {
    const { accessToken } = (await Account.register()).session
    const of = async (authorization: string): Promise<number> =>
      (await ask('/api/me', { headers: { authorization } })).status
    expect((await ask(`/api/me?access_token=${accessToken}`)).status).toBe(401)
    expect(await of(`Basic ${accessToken}`)).toBe(401)
    expect(await of(accessToken)).toBe(401)
    expect(await of(`Bearer ${accessToken}, Bearer ${accessToken}`)).toBe(401)
    expect(await of(`Bearer ${'a'.repeat(9_000)}.b.c`)).toBe(401)
    expect(await of(`Bearer ${accessToken}`)).toBe(200)
  })

  test("A3 an account's token is not renewed as a guest's, and does not register again", async () => {
    const ada = await Account.register()
    expect(await problemOf(await ada.request('POST', '/api/auth/guest'))).toMatchObject({ status: 403 })
    const body = { email: newEmail(), password: PASSWORD }
    expect(await problemOf(await ada.request('POST', '/api/auth/register', body))).toMatchObject({
      status: 403,
    })
    const guest = await Guest.arrive()
    expect((await guest.request('POST', '/api/auth/guest')).status).toBe(201)
  })
})
