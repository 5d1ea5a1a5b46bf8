/**
 * What goes into the queue and when it comes again: the schedule of retries, the size of data and of batches, who is told,
 * and what is asked of the database for people without endpoints. Pure; time and chance are handed in.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unstable_readConfig as readConfig } from 'wrangler'
import { turnEvents } from '../../src/webhooks/turn-events.ts'
import type { WebhookEvent } from '../../src/webhooks/event.ts'
import { batchesOf, fitting, MAX_DATA_BYTES, queueMessage } from '../../src/webhooks/queue-message.ts'
import { MAX_ATTEMPTS, retryDelayS } from '../../src/webhooks/retry-schedule.ts'
import { NONE_KNOWN_MS, WebhookSender, type SenderDeps } from '../../src/webhooks/sender.ts'

const NOW = Date.UTC(2026, 10, 20)
const event = (change: Partial<WebhookEvent> = {}): WebhookEvent => ({
  id: 'e1',
  type: 'turn.completed',
  at: NOW,
  userId: 'user:ada',
  data: { conversationId: 'c1' },
  ...change,
})

describe('the schedule of retries', () => {
  const middle = () => 0.5

  test('H6 goes from ten seconds to an hour', () => {
    const delays = Array.from({ length: MAX_ATTEMPTS - 1 }, (_, index) =>
      retryDelayS(index + 1, null, NOW, middle),
    )
    expect(delays).toEqual([10, 30, 90, 270, 810, 2430, 3600])
  })

  test.each([
    ['120', 120],
    ['5', 10],
    ['999999', 3600],
    [new Date(NOW + 90_000).toUTCString(), 90],
    [new Date(NOW - 90_000).toUTCString(), 10],
    ['soon', 10],
    ['-5', 10],
    ['1', 10],
    ['', 10],
  ])('H6 honours Retry-After: %s', (header, seconds) => {
    expect(retryDelayS(1, header, NOW, middle)).toBe(seconds)
  })

  test('H6 stays within its bounds, whatever a receiver says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1, max: 200 }),
        fc.option(
          fc.oneof(
            fc.string(),
            fc.integer().map(String),
            fc.date({ noInvalidDate: true }).map((d) => d.toUTCString()),
          ),
        ),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempts, header, chance) => {
          const delay = retryDelayS(attempts, header, NOW, () => chance)
          expect(Number.isInteger(delay)).toBe(true)
          expect(delay).toBeGreaterThanOrEqual(10)
          expect(delay).toBeLessThanOrEqual(3600)
        },
      ),
    )
  })
})

describe('data', () => {
  test('H7 that fits is left as it is', () => {
    const same = event({ data: { text: 'ä'.repeat(30_000) } })
    expect(fitting(same)).toBe(same)
  })

  test('H7 that is too large is cut to what it refers to, and says so', () => {
    const data = {
      incidentId: 'i1',
      level: 2,
      open: true,
      by: null,
      timeline: Array(9_000).fill('opened'),
      text: 'x'.repeat(999),
    }
    expect(fitting(event({ data })).data).toEqual({
      incidentId: 'i1',
      level: 2,
      open: true,
      by: null,
      truncated: true,
    })
  })

  test('H7 is never larger than allowed, and batches neither', () => {
    const texts = fc.dictionary(
      fc.string({ maxLength: 300 }),
      fc.string({ maxLength: 4_000, unit: 'grapheme' }),
      { maxKeys: 60, size: 'max' },
    )
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 6 }), fc.integer({ min: 1, max: 120 }), (all, copies) => {
        const messages = all.flatMap((data) => {
          const fit = fitting(event({ data }))
          expect(Buffer.byteLength(JSON.stringify(fit.data))).toBeLessThanOrEqual(MAX_DATA_BYTES + 20)
          return Array.from({ length: copies }, (_, n) => ({ endpointId: `wh_${n}`, event: fit }))
        })
        const batches = batchesOf(messages)
        expect(batches.flat()).toEqual(messages)
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(100)
          expect(Buffer.byteLength(JSON.stringify(batch))).toBeLessThan(256_000)
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('the sender', () => {
  function setUp(endpoints: Record<string, { id: string; events: WebhookEvent['type'][] }[]>) {
    const sent: unknown[] = []
    const asked: (string | null)[] = []
    const state = { now: NOW, isDown: false }
    const deps: SenderDeps = {
      endpointsOf: (ownerId) => {
        asked.push(ownerId)
        return Promise.resolve(endpoints[String(ownerId)] ?? [])
      },
      enqueue: (batch) => {
        if (state.isDown) return Promise.reject(new Error('down'))
        sent.push(...batch.map(({ endpointId, event: { id } }) => `${id} → ${endpointId}`))
        for (const message of batch)
          expect(queueMessage.parse(JSON.parse(JSON.stringify(message)))).toEqual(message)
        return Promise.resolve()
      },
      now: () => state.now,
    }
    return { sender: new WebhookSender(deps), sent, asked, state }
  }

  test('H1 tells each endpoint of its owner that wants this event, and no other', async () => {
    const { sender, sent, asked } = setUp({
      'user:ada': [
        { id: 'a', events: ['turn.completed'] },
        { id: 'b', events: ['turn.completed'] },
      ],
      null: [{ id: 'ops', events: ['incident.opened'] }],
    })
    await sender.send([
      event(),
      event({ id: 'e2' }),
      event({ id: 'e3', userId: null, type: 'incident.opened' }),
      event({ id: 'e4', userId: null, type: 'incident.resolved' }),
      event({ id: 'e5', userId: 'user:bob' }),
    ])
    expect(sent).toEqual(['e1 → a', 'e1 → b', 'e2 → a', 'e2 → b', 'e3 → ops'])
    expect(asked).toEqual(['user:ada', null, 'user:bob'])
  })

  test('asks once in 30 seconds about somebody who has no endpoint, and at once when they have', async () => {
    const endpoints: Parameters<typeof setUp>[0] = {}
    const { sender, sent, asked, state } = setUp(endpoints)
    for (let turn = 0; turn < 100; turn++) await sender.send([event()])
    expect(asked).toHaveLength(1)
    state.now += NONE_KNOWN_MS - 1
    await sender.send([event()])
    expect(asked).toHaveLength(1)
    state.now += 1
    await sender.send([event()])
    expect(asked).toHaveLength(2)
    endpoints['user:ada'] = [{ id: 'a', events: ['turn.completed'] }]
    sender.forget('user:ada')
    await sender.send([event()])
    expect(sent).toEqual(['e1 → a'])
  })

  test('fails when the queue does not take them, so that they are handed over again', async () => {
    const { sender, state } = setUp({ 'user:ada': [{ id: 'a', events: ['turn.completed'] }] })
    state.isDown = true
    await expect(sender.send([event()])).rejects.toThrow('down')
  })
})

test('H8 a turn that used something is told to whoever pays for it, each time under the same id, without a word of it', () => {
  const turn = {
    userId: 'service:k1',
    payerId: 'user:ada',
    conversationId: 'c1',
    agentId: 'default',
    model: 'm',
    inputTokens: 3,
    outputTokens: 5,
    at: NOW,
    seq: 12,
    messages: 1,
    turnKey: 'c1/secret words',
  } as const
  const none = { ...turn, messages: 0 } as const
  expect(turnEvents([turn, none])).toEqual([
    {
      id: 'turn_c1_12',
      type: 'turn.completed',
      at: NOW,
      userId: 'user:ada',
      data: {
        conversationId: 'c1',
        userId: 'service:k1',
        agentId: 'default',
        model: 'm',
        inputTokens: 3,
        outputTokens: 5,
        at: new Date(NOW).toISOString(),
      },
    },
  ])
  expect(turnEvents([{ ...turn, payerId: null }])[0]?.userId).toBe('service:k1')
})

test('H6 the platform makes as many attempts as the schedule counts, in both environments', () => {
  const toml = readFileSync(new URL('../../wrangler.toml', import.meta.url), 'utf8')
  const consumers = [...toml.matchAll(/queues\.consumers\]\]\nqueue = "parley-webhooks"\n([\s\S]*?)\n\n/g)]
  expect(consumers).toHaveLength(2)
  for (const [, settings] of consumers) {
    expect(settings).toContain(`max_retries = ${MAX_ATTEMPTS - 1}\n`)
    expect(settings).toContain('dead_letter_queue = "parley-webhooks-dead"')
  }
})

test.each([
  ['at the top level', undefined],
  ['in production', 'production'],
])('H5 a host of our own zone is asked as anybody asks it, as wrangler reads it %s', (_, environment) => {
  const config = fileURLToPath(new URL('../../wrangler.toml', import.meta.url))
  const { compatibility_flags } = readConfig({ config, env: environment }, { hideWarnings: true })
  expect(compatibility_flags).toEqual(['nodejs_compat', 'global_fetch_strictly_public'])
})
