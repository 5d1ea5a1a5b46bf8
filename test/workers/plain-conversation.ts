/**
 * A conversation over the real SQLite of an object, with everything else as plain objects that the test plays: the model,
 * a provider's queue, quotas and time. It can lose its process at any moment: what is left then are its rows.
 */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { estimateTokenCount } from 'tokenx'
import type { AdmissionQueue, QueueAnswer, QueueEntry } from '../../src/admission/admission.ts'
import { Agents } from '../../src/agents/registry.ts'
import { NO_CACHE, type AnswerCache } from '../../src/conversation/answer-cache.ts'
import { Conversation } from '../../src/conversation/conversation.ts'
import { applyMigrations, openDatabase, type Database } from '../../src/conversation/database.ts'
import type { ConversationDeps, TurnUsage } from '../../src/conversation/deps.ts'
import type { Reader } from '../../src/conversation/room.ts'
import { mergeFrameRates } from '../../src/limits/plans.ts'
import type { Model, ModelEvent, ModelRequest } from '../../src/models/model.ts'
import type { Principal } from '../../src/protocol/principal.ts'
import type { FrameOf, ServerFrame } from '../../src/protocol/server-frames.ts'
import { FakeClock } from '../support/fake-clock.ts'

export const OWNER: Principal = { userId: 'u-owner', name: 'Owner', role: 'user', kind: 'user' }
export const FRIEND: Principal = { userId: 'u-friend', name: 'Friend', role: 'user', kind: 'user' }
export const INSTRUCTIONS = 'Be brief.'
export const QUEUE_TIMEOUT_MS = 60_000

/** One call of the model. */
export class PlayedCall {
  readonly request: ModelRequest
  readonly signal: AbortSignal
  #events: (ModelEvent | Error)[] = []
  #wake: () => void = () => undefined

  constructor(request: ModelRequest, signal: AbortSignal) {
    this.request = request
    this.signal = signal
    signal.addEventListener('abort', () => this.#wake())
  }

  async say(...events: (string | ModelEvent | Error)[]): Promise<void> {
    this.#events.push(
      ...events.map((event) =>
        typeof event === 'string' ? ({ type: 'text', text: event } as const) : event,
      ),
    )
    this.#wake()
    await settle()
  }

  async finish(usage = { inputTokens: 11, outputTokens: 7 }): Promise<void> {
    await this.say({ type: 'finish', reason: 'stop', model: 'm', usage })
  }

  async *events(): AsyncGenerator<ModelEvent, void> {
    for (;;) {
      this.signal.throwIfAborted()
      const event = this.#events.shift()
      if (event instanceof Error) throw event
      if (event) yield event
      else await new Promise<void>((resolve) => (this.#wake = resolve))
      if (event && event.type === 'finish') return
    }
  }
}

/** Lets everything happen that waits for nothing from outside. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve()
}

export class PlainRoom {
  clock = new FakeClock()
  conversation: Conversation
  /** Calls of the model, of all processes. */
  readonly calls: PlayedCall[] = []
  readonly told: TurnUsage[] = []
  /** Reservations: `+` made, `-` released. */
  readonly reserved: string[] = []
  /** What the provider's queue was asked. */
  readonly asked: string[] = []
  readonly reports: string[] = []
  /** What it answers to who enters; null: the provider has no limits. */
  enter: ((entry: QueueEntry) => QueueAnswer) | null = null
  continues = true
  cache: AnswerCache = NO_CACHE
  /** Whether anybody's turns are counted. */
  counts = true
  /** Finds out whether all turns are paused. */
  fresh: () => Promise<void> | undefined = () => undefined
  /** Why all turns are paused. */
  paused: string | null = null
  /** Called in the middle of a reservation. */
  whileReserving: () => Promise<void> | void = () => undefined
  frames: ServerFrame[] = []
  readonly #db: Database
  #clientId = 0

  private constructor(db: Database) {
    this.#db = db
    this.conversation = Conversation.create(db, this.#deps(), {
      id: crypto.randomUUID(),
      ownerId: OWNER.userId,
      ownerName: OWNER.name,
      title: 'A title',
    })
  }

  /** Runs within an object of its own. */
  static async run(test: (room: PlainRoom) => Promise<void>): Promise<void> {
    const stub = env.CONVERSATIONS.get(env.CONVERSATIONS.newUniqueId())
    await runInDurableObject(stub, async (_, { storage }) => {
      const db = openDatabase(storage)
      await applyMigrations(db)
      await test(new PlainRoom(db))
    })
  }

  get sql(): SqlStorage {
    return this.#db.$client.sql
  }

  /** The newest call of the model. */
  get call(): PlayedCall {
    const call = this.calls.at(-1)
    if (!call) throw new Error('the model was not called')
    return call
  }

  /** Somebody sends a message. @returns its turn's number */
  async ask(
    content = 'Hi',
    rest: { priority?: 'urgent' | 'low'; agentId?: string } = {},
    author = OWNER,
  ): Promise<number> {
    const input = { id: `c${++this.#clientId}`, content, requestId: 'r', ...rest }
    const { turnId } = await this.conversation.chat(author, input)
    await settle()
    return Number(turnId.slice(1))
  }

