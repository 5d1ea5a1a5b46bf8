/**
 * People of a soak, who ask one message after the other until they are told to stop: over a socket, over server-sent
 * events, or by a request that waits for the answer. Each keeps what it said and what became of it as it saw it.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Priority } from '../../src/protocol/ids.ts'
import { isTurnEnded, type FrameOf, type ServerFrame } from '../../src/protocol/server-frames.ts'
import type { Random } from '../support/random.ts'
import { TestClient } from '../support/test-client.ts'
import { problemOf, readEvents, type TestUser } from '../support/test-user.ts'
import type { Ask, Asks } from './asks.ts'

export const WAYS = ['socket', 'events', 'request'] as const
export type Way = (typeof WAYS)[number]

export interface Said {
  readonly clientId: string
  readonly ask: Ask
  readonly priority: Priority
  /** From its acceptance to the start of its answer, ms; null where nobody saw that. */
  waitMs: number | null
  /** As the one who asked was told; null while nobody was told. */
  end: string | null
}

/** A fifth is urgent to somebody, half is as always, and the rest can wait: with a queue, it does. */
const PRIORITIES: readonly Priority[] = [
  'high',
  'high',
  ...Array<Priority>(5).fill('normal'),
  'low',
  'low',
  'low',
]

/** Longer than anything may take: a wait of two minutes, and the longest answer. */
const PATIENCE_MS = 180_000

/** Whoever gets no answer asks again later, and later still the next time: who asks at once only keeps a busy machine busy. */
const AFTER_FAILURE_MS = 500
const AFTER_FAILURES_MS = 8_000

/** A request that was refused is sent again, as people do, with the same id. */
const AGAIN_MS = 250

export class Talker {
  readonly user: TestUser
  readonly conversationId: string
  readonly way: Way
  readonly said: Said[] = []
  /** Breaches of the protocol's rules, as a socket's window saw them. */
  breaches: readonly string[] = []
  refusals = 0
  readonly #asks: Asks
  readonly #random: Random

  constructor(user: TestUser, conversationId: string, way: Way, asks: Asks, random: Random) {
    this.user = user
    this.conversationId = conversationId
    this.way = way
    this.#asks = asks
    this.#random = random
  }

  /** Resolves when the last answer has ended. */
  async talk(signal: AbortSignal): Promise<void> {
    const client = this.way === 'socket' ? new TestClient(this.user, this.conversationId, PATIENCE_MS) : null
    await client?.connect({ compact: true })
    for (let failures = 0; !signal.aborted;) {
      const clientId = crypto.randomUUID()
      const ask = this.#asks.next(`${this.way} ${this.said.length}`)
      const said: Said = { clientId, ask, priority: this.#random.pick(PRIORITIES), waitMs: null, end: null }
      this.said.push(said)
      if (client) await this.#bySocket(client, said)
      else if (this.way === 'events') await this.#byEvents(said)
      else await this.#byRequest(said)
      failures = said.end === 'stream_complete' ? 0 : failures + 1
      if (failures > 0) await pause(Math.min(AFTER_FAILURES_MS, AFTER_FAILURE_MS * 2 ** failures))
    }
    this.breaches = client?.room.breaches ?? []
    await client?.drop()
  }

  async #bySocket(client: TestClient, said: Said): Promise<void> {
    // What was seen before is in the room; a window that keeps every frame for half an hour would be full of them.
    client.frames.length = 0
    client.ask(said.ask.content, { id: said.clientId, priority: said.priority })
    const { answerId } = await client.accepted(said.clientId)
    const acceptedAt = performance.now()
    const first = await client.next((frame) => isOf(answerId, frame))
    if (first.type === 'stream_start') said.waitMs = performance.now() - acceptedAt
    said.end = (await client.ended(answerId)).type
  }

  async #byEvents(said: Said): Promise<void> {
    const response = await this.#post('/api/chat/stream', said)
    let acceptedAt = 0
    for await (const { frame } of readEvents(response)) {
      if (frame.type === 'message_accepted') acceptedAt = performance.now()
      if (frame.type === 'stream_start') said.waitMs ??= performance.now() - acceptedAt
      if (isTurnEnded(frame)) said.end = frame.type
    }
  }

  async #byRequest(said: Said): Promise<void> {
    const response = await this.#post('/api/chat', said)
    if (!response.ok) said.end = (await problemOf(response)).code
    else {
      await response.arrayBuffer()
      said.end = 'stream_complete'
    }
  }

  /** Until it is accepted. */
  async #post(path: string, { clientId, ask, priority }: Said): Promise<Response> {
    const { conversationId } = this
    const body = { message: ask.content, conversationId, idempotencyKey: clientId, priority }
    for (;;) {
      const response = await this.user.request('POST', path, { body })
      if (response.ok) return response
      const { code } = await problemOf(response.clone())
      if (OF_A_TURN.test(code)) return response
      this.refusals++
      await pause(AGAIN_MS)
    }
  }
}

/** Codes of a turn that was accepted and failed. */
const OF_A_TURN = /^(model_|queue_timeout$|interrupted$)/

function isOf(answerId: string, frame: ServerFrame): frame is FrameOf<'stream_start'> {
  return (frame.type === 'stream_start' || isTurnEnded(frame)) && frame.messageId === answerId
}
