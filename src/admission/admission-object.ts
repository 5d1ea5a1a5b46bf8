/**
 * The Durable Object of one provider's queue, or of a shard of it: transport only. It hands each call to `AdmissionQueue`,
 * keeps what changed by it, all of it or nothing, and sees to it that somebody wakes it when something is due.
 *
 * The alarm alone suffices after a restart; the timer is there because it is free, and an alarm is paid for like a row. An
 * alarm that is set for sooner serves as well, and finds nothing to do.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import { admissionParts } from '../operating.ts'
import type { Grant, QueueAnswer, QueueEntry } from './admission.ts'
import { AdmissionQueue } from './admission-queue.ts'
import { PlaceRows } from './place-rows.ts'
import type { QueueInterval, QueueStatus } from './queue-status.ts'

/** What is due later is left to the alarm, for a timer keeps the object in memory. */
const LONGEST_TIMER_MS = 1_000

export class AdmissionObject extends DurableObject<Env> {
  readonly #rows: PlaceRows
  #queue: AdmissionQueue | null = null
  /** When the alarm is due, as far as it is known; 0 when none is. */
  #alarmAt = 0
  #timer: { readonly at: number; readonly id: ReturnType<typeof setTimeout> } | null = null

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#rows = new PlaceRows(ctx.storage)
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = (await ctx.storage.getAlarm()) ?? 0
    })
  }

  /** @param name of this object, which it has to know when it wakes by itself */
  enter(name: string, entry: QueueEntry): QueueAnswer {
    return this.#run((queue) => queue.enter(entry), name)
  }

  pass(name: string, entry: Pick<QueueEntry, 'provider' | 'tokens'>, id: string) {
    return this.#run<Omit<Grant, 'provider'> | null>((queue) => queue.pass(entry, id), name)
  }

  leave(turn: Pick<QueueEntry, 'conversationId' | 'turn'>): void {
    this.#run((queue) => queue.leave(turn))
  }

  renew(grantId: string, conversationId: string): boolean {
    return this.#run((queue) => queue.renew(grantId, conversationId)) ?? false
  }

  release(grantId: string, conversationId: string, usedTokens: number): void {
    this.#run((queue) => queue.release(grantId, conversationId, usedTokens))
  }

  requeue(id: number): boolean {
    return this.#run((queue) => queue.requeue(id)) ?? false
  }

  /** Null: nothing has ever been here. */
  status(): QueueStatus | null {
    return this.#run((queue) => queue.status())
  }

  /** @returns as {@link status} */
  interval(after: number | null): QueueInterval | null {
    return this.#run((queue) => queue.interval(after))
  }

  override alarm(): void {
    this.#alarmAt = 0
    this.#run((queue) => queue.tick())
  }

  #run<T>(call: (queue: AdmissionQueue) => T, name: string): T
  #run<T>(call: (queue: AdmissionQueue) => T): T | null
  #run<T>(call: (queue: AdmissionQueue) => T, name?: string): T | null {
    try {
      const queue = this.#queue ?? this.#open(name ?? this.#rows.name())
      const answer = queue && call(queue)
      this.#rows.flush()
      this.#wake()
      return answer
    } catch (error) {
      // What is in memory is ahead of the rows now: it is read from them again.
      this.#rows.forget()
      this.#queue = null
      throw error
    }
  }

  #open(name: string | null): AdmissionQueue | null {
    if (name === null) return null
    this.#rows.keepName(name)
    const parts = admissionParts(this.env, name)
    this.#queue = new AdmissionQueue({
      ...parts,
      tell: async (...news) => {
        // When this call has ended what it tells of is written, and the platform holds it back until that is durable.
        await Promise.resolve()
        return await parts.tell(...news)
      },
      now: () => Date.now(),
      newId: () => crypto.randomUUID(),
      store: this.#rows,
      changed: () => this.#wake(),
    })
    this.#queue.tick()
    return this.#queue
  }

  #wake(): void {
    if (!this.#queue) return
    const now = Date.now()
    const { durable, prompt } = this.#queue.due()
    const comesSooner = this.#alarmAt > now && durable !== null && this.#alarmAt <= durable
    if (durable !== null && !comesSooner) {
      this.#alarmAt = Math.max(now, durable)
      void this.ctx.storage.setAlarm(this.#alarmAt)
    }
    this.#setTimer(prompt !== null && prompt - now <= LONGEST_TIMER_MS ? prompt : null, now)
  }

  /** @param at null: nothing is due soon, and a timer would only keep the object in memory */
  #setTimer(at: number | null, now: number): void {
    if (this.#timer && at !== null && this.#timer.at <= at) return
    if (this.#timer) clearTimeout(this.#timer.id)
    this.#timer = null
    if (at === null) return
    const ring = (): void => {
      this.#timer = null
      this.#run((queue) => queue.tick())
    }
    this.#timer = { at, id: setTimeout(ring, Math.max(0, at - now)) }
  }
}
