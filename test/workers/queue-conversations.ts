/**
 * A queue object in the real runtime, over its real rows and alarm, whose conversations are plain objects: what they hear,
 * and what they answer, is a test's business. Time passes as a test says, by moving what is stored into the past.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import type { QueueAnswer, QueueEntry, QueueListener, QueueNews } from '../../src/admission/admission.ts'
import { admissionOf, type AdmissionNamespace } from '../../src/admission/admission-calls.ts'
import type { AdmissionObject } from '../../src/admission/admission-object.ts'
import type { QueueStatus } from '../../src/admission/queue-status.ts'
import type { Env } from '../../src/env.ts'
import type { ProviderLimits } from '../../src/protocol/provider-limits.ts'
import { unique } from './worker-guest.ts'

export interface Heard {
  readonly conversationId: string
  readonly turn: number
  readonly news: QueueNews
}

export class WorkerQueue {
  readonly provider: string
  readonly name: string
  readonly heard: Heard[] = []
  answer: (heard: Heard) => boolean = () => true
  readonly #env: Env

  constructor(limits: ProviderLimits) {
    this.provider = `p-${unique()}`.toLowerCase().slice(0, 32)
    this.name = `${this.provider}/0`
    const MODEL_PROVIDERS = [{ name: this.provider, kind: 'openai', models: ['m'], limits }]
    const CONVERSATIONS = {
      idFromName: (id: string) => id,
      get: (conversationId: string): QueueListener => ({
        queueNews: (turn, news) => this.#hear({ conversationId, turn, news }),
      }),
    }
    this.#env = { ...(env as unknown as Env), MODEL_PROVIDERS, CONVERSATIONS: CONVERSATIONS as never }
  }

  get stub() {
    return env.ADMISSION.get(env.ADMISSION.idFromName(this.name))
  }

  entry(userId: string, rest: Partial<QueueEntry> = {}): QueueEntry {
    const now = Date.now()
    const who = { provider: this.provider, conversationId: crypto.randomUUID(), turn: 2, userId } as const
    return { ...who, priority: 'normal', tokens: 100, since: now, deadline: now + 7_200_000, ...rest }
  }

  /** Calls the object as it is now, with the conversations of this test around it. */
  async run<T>(call: (object: AdmissionObject) => T | Promise<T>): Promise<T> {
    return await runInDurableObject(this.stub, async (object) => {
      Object.assign(object, { env: this.#env })
      return await call(object)
    })
  }

  async enter(entry: QueueEntry): Promise<QueueAnswer> {
    return await this.run((object) => object.enter(this.name, entry))
  }

  async status(): Promise<QueueStatus> {
    const status = await this.run((object) => object.status())
    if (!status) throw new Error('nothing has been here')
    return status
  }

  /** The process ends for real; the next call reads the rows. */
  async restart(): Promise<void> {
    await evictDurableObject(this.stub)
  }

  /** When the alarm is due, in ms from now; null when none is set. */
  async alarmIn(): Promise<number | null> {
    const at = await runInDurableObject(this.stub, (_, { storage }) => storage.getAlarm())
    return at === null ? null : at - Date.now()
  }

  /** As if this long had passed before the next process reads the rows; ends with the alarm that would have come. */
  async pass(ms: number): Promise<void> {
    await this.restart()
    await runInDurableObject(this.stub, async (_, { storage }) => {
      await storage.deleteAlarm()
      for (const { id, value } of storage.sql
        .exec<{ id: number; value: string }>('SELECT * FROM places')
        .toArray()) {
        const place = JSON.parse(value) as Record<string, number> & { lease: Record<string, number> | null }
        const moved = { ...place, deadline: (place['deadline'] ?? 0) - ms, since: (place['since'] ?? 0) - ms }
        const lease = place.lease && { ...place.lease, expiresAt: (place.lease['expiresAt'] ?? 0) - ms }
        storage.sql.exec('UPDATE places SET value = ? WHERE id = ?', JSON.stringify({ ...moved, lease }), id)
      }
    })
    await this.run((object) => object.alarm())
  }

  /** Waits until something that was heard is as wanted. */
  async until(wanted: (heard: Heard) => boolean): Promise<Heard> {
    return await vi.waitFor(
      () => {
        const found = this.heard.find((each) => wanted(each))
        if (!found) throw new Error('it was not heard')
        return found
      },
      { interval: 5, timeout: 4_000 },
    )
  }

  /** Waits until this turn is told that it may. */
  async untilGranted({ conversationId }: QueueEntry): Promise<QueueNews> {
    const { news } = await this.until(
      (heard) => heard.conversationId === conversationId && heard.news.state === 'granted',
    )
    return news
  }

  /** As everybody else reaches it. */
  calls(limits: ProviderLimits, queues: AdmissionNamespace = env.ADMISSION) {
    return admissionOf(queues, [{ name: this.provider, limits }], {
      first: (model) => (model === 'm' ? this.provider : 'another'),
      mayAnswer: () => true,
    })
  }

  async #hear(heard: Heard): Promise<boolean> {
    await Promise.resolve()
    this.heard.push(heard)
    return this.answer(heard)
  }
}
