/**
 * People of an external identity provider, at the Worker: a token of theirs is as good as one of ours, they become one row on
 * first sight, and the two kinds of token never stand for each other.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, inject, test } from 'vitest'
import { meAnswer } from '../../src/protocol/accounts.ts'
import { problemFrom } from './http-checks.ts'
import { personWith } from './people.ts'
import { Account, send } from './worker-account.ts'
import { problemOf } from './worker-guest.ts'

const tokenOf = async (claims: object): Promise<string> =>
  await (
    await fetch(`${inject('identityUrl')}/sign`, { method: 'POST', body: JSON.stringify(claims) })
  ).text()

const me = async (token: string) => meAnswer.parse(await (await send('GET', '/api/me', { token })).json())

describe('somebody of the external provider', () => {
  test('A8 is let in, has a row from first sight, and keeps their conversations from token to token', async () => {
    const sub = crypto.randomUUID()
    const token = await tokenOf({ sub, name: 'Ada', email: 'ada@corp.example', roles: ['support'] })
    const { user, kind } = await me(token)
    expect(kind).toBe('user')
    expect(user).toMatchObject({ name: 'Ada', role: 'moderator', email: 'ada@corp.example' })
    expect(user.id).toMatch(/^oidc:[a-f\d]{32}$/)
    const row = await env.DB.prepare('SELECT * FROM users WHERE id = ?').bind(user.id).first()
    expect(row).toMatchObject({ email_key: null, password_hash: null, role: 'moderator', plan: 'free' })
    await send('POST', '/api/conversations', { token, body: { title: 'Mine' } })
    const next = await tokenOf({ sub, name: 'Ada L.' })
    expect(await (await send('GET', '/api/conversations', { token: next })).json()).toMatchObject({
      conversations: [{ title: 'Mine', ownerId: user.id }],
    })
    expect((await me(next)).user).toMatchObject({ id: user.id, name: 'Ada L.', role: 'user' })
  })

  test('G4 is what their last token said: a moderator suspends no admin of the provider, and does once they are none', async () => {
    const sub = crypto.randomUUID()
    const as = (roles: string[]) => tokenOf({ sub, roles })
    const { id } = (await me(await as([]))).user
    const moderator = await personWith('moderator')
    const suspend = () => moderator.request('POST', `/api/admin/users/${id}/suspend`, { reason: 'spam' })
    for (const roles of [['chat-admins'], ['support']]) {
      await me(await as(roles))
      await problemFrom(await suspend(), 403, 'forbidden')
    }
    await me(await as([]))
    expect((await suspend()).status).toBe(200)
  })

  test('A8 with the email of an account of ours is somebody else', async () => {
    const ada = await Account.register()
    const token = await tokenOf({ sub: crypto.randomUUID(), email: ada.email })
    expect((await me(token)).user.id).not.toBe(ada.userId)
    expect((await ada.login()).user.id).toBe(ada.userId)
  })

  test('A8 signs out: what was issued until then is void', async () => {
    const token = await tokenOf({ sub: crypto.randomUUID() })
    expect((await send('POST', '/api/auth/logout', { token })).status).toBe(204)
    expect((await send('GET', '/api/me', { token })).status).toBe(401)
  })

  test('A8 has no password and no name to change here', async () => {
    const token = await tokenOf({ sub: crypto.randomUUID() })
    const rename = await send('PATCH', '/api/me', { token, body: { name: 'Eve' } })
    expect(await problemOf(rename)).toMatchObject({ status: 403 })
    const body = { currentPassword: '', newPassword: 'another horse battery' }
    expect(await problemOf(await send('POST', '/api/auth/password', { token, body }))).toMatchObject({
      status: 403,
    })
  })

  test('A8 is refused with a token for others, and one of ours that claims to be theirs is none', async () => {
    const now = Math.floor(Date.now() / 1000)
    for (const claims of [
      { aud: 'other' },
      { exp: now - 60 },
      { nbf: now + 60 },
      { iss: 'parley' },
      { iss: 'https://x.example' },
    ]) {
      expect((await send('GET', '/api/me', { token: await tokenOf(claims) })).status).toBe(401)
    }
    const [header, payload, signature] = (await Account.register()).session.accessToken.split('.')
    const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()) as object
    const changed = Buffer.from(JSON.stringify({ ...claims, iss: inject('identityUrl') })).toString(
      'base64url',
    )
    expect((await send('GET', '/api/me', { token: `${header}.${changed}.${signature}` })).status).toBe(401)
  })
})
