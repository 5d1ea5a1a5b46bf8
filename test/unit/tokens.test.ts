/**
 * Access tokens and tickets: only what we signed, for what we signed it, as long as it is valid. Every token that is
 * refused here was made with care by someone who knows how ours look.
 */
import { createHmac, generateKeyPairSync, sign as signRsa } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ACCESS_TTL_S, CLOCK_LEEWAY_S, GUEST_TTL_S, kidOf, Tokens } from '../../src/auth/tokens.ts'
import { TICKET_TTL_S } from '../../src/protocol/limits.ts'
import type { Principal } from '../../src/protocol/principal.ts'

const SECRET = 'k3Jx9vQm2LpT7wZr5YbN8cDf4GhS6aEu'
const NEXT_SECRET = 'Zq8Wn3Rt6Yb1Vc5Xm9Lk2Jh7Gf4Ds0Pa'
const GUEST: Principal = { userId: 'guest:1', name: 'Guest 1', role: 'guest', kind: 'guest' }
const ADMIN: Principal = {
  userId: 'user:1',
  name: 'Ada',
  role: 'admin',
  kind: 'user',
  plan: 'pro',
  sessionId: 'session-1',
}
const START_MS = 1_800_000_000_000
const START_S = START_MS / 1_000

const having = (...secrets: string[]) =>
  new Tokens(
    () => Promise.resolve(secrets),
    () => START_MS,
  )
/** As seen this many seconds later. */
const later = (seconds: number) =>
  new Tokens(
    () => Promise.resolve([SECRET]),
    () => START_MS + seconds * 1_000,
  )
const tokens = having(SECRET)

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
const read = (part: string | undefined): Record<string, unknown> =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString()) as Record<string, unknown>

