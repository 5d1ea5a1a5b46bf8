/**
 * The draft of a post-mortem: word for word for one incident, and harmless for names and texts that try to be more than
 * text wherever Markdown is shown.
 */
import fc from 'fast-check'
import { marked, type Token } from 'marked'
import { describe, expect, test } from 'vitest'
import { foreign, postMortem, type PostMortemFacts } from '../../src/incidents/post-mortem.ts'
import { FIRST_TOKEN_BOUNDS_MS } from '../../src/incidents/observation.ts'
import { MINUTE, START } from '../support/incident-world.ts'

const at = (minutes: number): string => new Date(START + minutes * MINUTE).toISOString()
const sums = (calls: number, failures: number, micros = 0) => ({
  calls,
  failures,
  micros,
  firstToken: FIRST_TOKEN_BOUNDS_MS.map((bound) => (bound === 200 ? calls - failures : 0)).concat(0),
})

const FACTS: PostMortemFacts = {
  incident: {
    id: 'i7',
    rule: 'error_rate',
    kind: 'error_rate',
    subject: 'openai',
    severity: 'critical',
    title: 'Many calls fail: openai',
    state: 'resolved',
    level: 2,
    openedAt: at(1),
    acknowledgedAt: at(12),
    acknowledgedBy: 'user:ada',
    resolvedAt: at(66),
    resolvedBy: null,
    reopened: 1,
    value: 0,
    summary: '0 % of 40 calls failed within 5 min',
    peak: { value: 75, at: at(3), summary: '75 % of 80 calls failed within 5 min' },
    timeline: [
      { at: at(0.5), kind: 'breaker_opened', text: 'openai/gpt', by: null },
      { at: at(1), kind: 'opened', text: '50 % of 40 calls failed within 5 min', by: null },
      { at: at(11), kind: 'escalated', text: 'level 2: not acknowledged for 10 min', by: null },
      { at: at(12), kind: 'acknowledged', text: 'somebody looks after it', by: 'user:ada' },
      { at: at(13), kind: 'note', text: 'their status page\nis *red*', by: 'user:ada' },
      { at: at(66), kind: 'resolved', text: 'by itself: 0 % of 40 calls failed within 5 min', by: null },
    ],
  },
  now: START + 100 * MINUTE,
  minutes: [
    { at: START, sums: sums(40, 0, 1_000_000) },
    { at: START + MINUTE, sums: sums(40, 20, 500_000) },
    { at: START + 2 * MINUTE, sums: sums(40, 40) },
  ],
  providers: [
    { name: 'openai', sums: sums(80, 60, 500_000) },
    { name: 'backup', sums: sums(30, 1, 250_000) },
  ],
  isCut: false,
  errors: [
    { key: 'server:500', count: 60, kind: 'server', detail: 'HTTP 500', firstSeen: at(0), lastSeen: at(2) },
  ],
  routes: [
    { key: 'POST /api/chat', count: 50, kind: null, detail: null, firstSeen: at(0), lastSeen: at(2) },
    { key: null, count: 10, kind: null, detail: null, firstSeen: at(0), lastSeen: at(2) },
  ],
}

test('N11 says what is known and leaves blank what only people know', () => {
  expect(postMortem(FACTS)).toBe(`# Post-mortem: Many calls fail\\: openai (i7)

A draft, written from what was recorded. What only people know is left blank.

## Summary

- **Severity:** critical, escalated to level 2
- **Rule:** error\\_rate, about openai
- **Opened:** 2026-11-20 10:01:00
- **Over:** 2026-11-20 11:06:00, by itself
- **Duration:** 1 h 5 min, in which it seemed over 1 time
- **Acknowledged by:** user\\:ada at 2026-11-20 10:12:00
- **At its worst:** 75 % of 80 calls failed within 5 min (2026-11-20 10:03:00)
- **Impact:** 60 of 80 calls failed (75 %)
- **Providers called meanwhile:** openai, backup
- **Cost of calls meanwhile:** 0.75 USD

## Timeline

Times are UTC.

- 2026-11-20 10:00:30 **Breaker opened:** openai/gpt
- 2026-11-20 10:01:00 **Opened:** 50 % of 40 calls failed within 5 min
- 2026-11-20 10:11:00 **Escalated:** level 2\\: not acknowledged for 10 min
- 2026-11-20 10:12:00 **Acknowledged:** somebody looks after it (user\\:ada)
- 2026-11-20 10:13:00 **Note:** their status page is \\*red\\* (user\\:ada)
- 2026-11-20 11:06:00 **Resolved:** by itself\\: 0 % of 40 calls failed within 5 min

## Numbers

| minute (UTC) | calls | failed | share | p95 first token | cost |
|---|--:|--:|--:|--:|--:|
| 2026-11-20 10:00:00 | 40 | 0 | 0 % | 195 ms | 1.00 USD |
| 2026-11-20 10:01:00 | 40 | 20 | 50 % | 195 ms | 0.50 USD |
| 2026-11-20 10:02:00 | 40 | 40 | 100 % | – | 0.00 USD |

## Most frequent errors

| errors | fingerprint | class | last seen (UTC) | what it says |
|--:|---|---|---|---|
| 60 | server\\:500 | server | 2026-11-20 10:02:00 | HTTP 500 |

By route: POST /api/chat (50), none (10).

## What helped

- backup answered 29 of 30 calls meanwhile.
- openai/gpt was kept from calls by its breaker at 2026-11-20 10:00:30.
- _To be written._

## Causes

_To be written._

## Actions

- [ ] _To be written: what, who, by when._
`)
})

