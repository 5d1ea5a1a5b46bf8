/**
 * Tokens of an external identity provider, a real HTTP server here: what is accepted, what is refused, who it makes of whom,
 * and how often the provider is asked for its keys.
 */
import { createHmac } from 'node:crypto'
import { exportSPKI, importJWK } from 'jose'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import {
  ExternalTokens,
  externalUserId,
  KEYS_COOLDOWN_MS,
  KEYS_MAX_AGE_MS,
  KEYS_MAX_STALE_MS,
  type ExternalProvider,
} from '../../src/auth/external-tokens.ts'
import { AUDIENCE, IdentityProvider } from '../support/identity-provider.ts'

let provider: IdentityProvider
let external: ExternalTokens
let nowMs: number
let warnings: string[]
const started: IdentityProvider[] = []

beforeEach(async () => {
  provider = await IdentityProvider.start()
  started.push(provider)
  nowMs = Date.now()
  warnings = []
  external = accepting({})
})

afterAll(async () => void (await Promise.all(started.map((each) => each.close()))))

function accepting(change: Partial<ExternalProvider>): ExternalTokens {
  const config: ExternalProvider = {
    jwksUrl: `${provider.url}/jwks`,
    issuer: provider.url,
    audience: AUDIENCE,
    roleClaim: 'roles',
    roles: new Map([
      ['chat-admins', 'admin'],
      ['support', 'moderator'],
    ] as const),
    ...change,
  }
  return new ExternalTokens(
    config,
    (event) => void warnings.push(event),
    () => nowMs,
  )
}

const refused = { code: 'unauthorized', status: 401 }

