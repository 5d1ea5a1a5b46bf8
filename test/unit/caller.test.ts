/**
 * From where a request comes, as far as it is kept: networks instead of addresses, and one clean line of what the device
 * says of itself.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_AGENT_CHARS, agentOf, networkOf } from '../../src/http/caller.ts'

describe('an address', () => {
  test.each([
    ['203.0.113.77', '203.0.113.0/24'],
    ['::ffff:203.0.113.77', '203.0.113.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:DB8::1', '2001:db8:0::/48'],
    ['::1', '0:0:0::/48'],
    ['2001:db8:0:0:1::', '2001:db8:0::/48'],
    ['1:2:3:4:5:6:7:8', '1:2:3::/48'],
  ])('%s is kept as %s', (address, network) => expect(networkOf(address)).toBe(network))

  test.each([
    '',
    'localhost',
    '300.1.1.1',
    '1.2.3',
    '1.2.3.4.5',
    ':',
    '1::2::3',
    '::1]/x',
    '1.2.3.4\r\nx: y',
  ])('that is none is not kept: %j', (address) => expect(networkOf(address)).toBeNull())

  test('does not tell where in its network somebody is', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.ipV6(), (a, b) => {
        const groups = (text: string) => new URL(`http://[${text}]`).hostname
        const network = networkOf(a)
        expect(
          network === null || /^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){2}::\/48$|^\d+\.\d+\.\d+\.0\/24$/.test(network),
        ).toBe(true)
        if (groups(a) === groups(b)) expect(networkOf(b)).toBe(network)
      }),
    )
  })
})

describe('an agent', () => {
  test('is one line without control characters', () => {
    expect(agentOf('Mozilla/5.0\r\n{"level":"error"}\u0000\u2028x\u202Ey')).toBe(
      'Mozilla/5.0 {"level":"error"} x y',
    )
    expect(agentOf(' \u007F ')).toBeNull()
    expect(agentOf('')).toBeNull()
  })

  test('is short and whole, whatever was sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const agent = agentOf(text) ?? ''
        expect(agent.length).toBeLessThanOrEqual(MAX_AGENT_CHARS)
        expect(agent.isWellFormed()).toBe(true)
        expect(agent).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})
