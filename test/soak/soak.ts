/**
 * One soak: fifty conversations at once, a fifth of all messages with a fault, and a while in which the first provider is
 * unplugged altogether. What it has seen is judged by verdicts.ts.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { queueAnswer, type ProviderQueue } from '../../src/protocol/queue.ts'
import type { StoredConversation } from '../support/stored-conversation.ts'
import type { Message } from '../../src/protocol/message.ts'
import { makeRandom } from '../support/random.ts'
import { Asks } from './asks.ts'
import { Installation, type BreakerLine } from './installation.ts'
import { Talker, WAYS } from './talkers.ts'

const CONVERSATIONS = 50
/** Several conversations of one person, for the queue's fairness has to work as well. */
const PEOPLE = 10

/** As parts of the whole time. */
const UNPLUGGED = { from: 0.4, to: 0.55 }

/** Each of them stops the world for a moment. */
const HEAP_SAMPLES = 40
const SAMPLE_MS = 1_000
/** Changes to `BREAKER` for a soak of less than some minutes: what is open has to be tried again before it is over. */
export const SOON = { openMs: 3_000, maxOpenMs: 6_000, windowMs: 10_000 }

export interface SoakOptions {
  readonly ms: number
  readonly seed: number
  /** Changes to `BREAKER`: in a short soak it has to be tried again sooner. */
  readonly breaker: object
  readonly note?: (line: string) => void
}

export interface SoakRun {
  readonly talkers: readonly Talker[]
  /** Of each conversation, as the API tells it. */
  readonly messages: ReadonlyMap<string, readonly Message[]>
  /** Of each conversation, as it lies on the disk. */
  readonly stored: ReadonlyMap<string, StoredConversation>
  readonly calls: { readonly main: number; readonly second: number; readonly refused: number }
  readonly breakers: readonly BreakerLine[]
  /** Ms since the epoch. */
  readonly unplugged: { readonly from: number; readonly to: number }
  /** Bytes that are resident, every second. */
  readonly memory: readonly number[]
  /** Bytes of the isolate's heap, as often as it could be looked at. */
  readonly heap: readonly number[]
  readonly queues: readonly ProviderQueue[]
}

export async function soak({ ms, seed, breaker, note = () => {} }: SoakOptions): Promise<SoakRun> {
  const installation = await Installation.start(breaker)
  const { world } = installation
  const over = new AbortController()
  try {
    await installation.makeAdmin()
    const people = await Promise.all(Array.from({ length: PEOPLE }, () => world.user()))
    const random = makeRandom(seed)
    const asks = new Asks(random)
    const talkers = await Promise.all(
      Array.from({ length: CONVERSATIONS }, async (_, i) => {
        const user = people[i % PEOPLE] ?? (await world.user())
        // Half of them on sockets.
        const way = i % 2 === 0 ? 'socket' : (WAYS[1 + (((i - 1) / 2) % 2)] ?? 'socket')
        return new Talker(user, await user.newConversation(), way, asks, random)
      }),
    )
    note(`${CONVERSATIONS} conversations, ${Math.round(ms / 1000)} s`)
    const talking = Promise.all(talkers.map((talker) => talker.talk(over.signal)))
    const memory: number[] = []
    const heap: number[] = []
    const sampling = Promise.all([
      sample(memory, () => installation.memory(), SAMPLE_MS, over.signal),
      sample(heap, () => installation.heap(), ms / HEAP_SAMPLES, over.signal),
    ])
    const unplugged = { from: 0, to: 0 }
    const phases = async (): Promise<void> => {
      await pause(ms * UNPLUGGED.from)
      unplugged.from = Date.now()
      installation.unplug()
      note('the first provider is unplugged')
      await pause(ms * (UNPLUGGED.to - UNPLUGGED.from))
      installation.plug()
      unplugged.to = Date.now()
      note('the first provider is back')
      await pause(ms * (1 - UNPLUGGED.to))
      // While it is at work: a queue object that nobody needs leaves the memory, and its statistics with it.
      const admin = await installation.admin()
      queues = (await admin.json(queueAnswer, 'GET', '/api/queue')).providers
    }
    let queues: readonly ProviderQueue[] = []
    // Whoever fails ends it.
    await Promise.race([phases(), talking])
    over.abort()
    await Promise.all([talking, sampling])
    note('all have heard the end of their last answer')

    const messages = new Map<string, readonly Message[]>()
    for (const { user, conversationId } of talkers)
      messages.set(conversationId, await user.messages(conversationId))
    const calls = await installation.calls()
    const breakers = installation.breakers()
    // What is on the disk is looked at when nobody writes there any more.
    await world.stop()
    const stored = new Map(
      talkers.map(({ conversationId }) => [conversationId, world.stored(conversationId)] as const),
    )
    return { talkers, messages, stored, calls, breakers, unplugged, memory, heap, queues }
  } finally {
    over.abort()
    await installation.end()
  }
}

async function sample(
  into: number[],
  measure: () => Promise<number | undefined>,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const measured = await measure()
    if (measured !== undefined) into.push(measured)
    await pause(everyMs, undefined, { signal }).catch(() => undefined)
  }
}
