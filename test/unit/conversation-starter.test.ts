/**
 * Starting a conversation over a network that loses answers: one is made, however often it takes to hear of it.
 */
import { describe, expect, test } from 'vitest'
import { createParley, memoryStore } from '../../src/client/index.ts'
import { FakeEnvironment, json, problemOf } from '../support/fake-environment.ts'

const CONVERSATION = {
  id: '0190a1b2-0000-4000-8000-000000000001',
  title: '',
  ownerId: 'guest:1',
  createdAt: '2026-11-20T10:00:00.000Z',
  lastActivityAt: '2026-11-20T10:00:00.000Z',
  messageCount: 0,
}

function setUp(answer: (attempt: number) => Response) {
  const env = new FakeEnvironment()
  const keys: unknown[] = []
  env.respond = ({ path, body }) => {
    if (path === '/api/auth/guest') {
      const user = { id: 'guest:1', name: 'Guest', role: 'guest' }
      return json(201, { accessToken: 'token', tokenType: 'Bearer', expiresIn: 3600, user })
    }
    keys.push((body as { idempotencyKey: unknown }).idempotencyKey)
    return answer(keys.length)
  }
  const parley = createParley({ environment: env, tokenStore: memoryStore(), pendingStore: memoryStore() })
  return { parley, keys }
}

const lost = (): never => {
  throw new TypeError('fetch failed')
}

describe('starting a conversation', () => {
  test('I5 after a lost answer brings the same key, until it is heard of', async () => {
    const { parley, keys } = setUp((attempt) => {
      if (attempt === 1) return lost()
      return attempt === 2 ? problemOf(503, 'unavailable', { retryable: true }) : json(201, CONVERSATION)
    })
    await expect(parley.startConversation()).rejects.toMatchObject({ code: 'network' })
    await expect(parley.startConversation()).rejects.toMatchObject({ code: 'unavailable' })
    expect(await parley.startConversation()).toEqual(CONVERSATION)
    await parley.startConversation()
    expect(keys).toEqual([expect.any(String), keys[0], keys[0], expect.any(String)])
    expect(keys[3]).not.toBe(keys[0])
  })

  test('I5 after a refusal, and at the same time, brings a key of its own', async () => {
    const { parley, keys } = setUp((attempt) =>
      attempt === 1 ? problemOf(404, 'not_found') : json(201, CONVERSATION),
    )
    await expect(parley.startConversation()).rejects.toMatchObject({ code: 'not_found' })
    await Promise.all([parley.startConversation(), parley.startConversation()])
    expect(new Set(keys).size).toBe(3)
  })
})
