/**
 * The check of the logs finds each kind of thing that must not be there, in the lines that a leak would make, says nothing
 * of a clean log, and takes a log without a line for a failure. The logs here are made up.
 */
import { describe, expect, test } from 'vitest'
import { complaintOf, leaksIn, linesOfWorker } from '../support/log-check.ts'
import {
  COMMON_PASSWORD,
  MESSAGE_MARK,
  PASSWORD_MARK,
  SECRET_MARK,
  TITLE_MARK,
} from '../support/private-marks.ts'

const line = (details: object): string =>
  JSON.stringify({ level: 'info', event: 'request', time: '2026-11-22T21:00:00.000Z', ...details })

const CLEAN = [
  line({
    requestId: '6a1f9d0e-3f0c-4f0e-9c1d-2b1f0a9e8d7c',
    method: 'GET',
    path: '/api/shares/[redacted]',
    status: 404,
    ms: 3,
    userId: 'oidc:0123456789abcdef0123456789abcdef',
  }),
  line({
    level: 'error',
    event: 'turn_ending_failed',
    error: 'disk is full: SQLITE_CONSTRAINT_TRIGGER',
    stack:
      'Error: disk is full\n    at run (/home/me/parley/node_modules/@cloudflare/vitest-pool-workers/dist/a.mjs:10:2)\n    at Object.fetch [as fetch] one two six ten',
    cause: 'not an error',
  }),
  '[wrangler:info] GET /api/conversations 200 OK (5ms)',
  '[wrangler:info] GET /api/shares/shr_5eaf00d5eaf00d 200 OK (5ms)',
  '',
].join('\n')

const SECRET = 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE='
const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyOjEifQ.c2lnbmF0dXJl'

describe('a leak is found', () => {
  test.each([
    ['a token or ticket', { path: `/api/conversations/1/ws?ticket=${TOKEN}` }],
    ['a token or ticket', { error: `cut off: ${TOKEN.slice(0, 20)}` }],
    ['a bearer credential', { headers: { authorization: 'Bearer opaque-credential' } }],
    ['a refresh token', { refreshToken: 'rt_5eaf00d5eaf00d' }],
    ['a service key', { error: 'unknown key pk_5eaf00d5eaf00d_xyz' }],
    ['an invite', { token: 'inv_5eaf00d5eaf00d' }],
    ['a share link', { path: '/api/shares/shr_5eaf00d5eaf00d' }],
    ['a key of a provider', { error: 'key sk-secret-of-the-provider is wrong' }],
    ['a made secret', { value: SECRET }],
    ['a configured secret', { error: `no such model for ${SECRET_MARK}-hunter2` }],
    ['a password hash', { params: '$scrypt$ln=14,r=8,p=5$c2FsdA$aGFzaA' }],
    ['a password', { body: { [`correct ${PASSWORD_MARK}`]: 1 } }],
    ['a password', { error: `"${COMMON_PASSWORD.toUpperCase()}" is too common` }],
    ['a message', { error: `Failed query: insert into messages\nparams: m1,${MESSAGE_MARK} 1` }],
    ['a message', { error: 'Failed query: params: once [[gate=p2 tokens=20]]' }],
    ['a message', { content: 'Tell me [[drop]]' }],
    ['an answer', { text: 'abc def ghi jkl mno pqr stu vwx ' }],
    ['a title', { title: TITLE_MARK }],
    ['a title', { error: `no room for {"title":"${TITLE_MARK}"}` }],
    ['an email address', { error: 'UNIQUE failed: u1@corp.example' }],
  ])('%s: %j', (kind, details) => {
    const log = `${CLEAN}${line(details)}\n`
    expect(leaksIn(log).map((leak) => ({ kind: leak.kind, line: leak.line }))).toEqual([{ kind, line: 5 }])
    expect(complaintOf(log, true)).toContain(`line 5, ${kind}: {"level":"info"`)
    // Wherever it is printed, not only in lines of the logger.
    expect(
      leaksIn(
        `    at ${Object.values(details)
          .map((value) => JSON.stringify(value))
          .join()}`,
      ),
    ).toHaveLength(1)
  })
})

describe('a log', () => {
  test('in which nothing private stands is fine', () => {
    expect(leaksIn(CLEAN)).toEqual([])
    expect(complaintOf(CLEAN, true)).toBeNull()
    expect(linesOfWorker(CLEAN)).toBe(2)
  })

  test.each([
    ['that is empty', ''],
    [
      'with lines of others only',
      '[wrangler:info] Ready on http://localhost:8787\n{"served":true}\n{broken\n',
    ],
  ])('%s is a failure of a whole run, and of no part of one', (_, log) => {
    expect(complaintOf(log, true)).toMatch(/No line of the Worker was read/)
    expect(complaintOf(log, false)).toBeNull()
  })

  test('is shown in part when much is wrong with it', () => {
    const complaint = complaintOf(
      `${line({ title: TITLE_MARK, text: 'x'.repeat(5_000) })}\n`.repeat(500),
      true,
    )
    expect(complaint).toMatch(/^500 times/)
    expect(complaint?.length).toBeLessThan(20_000)
  })
})

test.each([
  '[wrangler:info] GET /api/conversations/shr_5eaf00d5eaf00d 404 Not Found (5ms)',
  '[wrangler:info] GET /s/shr_5eaf00d5eaf00d 200 OK (5ms) shr_5eaf00d5eaf00d',
  '[wrangler:error] GET /s/shr_5eaf00d5eaf00d 500 Internal Server Error (5ms)',
  line({ path: '/api/shares/shr_5eaf00d5eaf00d' }),
])('a share link is a leak wherever wrangler does not have to say it: %s', (text) => {
  expect(leaksIn(text)).toMatchObject([{ kind: 'a share link', line: 1 }])
})
