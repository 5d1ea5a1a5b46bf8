/**
 * The Durable Object of one person's erasure: transport only. It stores the job, and lets its alarm carry it on, one piece
 * at a time, until it is done; then it looks once more, and leaves nothing of itself.
 *
 * An object and not a queue: "once for each person", "where it stands" and "when to go on" are one row and one alarm.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import { erasureParts } from '../services.ts'
import { advance, lastLook, newJob, type Job } from './erasure.ts'

/** Waits after a failure, in ms: doubles from the first to the last. */
const RETRY_FIRST_MS = 1_000
const RETRY_MOST_MS = 5 * 60_000
/** If the process dies in a piece of work, it is taken up again this much later. */
const WATCHDOG_MS = 5_000
/** By then no request that was admitted before the erasure writes any more. */
const LAST_LOOK_MS = 60_000

interface Stored {
  readonly job: Job
  readonly failures: number
  /** Whether this is the look after the receipt. */
  readonly last: boolean
}

export class ErasureObject extends DurableObject<Env> {
  /** Begins the erasure, or finds that it has begun. @returns the receipt's id */
  async begin(userId: string, receiptId: string, subjects: readonly string[]): Promise<string> {
    const stored = await this.#stored()
    // One that only looks once more is over: somebody may have come back, and gone again.
    if (stored && !stored.last) return stored.job.receiptId
    const job = newJob({ userId, receiptId, requestedAt: Date.now(), subjects })
    await this.#keep({ job, failures: 0, last: false }, 0)
    return receiptId
  }

  override async alarm(): Promise<void> {
    const stored = await this.#stored()
    if (!stored) return
    const deps = erasureParts(this.env)
    await this.ctx.storage.setAlarm(Date.now() + WATCHDOG_MS)
    try {
      const job = await advance(stored.job, deps)
      if (job.step !== 'done') {
        const waits = job.step === 'failed' && job.failed.length > 0 && stored.job.plan !== null
        const failures = waits && stored.job.step === 'failed' ? stored.failures + 1 : 0
        return await this.#keep({ ...stored, job, failures }, failures === 0 ? 0 : retryMs(failures))
      }
      if (!stored.last) return await this.#keep({ job: lastLook(job), failures: 0, last: true }, LAST_LOOK_MS)
      await this.ctx.storage.deleteAlarm()
      await this.ctx.storage.deleteAll()
    } catch (error) {
      deps.failed(error, stored.job.receiptId, stored.job.step)
      const failures = stored.failures + 1
      await this.#keep({ ...stored, failures }, retryMs(failures))
    }
  }

  async #stored(): Promise<Stored | undefined> {
    return await this.ctx.storage.get<Stored>('job')
  }

  async #keep(stored: Stored, inMs: number): Promise<void> {
    await this.ctx.storage.put('job', stored)
    await this.ctx.storage.setAlarm(Date.now() + inMs)
  }
}

function retryMs(failures: number): number {
  return Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** (failures - 1))
}
