/**
 * The secrets of an installation stay out of its log, also those that look like nothing, from the first line on; and so does
 * what people say, also when it cannot be written.
 */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { leaksIn } from '../support/log-check.ts'
import { askWith, problemFrom } from './http-checks.ts'
import { newConversation } from './started-conversation.ts'
import { Account, login, newEmail, PASSWORD, send } from './worker-account.ts'
import { message, stubOf, unique } from './worker-guest.ts'

afterEach(() => void vi.restoreAllMocks())

test.each([
  ['of a request', {}],
  ['of one that fails because a variable is wrong', { MAX_QUEUED_TURNS: 'many' }],
])('a line %s does not hold the key of the model', async (_, variables) => {
  const lines: string[] = []
  for (const level of ['info', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation((line: string) => void lines.push(line))
  }
  await askWith({ OPENAI_API_KEY: 'AIza-hunter2-hunter2', ...variables }, '/api/at/AIza-hunter2-hunter2')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('/api/at/[redacted]')
  expect(lines[0]).not.toContain('hunter2')
})

test.each(['messages', 'turns', 'events', 'chunks'])(
  'a line about a row that cannot be written does not hold its text: %s',
  async (table) => {
    const lines: string[] = []
    for (const level of ['info', 'warn', 'error'] as const) {
      vi.spyOn(console, level).mockImplementation((line: string) => void lines.push(line))
    }
    const { guest, id } = await newConversation('A title')
    await runInDurableObject(stubOf(id), (_, { storage }) => {
      storage.sql.exec(
        `CREATE TRIGGER full BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END`,
      )
    })
    const socket = await guest.join(id)
    const content = message(unique(), 'tokens=2000 delay=1')
    const response = await guest.request('POST', '/api/chat', { conversationId: id, message: content })
    await problemFrom(response, 500, 'internal')
    socket.send({ type: 'stream_chat', id: 'c1', content })
    await socket.until((frames) => frames.some(({ type }) => type === 'error' || type === 'stream_failed'))
    const told = lines.join('\n')
    expect(told).toContain('disk is full')
    expect(leaksIn(told)).toEqual([])
  },
)

test.each(['users', 'sessions', 'refresh_tokens', 'service_keys'])(
  'a line about a row of D1 that cannot be written does not hold what was in it: %s',
  async (table) => {
    const ada = await Account.register()
    const lines: string[] = []
    vi.spyOn(console, 'error').mockImplementation((line: string) => void lines.push(line))
    const trigger = `CREATE TRIGGER full BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END`
    await env.DB.prepare(trigger).run()
    try {
      const body = { email: newEmail(), password: PASSWORD, name: 'Grace' }
      const response = await (table === 'users'
        ? send('POST', '/api/auth/register', { body })
        : table === 'service_keys'
          ? ada.request('POST', '/api/keys', { name: 'Grace', scopes: ['read'] })
          : login(ada.email, PASSWORD))
      await problemFrom(response, 500, 'internal')
    } finally {
      await env.DB.prepare('DROP TRIGGER full').run()
    }
    expect(lines.join()).toMatch(/request_failed.*disk is full/)
    expect(leaksIn(lines.join('\n'))).toEqual([])
    expect(lines.join()).not.toContain('Grace')
  },
)

test('neither does one about a row that cannot be changed or read', async () => {
  const ada = await Account.register()
  const lines: string[] = []
  vi.spyOn(console, 'error').mockImplementation((line: string) => void lines.push(line))
  await env.DB.prepare(
    "CREATE TRIGGER full BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'disk is full'); END",
  ).run()
  const change = { currentPassword: PASSWORD, newPassword: 'another horse battery' }
  try {
    await problemFrom(await ada.request('POST', '/api/auth/password', change), 500, 'internal')
    await problemFrom(await ada.request('PATCH', '/api/me', { name: 'Grace' }), 500, 'internal')
  } finally {
    await env.DB.prepare('DROP TRIGGER full').run()
  }
  await env.DB.prepare('ALTER TABLE users RENAME TO elsewhere').run()
  try {
    await problemFrom(await login(ada.email, PASSWORD), 500, 'internal')
  } finally {
    await env.DB.prepare('ALTER TABLE elsewhere RENAME TO users').run()
  }
  expect(lines).toHaveLength(3)
  for (const line of lines) expect(line).toMatch(/Failed query.*params: \[redacted\]/)
  expect(leaksIn(lines.join('\n'))).toEqual([])
  expect(lines.join()).not.toContain('Grace')
})
