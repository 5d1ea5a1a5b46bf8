/**
 * A provider's queue with everything around it as plain objects: its rows, a clock, and conversations that answer as a
 * test says. It can be restarted at any moment, with nothing left but its rows.
 */
import type { QueueAnswer, QueueEntry, QueueNews } from '../../src/admission/admission.ts'
import { AdmissionQueue } from '../../src/admission/admission-queue.ts'
import type { WindowFact } from '../../src/admission/capacity.ts'
import type { Place, PlaceStore } from '../../src/admission/places.ts'
import type { ShardLimits } from '../../src/admission/shards.ts'

export interface Heard {
  readonly conversationId: string
  readonly turn: number
  readonly news: QueueNews
}

/** Rows that outlive the process, with how often something was written. */
export class FakeRows implements PlaceStore {
  readonly places = new Map<number, string>()
  window: string | null = null
  writes = 0

  load() {
    return {
      places: [...this.places.values()].map((text) => JSON.parse(text) as Place),
      window: JSON.parse(this.window ?? 'null') as WindowFact | null,
    }
  }

  put(place: Place): void {
    this.writes++
    this.places.set(place.id, JSON.stringify(place))
  }

  remove(id: number): void {
    this.writes++
    this.places.delete(id)
  }

  keepWindow(fact: WindowFact): void {
    this.writes++
    this.window = JSON.stringify(fact)
  }
}

export class QueueWorld {
  now = Date.parse('2026-11-20T10:00:00Z')
  readonly rows = new FakeRows()
  readonly heard: Heard[] = []
  readonly warned: string[] = []
  limits: ShardLimits
  queue: AdmissionQueue
  /** What a conversation answers; throws when it cannot be reached. */
  answer: (heard: Heard) => boolean = () => true
  #grants = 0
  #turns = 0
  #process = 0

  constructor(limits: ShardLimits) {
    this.limits = limits
    this.queue = this.#start()
  }

  /** A turn of a conversation of its own. */
  entry(userId: string, rest: Partial<QueueEntry> = {}): QueueEntry {
    const conversationId = `conversation-${++this.#turns}`
    const times = { since: this.now, deadline: this.now + 3_600_000 }
    const what = {
      provider: 'main',
      conversationId,
      turn: 2,
      userId,
      priority: 'normal',
      tokens: 100,
    } as const
    return { ...what, ...times, ...rest }
  }

  enter(userId: string, rest: Partial<QueueEntry> = {}): QueueAnswer & { readonly entry: QueueEntry } {
    const entry = this.entry(userId, rest)
    return { ...this.queue.enter(entry), entry }
  }

  /** The process dies: what it was about to hear is lost, and another one reads the rows. */
  restart(): void {
    this.queue = this.#start()
    this.queue.tick()
  }

  /** Time passes, and all that is due in it is seen to at its time. */
  async pass(ms: number, which: 'durable' | 'prompt' = 'prompt'): Promise<void> {
    const until = this.now + ms
    for (;;) {
      await this.settle()
      const due = this.queue.due()[which]
      if (due === null || due > until) break
      this.now = Math.max(this.now, due)
      this.queue.tick()
    }
    this.now = until
  }

  /** Until every conversation that was told something has answered. */
  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }

  /** What was told of one turn, positions apart. */
  newsOf({ conversationId }: Pick<QueueEntry, 'conversationId'>): QueueNews[] {
    return this.heard
      .filter((heard) => heard.conversationId === conversationId && heard.news.state !== 'waiting')
      .map(({ news }) => news)
  }

  /** The conversations that were told that they may, in order. */
  get granted(): string[] {
    return this.heard
      .filter(({ news }) => news.state === 'granted')
      .map(({ conversationId }) => conversationId)
  }

  #start(): AdmissionQueue {
    const process = ++this.#process
    return new AdmissionQueue({
      now: () => this.now,
      newId: () => `grant-${++this.#grants}`,
      limits: this.limits,
      store: this.rows,
      tell: async (conversationId, turn, news) => {
        const heard = { conversationId, turn, news }
        if (news.state !== 'waiting') await Promise.resolve()
        // Of a process that has died nothing is heard, and it hears nothing.
        if (process !== this.#process) return await new Promise<never>(() => {})
        this.heard.push(heard)
        return this.answer(heard)
      },
      changed() {},
      warn: (event) => void this.warned.push(event),
    })
  }
}
