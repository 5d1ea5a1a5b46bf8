/**
 * Accounts as their owners use them: registering, also as a guest who was here already, signing in, one's name and password.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { hashPassword } from '../../src/auth/passwords.ts'
import { meAnswer } from '../../src/protocol/accounts.ts'
import { Account, login, newEmail, PASSWORD, send, sessionFrom } from './worker-account.ts'
import { Guest, problemOf } from './worker-guest.ts'

const me = async (token: string) => meAnswer.parse(await (await send('GET', '/api/me', { token })).json())

describe('registering', () => {
  test('A3 makes an account, signs in, and stores neither the password nor the refresh token', async () => {
    const ada = await Account.register()
    expect(ada.session).toMatchObject({ tokenType: 'Bearer', expiresIn: 900 })
    expect(ada.session.user).toEqual({
      id: ada.userId,
      name: 'Ada',
      email: ada.email,
      role: 'user',
      plan: 'free',
    })
    expect(ada.userId).toMatch(/^user:/)
    expect(await me(ada.session.accessToken)).toMatchObject({ kind: 'user', user: ada.session.user })
    const row = await env.DB.prepare('SELECT * FROM users WHERE id = ?').bind(ada.userId).first()
    expect(row?.['password_hash']).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$/)
    const tokens = await env.DB.prepare('SELECT hash FROM refresh_tokens').all<{ hash: string }>()
    expect(tokens.results.every(({ hash }) => /^[a-f\d]{64}$/.test(hash))).toBe(true)
  })

  test('A3 a guest who registers stays who they are, and keeps their conversations', async () => {
    const guest = await Guest.arrive()
    const id = await guest.createConversation('Mine')
    const ada = await Account.register(guest.token)
    expect(ada.userId).toBe(guest.userId)
    const list = await ada.request('GET', '/api/conversations')
    expect(await list.json()).toMatchObject({ conversations: [{ id, title: 'Mine' }] })
    expect(await me(ada.session.accessToken)).toMatchObject({ kind: 'user', user: { role: 'user' } })
  })

  test("A3 the guest's token of before opens nothing any more, and is not renewed", async () => {
    const guest = await Guest.arrive()
    await Account.register(guest.token)
    expect((await guest.request('GET', '/api/conversations')).status).toBe(401)
    expect((await guest.request('POST', '/api/auth/guest')).status).toBe(401)
    expect(
      (await guest.request('POST', '/api/auth/register', { email: newEmail(), password: PASSWORD })).status,
    ).toBe(401)
  })

  test('A3 of fifty who register one guest at once, one does', async () => {
    const guest = await Guest.arrive()
    const tries = Array.from({ length: 50 }, () =>
      send('POST', '/api/auth/register', {
        token: guest.token,
        body: { email: newEmail(), password: PASSWORD },
      }),
    )
    const statuses = (await Promise.all(tries)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 201)).toHaveLength(1)
    expect(
      statuses.filter((status) => status !== 201 && status !== 409 && status !== 401 && status !== 429),
    ).toEqual([])
  }, 60_000)

  test('A5 of addresses that differ in case or width alone, one is taken', async () => {
    const ada = await Account.register()
    for (const email of [ada.email.toUpperCase(), ` ${ada.email} `, ada.email.replace('u', 'ｕ')]) {
      const response = await send('POST', '/api/auth/register', { body: { email, password: PASSWORD } })
      expect(await problemOf(response)).toMatchObject({ status: 409, code: 'email_taken', field: 'email' })
    }
    expect((await login(ada.email.toUpperCase(), PASSWORD)).status).toBe(200)
  })

  test('A5 of ten who register one address at once, one does', async () => {
    const email = newEmail()
    const tries = Array.from({ length: 10 }, () =>
      send('POST', '/api/auth/register', { body: { email, password: PASSWORD } }),
    )
    const statuses = (await Promise.all(tries)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 201)).toHaveLength(1)
  }, 60_000)

  test.each([
    ['email', { email: 'аda@corp.example' }],
    ['email', { email: 'ada@corp.example\r\nX: y' }],
    ['email', { email: 7 }],
    ['password', { password: 'short' }],
    ['password', { password: 'x'.repeat(5_000) }],
    ['password', { password: 'Password1234' }],
    ['name', { name: 'x'.repeat(65) }],
    ['name', { name: ' \r\n ' }],
    ['name', { name: 'a\u0000b' }],
    ['name', { name: '\u202Eadmin' }],
    ['role', { role: 'admin' }],
    ['plan', { plan: 'unlimited' }],
    ['id', { id: 'user:1' }],
    ['userId', { userId: 'user:1' }],
    ['__proto__', JSON.parse('{"__proto__": {"role": "admin"}}') as object],
    ['constructor', { constructor: { prototype: { role: 'admin' } } }],
  ])('mass assignment and bad input: A3 refuses %s: %j', async (field, change) => {
    const body = Object.assign(Object.create(null) as object, { email: newEmail(), password: PASSWORD })
    for (const [key, value] of Object.entries(change))
      Object.defineProperty(body, key, { value, enumerable: true })
    const response = await send('POST', '/api/auth/register', { body })
    expect(await problemOf(response)).toMatchObject({ status: 422, code: 'validation_failed', field })
  })

  test('header and log injection: A3 a line break in a name becomes a space', async () => {
    const body = { email: newEmail(), password: PASSWORD, name: 'Ada\r\nSet-Cookie: a=b' }
    const response = await send('POST', '/api/auth/register', { body })
    expect(response.headers.get('set-cookie')).toBeNull()
    expect((await sessionFrom(response, 201)).user.name).toBe('Ada Set-Cookie: a=b')
  })
})

describe('signing in', () => {
  test('A4 a hash of weaker parameters is replaced, and the password goes on', async () => {
    const ada = await Account.register()
    const weak = await hashPassword(PASSWORD, { ln: 10, r: 8, p: 1 })
    await env.DB.prepare('UPDATE users SET password_hash = ? WHERE id = ?').bind(weak, ada.userId).run()
    const hash = () =>
      env.DB.prepare('SELECT password_hash FROM users WHERE id = ?').bind(ada.userId).first('password_hash')
    await ada.login()
    expect(await hash()).toMatch(/ln=14,r=8,p=5/)
    await ada.login()
  })

  test('somebody who is suspended is told so, but only with the right password', async () => {
    const ada = await Account.register()
    await env.DB.prepare('UPDATE users SET suspended_at = 1 WHERE id = ?').bind(ada.userId).run()
    expect(await problemOf(await login(ada.email, PASSWORD))).toMatchObject({
      status: 403,
      code: 'suspended',
    })
    expect(await problemOf(await login(ada.email, 'wrong horse battery'))).toMatchObject({
      code: 'invalid_credentials',
    })
    const body = { refreshToken: ada.session.refreshToken }
    expect(await problemOf(await send('POST', '/api/auth/refresh', { body }))).toMatchObject({
      code: 'suspended',
    })
  })
})

describe('one’s own account', () => {
  test('takes a new name, and nothing else', async () => {
    const ada = await Account.register()
    const response = await ada.request('PATCH', '/api/me', { name: '  Ada \n Lovelace ' })
    expect(await response.json()).toMatchObject({ user: { name: 'Ada Lovelace', role: 'user' } })
    for (const change of [
      { role: 'admin' },
      { plan: 'pro' },
      { email: 'x@y.example' },
      { suspended_at: null },
    ]) {
      const refused = await ada.request('PATCH', '/api/me', { name: 'Ada', ...change })
      expect(await problemOf(refused)).toMatchObject({ status: 422, field: Object.keys(change)[0] })
    }
  })

  test('A7 changing the password ends all sessions but the new one, at once', async () => {
    const ada = await Account.register()
    const other = await ada.login()
    const body = { currentPassword: PASSWORD, newPassword: 'another horse battery' }
    const session = await sessionFrom(await ada.request('POST', '/api/auth/password', body))
    for (const old of [ada.session, other]) {
      expect(await ada.statusOf(old.accessToken)).toBe(401)
      expect(
        (await send('POST', '/api/auth/refresh', { body: { refreshToken: old.refreshToken } })).status,
      ).toBe(401)
    }
    expect(await ada.statusOf(session.accessToken)).toBe(200)
    expect((await login(ada.email, PASSWORD)).status).toBe(401)
    expect((await login(ada.email, 'another horse battery')).status).toBe(200)
  })

  test('A7 the password changes only for who knows it, and only to a good one', async () => {
    const ada = await Account.register()
    const change = (currentPassword: string, newPassword: string) =>
      ada.request('POST', '/api/auth/password', { currentPassword, newPassword })
    expect(await problemOf(await change('wrong horse battery', 'another horse battery'))).toMatchObject({
      code: 'invalid_credentials',
    })
    expect(await problemOf(await change(PASSWORD, 'Password1234'))).toMatchObject({ field: 'newPassword' })
    expect(await ada.statusOf(ada.session.accessToken)).toBe(200)
  })

  test('is not for guests: they have no name to change and no sessions to list', async () => {
    const guest = await Guest.arrive()
    for (const [method, path] of [
      ['PATCH', '/api/me'],
      ['GET', '/api/me/sessions'],
      ['POST', '/api/auth/password'],
      ['POST', '/api/auth/logout-all'],
      ['GET', '/api/keys'],
    ] as const) {
      expect(await problemOf(await guest.request(method, path))).toMatchObject({
        status: 403,
        code: 'forbidden',
      })
    }
    expect(await me(guest.token)).toMatchObject({
      kind: 'guest',
      user: { id: guest.userId, email: null, role: 'guest', plan: 'guest', createdAt: null },
    })
  })
})