  /** Time passes until the text so far is stored. */
  async store(): Promise<void> {
    await this.pass(1_000)
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await settle()
  }

  /** The process is gone with all that it was doing, and another one wakes. */
  async restart(): Promise<void> {
    this.clock = new FakeClock(this.clock.now())
    this.frames = []
    const woken = Conversation.load(this.#db, this.#deps(), null)
    if (!woken) throw new Error('nothing is here')
    this.conversation = woken
    woken.recover()
    await settle()
  }

  /** Somebody joins, and reads along from now on into `frames`. */
  join(): FrameOf<'conversation_joined'> {
    this.frames = []
    const reader: Reader = {
      principal: OWNER,
      compact: false,
      present: true,
      send: (frame) => void this.frames.push(frame),
      close: () => undefined,
    }
    this.conversation.audience.join(reader, { type: 'join_conversation' })
    const [joined] = this.frames
    if (joined?.type !== 'conversation_joined') throw new Error('it was not joined')
    return joined
  }

  /** All that a follower of an answer is sent, as far as it is there. */
  async follow(messageId: string): Promise<{ types: string[]; ended: boolean }> {
    const reader = this.conversation.follow(OWNER, messageId, 0, undefined).getReader()
    let text = ''
    for (;;) {
      const step = await Promise.race([reader.read(), settle().then(() => null)])
      if (step === null || step.done) {
        if (step === null) await reader.cancel()
        const frames = text.split('\n').filter((line) => line !== '')
        return {
          types: frames.map((line) => (JSON.parse(line) as ServerFrame).type),
          ended: step?.done ?? false,
        }
      }
      text += new TextDecoder().decode(step.value)
    }
  }

  answer(number: number) {
    const { messages } = this.conversation.page(undefined, 100)
    const message = messages.find(({ id }) => id === `m${number}`)
    return message && { status: message.status, text: message.parts.map(({ text }) => text).join('') }
  }

  /** What the quotas were told since, once all was told. */
  async usage(): Promise<{ key: string; messages: number; inputTokens: number; outputTokens: number }[]> {
    await this.conversation.settle()
    return this.told.splice(0).map(({ turnKey, messages, inputTokens, outputTokens }) => ({
      key: turnKey.slice(turnKey.indexOf('/') + 1),
      messages,
      inputTokens,
      outputTokens,
    }))
  }

  /** What one call for a first question is estimated to read. */
  inputOf(question: string): number {
    return estimateTokenCount(INSTRUCTIONS) + estimateTokenCount(question) + 4
  }

  #deps(): ConversationDeps {
    const { clock } = this
    const model: Model = {
      name: 'played',
      defaultModel: 'm',
      continues: this.continues,
      stream: (request, signal) => {
        const call = new PlayedCall(request, signal)
        this.calls.push(call)
        return call.events()
      },
      check: () => Promise.resolve({ ok: true }),
    }
    const admission: AdmissionQueue = {
      queueOf: () => (this.enter ? 'main' : null),
      isOfUse: () => true,
      enter: (entry) => {
        this.asked.push(`enter ${entry.turn}`)
        return Promise.resolve(this.enter?.(entry) ?? { state: 'full' })
      },
      leave: ({ turn }) => Promise.resolve(void this.asked.push(`leave ${turn}`)),
      renew: () => Promise.resolve(true),
      release: ({ grantId }, _, used) => Promise.resolve(void this.asked.push(`release ${grantId} ${used}`)),
    }
    return {
      model,
      admission,
      agents: new Agents([{ id: 'kept', cache: { ttlSeconds: 60 } }], INSTRUCTIONS),
      cache: this.cache,
      fresh: () => this.fresh(),
      paused: () => this.paused,
      settings: {
        answerTokens: 100,
        frameRates: mergeFrameRates({}),
        contextTokens: 10_000,
        maxQueuedTurns: 16,
        queueTimeoutMs: QUEUE_TIMEOUT_MS,
        continueTokens: 100_000,
        watchdogMs: 30_000,
        maxSocketsPerUser: 20,
        maxSocketsPerRoom: 500,
        authGraceMs: 60_000,
        models: [],
      },
      directory: {
        put: () => Promise.resolve(),
        remove: () => Promise.resolve(),
        putLink: () => Promise.resolve(),
        removeLink: () => Promise.resolve(),
      },
      quota: {
        counts: () => this.counts,
        reserve: async (_, key) => {
          this.reserved.push(`+${key.slice(key.indexOf('/') + 1)}`)
          await this.whileReserving()
          return null
        },
        release: (_, key) => Promise.resolve(void this.reserved.push(`-${key.slice(key.indexOf('/') + 1)}`)),
        settle: (usage) => Promise.resolve(void this.told.push(...usage)),
      },
      verify: () => Promise.resolve(OWNER),
      isSuspended: () => Promise.resolve(false),
      connected: () => Promise.resolve(),
      now: clock.now,
      after: clock.after,
      wakeAt: () => undefined,
      erase: () => Promise.resolve(),
      warn: () => undefined,
      report: (event) => void this.reports.push(event),
    }
  }
}