function hmac(hash: string, secret: string, header: object, payload: object): string {
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

type Audience = 'access' | 'ticket'
const TYPE = { access: 'at+jwt', ticket: 'ticket+jwt' } as const
const AUDIENCES: readonly Audience[] = ['access', 'ticket']

/** The claims of a token of ours. */
async function claimsOf(audience: Audience): Promise<Record<string, unknown>> {
  const { token } = audience === 'access' ? await tokens.issueAccess(GUEST) : await tokens.issueTicket(GUEST)
  return read(token.split('.')[1])
}

const headerOf = async (audience: Audience) => ({
  alg: 'HS256',
  typ: TYPE[audience],
  kid: await kidOf(SECRET),
})

async function expectRefused(token: string, by = tokens): Promise<void> {
  await expect(by.verifyAccess(token)).rejects.toMatchObject({ code: 'unauthorized', status: 401 })
  await expect(by.verifyTicket(token)).rejects.toMatchObject({ code: 'unauthorized', status: 401 })
}

describe('tokens', () => {
  test('A1 an access token says who it was issued to, and when', async () => {
    const { token, expiresIn } = await tokens.issueAccess(ADMIN)
    expect(expiresIn).toBe(ACCESS_TTL_S)
    const times = { issuedAt: START_S, expiresAt: START_S + ACCESS_TTL_S }
    expect(await tokens.verifyAccess(token)).toEqual({ ...ADMIN, ...times })
    expect(read(token.split('.')[0])).toEqual({ alg: 'HS256', typ: 'at+jwt', kid: await kidOf(SECRET) })
    expect(Object.keys(read(token.split('.')[1])).toSorted()).toEqual(
      ['iss', 'aud', 'sub', 'iat', 'exp', 'jti', 'role', 'name', 'kind', 'plan', 'sid'].toSorted(),
    )
  })

  test("A1 a guest's lives for 30 days", async () => {
    expect((await tokens.issueAccess(GUEST)).expiresIn).toBe(GUEST_TTL_S)
  })

  test('W1 a ticket carries the whole principal and the end of its access token, and lives for 60 seconds', async () => {
    const whole: Principal = { ...ADMIN, scopes: ['chat'], issuedAt: START_S - 100, expiresAt: START_S + 800 }
    const [first, second] = [await tokens.issueTicket(whole), await tokens.issueTicket(whole)]
    const ticket = await tokens.verifyTicket(first.token)
    expect(ticket.principal).toEqual(whole)
    expect(first.expiresIn).toBe(TICKET_TTL_S)
    expect(ticket.expiresAt).toBe(START_S + TICKET_TTL_S)
    expect((await tokens.verifyTicket(second.token)).id).not.toBe(ticket.id)
  })

  test('A1 neither stands for the other, not even with the type of the other', async () => {
    const [access, ticket] = [await tokens.issueAccess(GUEST), await tokens.issueTicket(GUEST)]
    await expect(tokens.verifyAccess(ticket.token)).rejects.toMatchObject({ code: 'unauthorized' })
    await expect(tokens.verifyTicket(access.token)).rejects.toMatchObject({ code: 'unauthorized' })
    await expectRefused(hmac('sha256', SECRET, await headerOf('access'), await claimsOf('ticket')))
    await expectRefused(hmac('sha256', SECRET, await headerOf('ticket'), await claimsOf('access')))
  })

  test('A1 is refused from its end on, whatever the leeway', async () => {
    const { token } = await tokens.issueAccess(ADMIN)
    const ticket = await tokens.issueTicket(ADMIN)
    expect(await later(ACCESS_TTL_S - 1).verifyAccess(token)).toMatchObject({ userId: 'user:1' })
    await expectRefused(token, later(ACCESS_TTL_S))
    expect(await later(TICKET_TTL_S - 1).verifyTicket(ticket.token)).toMatchObject({ id: expect.any(String) })
    await expectRefused(ticket.token, later(TICKET_TTL_S))
  })

  test('A1 is refused before its time, but for what clocks may differ', async () => {
    const { token } = await tokens.issueAccess(ADMIN)
    expect(await later(-CLOCK_LEEWAY_S).verifyAccess(token)).toMatchObject({ userId: 'user:1' })
    await expectRefused(token, later(-CLOCK_LEEWAY_S - 1))
    const header = await headerOf('access')
    const payload = await claimsOf('access')
    await expectRefused(hmac('sha256', SECRET, header, { ...payload, nbf: START_S + 60 }))
    await expectRefused(hmac('sha256', SECRET, header, { ...payload, iat: START_S + 60 }))
  })

  test('A1 one that says it lives longer than any of ours is refused when ours would have ended', async () => {
    const forever = { ...(await claimsOf('access')), exp: START_S * 2 }
    const token = hmac('sha256', SECRET, await headerOf('access'), forever)
    await expectRefused(token, later(GUEST_TTL_S + CLOCK_LEEWAY_S + 1))
  })
})

describe('the keys', () => {
  test('A2 the new one signs, the old one verifies, and what is older is refused', async () => {
    const { token } = await tokens.issueAccess(GUEST)
    const rotated = having(NEXT_SECRET, SECRET)
    expect(await rotated.verifyAccess(token)).toMatchObject({ userId: 'guest:1' })
    const fresh = await rotated.issueAccess(GUEST)
    expect(read(fresh.token.split('.')[0])['kid']).toBe(await kidOf(NEXT_SECRET))
    expect(await having(NEXT_SECRET).verifyAccess(fresh.token)).toMatchObject({ userId: 'guest:1' })
    await expectRefused(token, having(NEXT_SECRET))
    await expectRefused(fresh.token, tokens)
  })

  test('A2 a token of before there were several is verified with the current key, and by its type of then', async () => {
    const payload = await claimsOf('access')
    const old = hmac('sha256', SECRET, { alg: 'HS256', typ: 'JWT' }, payload)
    expect(await tokens.verifyAccess(old)).toMatchObject({ userId: 'guest:1' })
    await expectRefused(hmac('sha256', SECRET, { alg: 'HS256' }, payload))
    await expectRefused(old, having(NEXT_SECRET, SECRET))
  })

  test('A2 a kid is a name in a map: paths, queries and prototypes lead nowhere', async () => {
    const payload = await claimsOf('access')
    const kids = [
      '../../dev/null',
      '/dev/null',
      "' UNION SELECT 'secret' --",
      'http://attacker.example/key',
      '__proto__',
      'constructor',
      'toString',
      '',
      (await kidOf(SECRET)).toLowerCase() + ' ',
      ['a'],
      { toString: 'x' },
      0,
      null,
    ]
    for (const kid of kids) {
      for (const secret of ['', SECRET, 'undefined', 'null']) {
        const header = { alg: 'HS256', typ: 'at+jwt', kid }
        await expectRefused(hmac('sha256', secret === '' ? '\0' : secret, header, payload))
      }
    }
  })

  test('A2 without a secret nothing is issued or accepted', async () => {
    const broken = new Tokens(() => Promise.reject(new Error('no database')))
    await expect(broken.issueAccess(GUEST)).rejects.toThrow('no database')
    await expect(broken.verifyAccess((await tokens.issueAccess(GUEST)).token)).rejects.toThrow('no database')
    await expect(having().issueAccess(GUEST)).rejects.toMatchObject({ code: 'misconfigured' })
  })
})

describe('a forged token', () => {
  test('A1 without a signature is refused, however it spells "none"', async () => {
    const payload = await claimsOf('access')
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', undefined, null, ['HS256']]) {
      for (const signature of ['', 'x', encode({})]) {
        const header = { ...(await headerOf('access')), alg }
        await expectRefused(`${encode(header)}.${encode(payload)}.${signature}`)
      }
    }
  })

  test('A1 signed with another secret is refused', async () => {
    for (const audience of AUDIENCES) {
      const payload = await claimsOf(audience)
      await expectRefused(
        hmac('sha256', 'another secret of a good length', await headerOf(audience), payload),
      )
    }
  })

  test('A1 signed with our secret under another algorithm is refused', async () => {
    const payload = await claimsOf('access')
    for (const [alg, hash] of [
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
      ['HS256', 'sha512'],
      ['HS512', 'sha256'],
    ] as const) {
      await expectRefused(hmac(hash, SECRET, { ...(await headerOf('access')), alg }, payload))
    }
  })

  test('A1 signed with a key of its own choice is refused', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const jwk = publicKey.export({ format: 'jwk' })
    const header = { ...(await headerOf('access')), alg: 'RS256', jwk, jku: 'http://attacker.example/jwks' }
    const signed = `${encode(header)}.${encode(await claimsOf('access'))}`
    const signature = signRsa('sha256', Buffer.from(signed), privateKey).toString('base64url')
    await expectRefused(`${signed}.${signature}`)
  })

  test('A1 whose claims were changed after signing is refused', async () => {
    const { token } = await tokens.issueAccess(GUEST)
    const [header, , signature] = token.split('.')
    const payload = { ...(await claimsOf('access')), sub: 'guest:2', role: 'admin' }
    await expectRefused(`${header}.${encode(payload)}.${signature}`)
  })

  test('A1 that lacks a claim, or has a strange one, is refused', async () => {
    for (const audience of AUDIENCES) {
      const header = await headerOf(audience)
      const payload = await claimsOf(audience)
      for (const name of ['iss', 'aud', 'sub', 'name', 'role', 'kind', 'jti', 'exp', 'iat']) {
        await expectRefused(hmac('sha256', SECRET, header, { ...payload, [name]: undefined }))
      }
      const strange = [
        { iss: 'elsewhere' },
        { aud: 'other' },
        { role: 'root' },
        { kind: 'god' },
        { sub: '' },
        { sub: 5 },
        { plan: 7 },
        { exp: 'never' },
        { exp: 1 },
        { iat: 'now' },
      ]
      for (const claim of strange)
        await expectRefused(hmac('sha256', SECRET, header, { ...payload, ...claim }))
    }
  })

  test('A1 is refused, whatever it is', async () => {
    const { token } = await tokens.issueAccess(GUEST)
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.nat(token.length - 1), async (text, at) => {
        await expectRefused(text)
        // The last character of a signature holds bits that mean nothing: only a changed one counts.
        if (at < token.length - 1) {
          const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
          await expectRefused(changed)
        }
      }),
      { numRuns: 60 },
    )
  })
})
