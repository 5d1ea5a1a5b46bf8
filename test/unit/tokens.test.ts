/**
 * Access tokens and tickets: only what we signed, for what we signed it, as long as it is valid. Every token that is
 * refused here was made with care by someone who knows how ours look.
 */
import { createHmac, generateKeyPairSync, sign as signRsa } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GUEST_TTL_S, Tokens } from '../../src/auth/tokens.ts'
import { TICKET_TTL_S } from '../../src/protocol/limits.ts'
import type { Principal } from '../../src/protocol/principal.ts'

const SECRET = 'k3Jx9vQm2LpT7wZr5YbN8cDf4GhS6aEu'
const GUEST: Principal = { userId: 'guest:1', name: 'Guest 1', role: 'guest', kind: 'guest' }
const tokens = new Tokens(() => Promise.resolve(SECRET))

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
const read = (part: string | undefined): Record<string, unknown> =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString()) as Record<string, unknown>

function hmac(hash: string, secret: string, header: object, payload: object): string {
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

/** The claims of a token of ours. */
async function claimsOf(audience: 'access' | 'ticket'): Promise<Record<string, unknown>> {
  const { token } = audience === 'access' ? await tokens.issueAccess(GUEST) : await tokens.issueTicket(GUEST)
  return read(token.split('.')[1])
}

async function expectRefused(token: string): Promise<void> {
  await expect(tokens.verifyAccess(token)).rejects.toMatchObject({ code: 'unauthorized', status: 401 })
  await expect(tokens.verifyTicket(token)).rejects.toMatchObject({ code: 'unauthorized', status: 401 })
}

describe('tokens', () => {
  test('an access token says who it was issued to', async () => {
    const { token, expiresIn } = await tokens.issueAccess(GUEST)
    expect(expiresIn).toBe(GUEST_TTL_S)
    expect(await tokens.verifyAccess(token)).toEqual(GUEST)
  })

  test('W1 a ticket says it too, with an id of its own and a life of 60 seconds', async () => {
    const [first, second] = [await tokens.issueTicket(GUEST), await tokens.issueTicket(GUEST)]
    const ticket = await tokens.verifyTicket(first.token)
    expect(ticket.principal).toEqual(GUEST)
    expect(first.expiresIn).toBe(TICKET_TTL_S)
    expect(ticket.expiresAt - Number(read(first.token.split('.')[1])['iat'])).toBe(60)
    expect((await tokens.verifyTicket(second.token)).id).not.toBe(ticket.id)
  })

  test('neither stands for the other', async () => {
    const [access, ticket] = [await tokens.issueAccess(GUEST), await tokens.issueTicket(GUEST)]
    await expect(tokens.verifyAccess(ticket.token)).rejects.toMatchObject({ code: 'unauthorized' })
    await expect(tokens.verifyTicket(access.token)).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test('an expired one is refused', async () => {
    const past = new Tokens(
      () => Promise.resolve(SECRET),
      () => Date.now() - (GUEST_TTL_S + 5) * 1_000,
    )
    await expectRefused((await past.issueAccess(GUEST)).token)
    await expectRefused((await past.issueTicket(GUEST)).token)
  })

  test('one without a signature is refused, however it spells "none"', async () => {
    const payload = await claimsOf('access')
    for (const alg of ['none', 'None', 'NONE', '', undefined]) {
      for (const signature of ['', 'x', encode({})]) {
        await expectRefused(`${encode({ alg, typ: 'JWT' })}.${encode(payload)}.${signature}`)
      }
    }
  })

  test('one signed with another secret is refused', async () => {
    const header = { alg: 'HS256', typ: 'JWT' }
    await expectRefused(hmac('sha256', 'another secret of a good length', header, await claimsOf('access')))
  })

  test('one signed with our secret under another algorithm is refused', async () => {
    const payload = await claimsOf('access')
    for (const [alg, hash] of [
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
      ['HS256', 'sha512'],
      ['HS512', 'sha256'],
    ] as const) {
      await expectRefused(hmac(hash, SECRET, { alg, typ: 'JWT' }, payload))
    }
  })

  test('one signed with a key of its own choice is refused', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const header = { alg: 'RS256', typ: 'JWT', jwk: publicKey.export({ format: 'jwk' }) }
    const signed = `${encode(header)}.${encode(await claimsOf('access'))}`
    const signature = signRsa('sha256', Buffer.from(signed), privateKey).toString('base64url')
    await expectRefused(`${signed}.${signature}`)
  })

  test('one whose claims were changed after signing is refused', async () => {
    const { token } = await tokens.issueAccess(GUEST)
    const [header, , signature] = token.split('.')
    const payload = { ...(await claimsOf('access')), sub: 'guest:2', role: 'admin' }
    await expectRefused(`${header}.${encode(payload)}.${signature}`)
  })

  test('one of ours that lacks a claim, or has a strange one, is refused', async () => {
    const header = { alg: 'HS256', typ: 'JWT' }
    const payload = await claimsOf('access')
    for (const name of ['iss', 'aud', 'sub', 'name', 'role', 'kind', 'jti', 'exp']) {
      await expectRefused(hmac('sha256', SECRET, header, { ...payload, [name]: undefined }))
    }
    const strange = [
      { iss: 'elsewhere' },
      { aud: 'other' },
      { role: 'root' },
      { sub: '' },
      { sub: 5 },
      { exp: 'never' },
      { exp: 1 },
      { nbf: Math.floor(Date.now() / 1_000) + 3_600 },
    ]
    for (const claim of strange) await expectRefused(hmac('sha256', SECRET, header, { ...payload, ...claim }))
  })

  test('whatever else stands in its place is refused', async () => {
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

  test('without its secret nothing is issued or accepted', async () => {
    const broken = new Tokens(() => Promise.reject(new Error('no database')))
    await expect(broken.issueAccess(GUEST)).rejects.toThrow('no database')
    await expect(broken.verifyAccess((await tokens.issueAccess(GUEST)).token)).rejects.toThrow('no database')
  })
})
