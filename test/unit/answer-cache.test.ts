/**
 * Which requests may have an answer of before, and that a key is one question of one person (or everyone), no more and no
 * less.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Agent } from '../../src/agents/registry.ts'
import { cacheKey, isCacheable } from '../../src/conversation/answer-cache.ts'
import type { ModelMessage } from '../../src/models/model.ts'

const agent = (rest: Partial<Agent> = {}): Agent => ({
  id: 'faq',
  version: 1,
  instructions: 'Be brief.',
  instructionTokens: 3,
  model: null,
  cache: { ttlMs: 60_000, isPublic: false },
  ...rest,
})
const asked = (question: string, instructions = 'Be brief.'): ModelMessage[] => [
  { role: 'system', content: instructions },
  { role: 'user', content: question },
]
const keyOf = (question: string): Promise<string> => cacheKey(agent(), 'm', asked(question), 'u1')

describe('which answers are kept', () => {
  test.each<[string, Agent, ModelMessage[], boolean]>([
    ['the first question to a cacheable agent', agent(), asked('Hi'), true],
    ['to an agent that is not', agent({ cache: null }), asked('Hi'), false],
    [
      'a later question',
      agent(),
      [...asked('Hi'), { role: 'assistant', content: 'Hello' }, { role: 'user', content: 'And?' }],
      false,
    ],
    ['two questions in a row', agent(), [...asked('Hi'), { role: 'user', content: 'Hi?' }], false],
    ['none at all', agent(), asked('Hi').slice(0, 1), false],
  ])('%s', (_, of, messages, may) => {
    expect(isCacheable(of, messages)).toBe(may)
  })
})

describe('the key of an answer', () => {
  test('differs whenever anything differs that the answer depends on, or whose it is', async () => {
    const word = fc.constantFrom('a', 'b', 'a ', 'A', 'a","b', '["a"]', 'of:a', 'public')
    const request = fc.record({
      id: word,
      version: fc.nat(3),
      isPublic: fc.boolean(),
      model: word,
      instructions: word,
      question: word,
      owner: word,
    })
    type Request = typeof request extends fc.Arbitrary<infer T> ? T : never
    const key = (r: Request): Promise<string> =>
      cacheKey(
        agent({ id: r.id, version: r.version, cache: { ttlMs: 1, isPublic: r.isPublic } }),
        r.model,
        asked(r.question, r.instructions),
        r.owner,
      )
    /** What is to count, written down again. */
    const meaning = (r: Request): string =>
      JSON.stringify([
        r.isPublic || ['owner', r.owner],
        r.id,
        r.version,
        r.model,
        r.instructions.trim(),
        r.question.trim(),
      ])
    await fc.assert(
      fc.asyncProperty(request, request, async (one, other) => {
        expect((await key(one)) === (await key(other))).toBe(meaning(one) === meaning(other))
      }),
      { numRuns: 500 },
    )
  })

  test.each([
    ['white space around', 'What is it?', '  What is it?\n'],
    ['how lines end', 'one\ntwo', 'one\r\ntwo'],
    ['white space at the end of lines', 'one\ntwo', 'one \t\ntwo'],
    ['how accents are composed', 'caf\u00e9', 'cafe\u0301'],
  ])('does not differ by %s', async (_, one, other) => {
    expect(await keyOf(one)).toBe(await keyOf(other))
  })

  test.each([
    ['exponents', 'x²?', 'x2?'],
    ['indentation', 'if a:\n  b\nc', 'if a:\n  b\n  c'],
    ['empty lines', 'a\n\nb', 'a\nb'],
    ['case', 'US?', 'us?'],
  ])('differs by %s', async (_, one, other) => {
    expect(await keyOf(one)).not.toBe(await keyOf(other))
  })

  test('says nothing of what it is made of', async () => {
    expect(await keyOf('secret')).toMatch(/^[\da-f]{64}$/)
  })
})