describe('a token of the provider', () => {
  test.each(['RS256', 'ES256', 'EdDSA'])('A8 is accepted under %s', async (alg) => {
    await provider.addKey('second', alg)
    const token = await provider.sign({ sub: 'u-1', name: 'Ada', email: 'ada@corp.example' }, {}, 'second')
    const { principal, email } = await external.verify(token)
    expect(principal).toMatchObject({
      userId: await externalUserId(provider.url, 'u-1'),
      name: 'Ada',
      role: 'user',
      kind: 'user',
      issuedAt: expect.any(Number),
      expiresAt: expect.any(Number),
    })
    expect(principal.userId).toMatch(/^oidc:[a-f0-9]{32}$/)
    expect(email).toBe('ada@corp.example')
  })

  test('A8 is refused when it is for another audience, of another issuer, late, early, or of nobody', async () => {
    const now = Math.floor(nowMs / 1000)
    const claims = [
      { aud: 'other' },
      { aud: undefined },
      { aud: [] as string[] },
      { iss: 'https://other.example' },
      { iss: undefined },
      { exp: now - 31 },
      { exp: undefined },
      { nbf: now + 60 },
      { iat: now + 60 },
      { iat: undefined },
      { sub: '' },
      { sub: undefined },
      { sub: 'x'.repeat(256) },
      { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
    ]
    for (const claim of claims) {
      await expect(external.verify(await provider.sign(claim))).rejects.toMatchObject(refused)
    }
    for (const typ of ['logout+jwt', 'secevent+jwt', 'dpop+jwt']) {
      await expect(external.verify(await provider.sign({}, { typ }))).rejects.toMatchObject(refused)
    }
    expect(
      await external.verify(await provider.sign({ aud: ['x', AUDIENCE] }, { typ: 'at+jwt' })),
    ).toBeTruthy()
  })

  test('A8 HS/RS confusion: its public key serves nobody as a secret', async () => {
    const jwk = provider.publicKey('first')
    const spki = await exportSPKI((await importJWK(jwk, 'RS256')) as CryptoKey)
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
    const now = Math.floor(nowMs / 1000)
    const claims = { iss: provider.url, aud: AUDIENCE, sub: 'u-1', iat: now, exp: now + 300 }
    for (const secret of [spki, JSON.stringify(jwk), jwk.n ?? '']) {
      const signed = `${encode({ alg: 'HS256', kid: 'first' })}.${encode(claims)}`
      const token = `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
      await expect(external.verify(token)).rejects.toMatchObject(refused)
    }
    const unsigned = `${encode({ alg: 'none' })}.${encode(claims)}.`
    await expect(external.verify(unsigned)).rejects.toMatchObject(refused)
  })

  test('A8 of another key under a known name is refused', async () => {
    const other = await IdentityProvider.start()
    started.push(other)
    const token = await other.sign({ iss: provider.url })
    await expect(external.verify(token)).rejects.toMatchObject(refused)
  })
})

describe('what it makes of a person', () => {
  test.each([
    [{ roles: ['chat-admins'] }, 'admin'],
    [{ roles: ['support', 'chat-admins'] }, 'admin'],
    [{ roles: 'other support' }, 'moderator'],
    [{ roles: ['admin'] }, 'user'],
    [{ roles: ['__proto__', 'constructor', 7, null] }, 'user'],
    [{ roles: { 'chat-admins': true } }, 'user'],
    [{ role: 'admin' }, 'user'],
    [{}, 'user'],
  ])('A8 no more than the configuration says: %j is %s', async (claims, role) => {
    const { principal } = await external.verify(await provider.sign(claims))
    expect(principal.role).toBe(role)
  })

  test('A8 the claim may be a path, or have a URL for a name', async () => {
    const byPath = accepting({ roleClaim: 'realm_access.roles' })
    const nested = await provider.sign({ realm_access: { roles: ['support'] } })
    expect((await byPath.verify(nested)).principal.role).toBe('moderator')
    const byUrl = accepting({ roleClaim: 'https://corp.example/roles' })
    const named = await provider.sign({ 'https://corp.example/roles': ['support'] })
    expect((await byUrl.verify(named)).principal.role).toBe('moderator')
    const proto = accepting({ roleClaim: '__proto__.constructor.name' })
    expect((await proto.verify(nested)).principal.role).toBe('user')
  })

  test('A8 a name with line breaks, or none, becomes one that shows', async () => {
    const name = async (claims: Record<string, unknown>) =>
      (await external.verify(await provider.sign(claims))).principal.name
    expect(await name({ name: 'Ada\r\nSet-Cookie: x' })).toBe('Ada Set-Cookie: x')
    expect(await name({ name: '\u202Eada', preferred_username: 'ada' })).toBe('ada')
    expect(await name({ name: 7 })).toBe('User')
    expect((await name({ name: 'x'.repeat(500) })).length).toBe(64)
  })
})

describe('the keys of the provider', () => {
  test('A8 are asked for once, and again for an unknown kid: once, then not for a while', async () => {
    await external.verify(await provider.sign({}))
    await external.verify(await provider.sign({}))
    expect(provider.asked).toBe(1)
    await provider.addKey('second')
    const token = await provider.sign({}, {}, 'second')
    // Too soon: whoever invents kids must not make us ask.
    await expect(external.verify(token)).rejects.toMatchObject(refused)
    expect(provider.asked).toBe(1)
    nowMs += KEYS_COOLDOWN_MS
    expect(await external.verify(token)).toBeTruthy()
    expect(provider.asked).toBe(2)
    for (let i = 0; i < 50; i += 1) {
      await expect(external.verify(await provider.sign({}, { kid: `made-up-${i}` }))).rejects.toMatchObject(
        refused,
      )
    }
    expect(provider.asked).toBe(2)
  })

  test('A8 that were withdrawn are refused when the kept ones are old', async () => {
    const token = await provider.sign({ exp: Math.floor(nowMs / 1000) + 3600 })
    await external.verify(token)
    await provider.addKey('second')
    provider.removeKey('first')
    nowMs += KEYS_MAX_AGE_MS
    await expect(external.verify(token)).rejects.toMatchObject(refused)
  })

  test('A8 go on while the provider is down, for a day, and it is not asked with every request', async () => {
    const token = await provider.sign({ exp: Math.floor(nowMs / 1000) + 3 * 24 * 3600 })
    await external.verify(token)
    provider.isDown = true
    nowMs += KEYS_MAX_AGE_MS
    for (let i = 0; i < 10; i += 1) expect(await external.verify(token)).toBeTruthy()
    expect(provider.asked).toBe(2)
    expect(warnings).toEqual(['identity_provider_unreachable'])
    nowMs += KEYS_COOLDOWN_MS
    await external.verify(token)
    expect(provider.asked).toBe(3)
    nowMs += KEYS_MAX_STALE_MS
    await expect(external.verify(token)).rejects.toMatchObject({ code: 'unavailable' })
    provider.isDown = false
    nowMs += KEYS_COOLDOWN_MS
    expect(await external.verify(token)).toBeTruthy()
  })

  test('A8 that were never had: it is not the fault of the token', async () => {
    provider.isDown = true
    const token = await provider.sign({})
    await expect(external.verify(token)).rejects.toMatchObject({ code: 'unavailable', status: 503 })
    await expect(external.verify(token)).rejects.toMatchObject({ code: 'unavailable' })
    expect(provider.asked).toBe(1)
    provider.isDown = false
    nowMs += 2_000
    expect(await external.verify(token)).toBeTruthy()
  })
})