test('N11 of an incident that lasts, and whose counts are gone, says so', () => {
  const incident = { ...FACTS.incident, resolvedAt: null, acknowledgedAt: null, acknowledgedBy: null }
  const text = postMortem({ ...FACTS, incident, minutes: [], providers: [], errors: [], routes: [] })
  expect(text).toContain('**Over:** it is not over yet')
  expect(text).toContain('**Acknowledged by:** nobody')
  expect(text).toContain('no calls were counted, or the counts are older than is kept')
  expect(text).toContain('Nothing was counted.')
})

test('N11 of a long incident has a table that can be read', () => {
  const minutes = Array.from({ length: 1_440 }, (_, i) => ({ at: START + i * MINUTE, sums: sums(10, 1) }))
  const text = postMortem({ ...FACTS, minutes })
  expect(text.split('\n').filter((line) => line.endsWith('USD |'))).toHaveLength(120)
  expect(text).toContain('| 2026-11-20 10:00:00 | 120 | 12 | 10 % |')
})

describe('N11 text of others', () => {
  const kinds = (text: string): Set<string> => {
    const found = new Set<string>()
    void marked.walkTokens(marked.lexer(text), (token: Token) => void found.add(token.type))
    return found
  }
  const HOSTILE = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '[click](javascript:alert(1))',
    '![x](https://evil.example/?q=1)',
    'https://evil.example www.evil.example a@evil.example',
    '| a | b |\n|---|---|\n# Heading',
    '`code` **bold** ~~gone~~ <!-- comment',
    '\u202eright to left\u0000\u001b[31m',
    '\\[x](y)',
    '&lt;b&gt; &#60;i&#62;',
  ]

  test.each(HOSTILE)('stays text: %j', (text) => {
    const hostile: PostMortemFacts = {
      ...FACTS,
      incident: {
        ...FACTS.incident,
        title: text,
        acknowledgedBy: text,
        timeline: [{ at: at(0), kind: 'note', text, by: text }],
      },
      providers: [{ name: text, sums: sums(1, 0) }],
      errors: FACTS.errors.map((row) => ({ ...row, key: text, kind: text, detail: text })),
      routes: FACTS.routes.map((row) => ({ ...row, key: text })),
    }
    const plain = kinds(postMortem(FACTS))
    expect([...kinds(postMortem(hostile))].filter((type) => !plain.has(type))).toEqual([])
    expect(postMortem(hostile).split('\n').length).toBe(
      postMortem({ ...hostile, errors: FACTS.errors, routes: FACTS.routes }).split('\n').length,
    )
  })

  const letter = fc.oneof(
    fc.constantFrom('\\', '`', '*', '_', '[', ']', '(', ')', '{', '}', '#', '!', '|', '~', '<', '>', '&'),
    fc.constantFrom(
      ':',
      '@',
      '/',
      '.',
      '-',
      '+',
      '"',
      '\n',
      '\r',
      '\t',
      ' ',
      'www.',
      'http://',
      '\u2028',
      '\u202e',
    ),
    fc.nat(0xffff).map((code) => String.fromCharCode(code)),
  )

  test('is only text and escapes, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: letter, maxLength: 60 }), (text) => {
        const safe = foreign(text)
        expect(safe).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}<>]|(?<!\\)(?:\\\\)*[`*_[\]()|]/u)
        const found = kinds(`- **Note:** ${safe}`)
        for (const type of ['html', 'link', 'image', 'codespan', 'heading', 'del'])
          expect(found).not.toContain(type)
      }),
      { numRuns: 200 },
    )
  })
})
