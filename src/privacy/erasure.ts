/**
 * The erasure of a person, as small steps over a job that is stored between them. Pure: what it reaches is handed in.
 *
 * Each step first plans (what is there, and how much), and, when the plan is stored, carries it out. A plan carried out
 * twice does nothing the second time and is counted once, so the process may die anywhere. A conversation that fails does
 * not hold up the other conversations, nor the account: it is tried again until it is done.
 */
import { NOTHING_REMOVED, type RemovedCounts } from '../protocol/privacy.ts'

/** What a conversation still tells when it goes, of usage for example, is removed after the last of them has gone. */
export const STEPS = [
  'access',
  'conversations',
  'account',
  'failed',
  'usage',
  'limits',
  'audit',
  'receipt',
] as const
export type Step = (typeof STEPS)[number]

/** Conversations that one piece of work reaches. */
export const AT_ONCE = 10

export interface Place {
  readonly conversationId: string
  readonly userId: string
  /** Whether what is there is known and counted: nothing is removed before. */
  readonly counted: boolean
}

export interface Plan {
  readonly places: readonly Place[]
  readonly counts: Partial<RemovedCounts>
  /** Where the next plan of this step begins; null: this is its last. */
  readonly next: { readonly subject: number; readonly after: string } | null
}

export interface Job {
  readonly userId: string
  readonly receiptId: string
  /** Ms since the epoch. */
  readonly requestedAt: number
  /** The person, and the machines that act for them. */
  readonly subjects: readonly string[]
  readonly step: Step | 'done'
  readonly from: { readonly subject: number; readonly after: string }
  readonly plan: Plan | null
  readonly failed: readonly Place[]
  readonly removed: RemovedCounts
}

export interface ErasureDeps {
  /** Voids all tokens and cuts all sockets. */
  lockOut(userId: string): Promise<void>
  /** By id, from `after` on. */
  placesOf(userId: string, after: string, limit: number): Promise<string[]>
  /** Null when there is nothing. */
  trace(place: Place): Promise<{ owner: boolean; member: boolean; messages: number } | null>
  /** @returns false when it is not done yet */
  forget(place: Place): Promise<boolean>
  countUsage(userId: string): Promise<number>
  blankUsage(userId: string): Promise<void>
  countAccount(userId: string): Promise<Pick<RemovedCounts, 'sessions' | 'keys' | 'webhooks' | 'account'>>
  removeAccount(userId: string): Promise<void>
  forgetLimits(userId: string): Promise<void>
  /** @returns false while there is more to do */
  forgetInAudit(userId: string): Promise<boolean>
  putReceipt(job: Job, finished: boolean): Promise<void>
  report(error: unknown, place: Place): void
}

const START = { subject: 0, after: '' } as const

export function newJob(facts: Pick<Job, 'userId' | 'receiptId' | 'requestedAt' | 'subjects'>): Job {
  return { ...facts, step: 'access', from: START, plan: null, failed: [], removed: NOTHING_REMOVED }
}

/** The same once more, for what requests that were under way have written meanwhile; its receipt is out. */
export function lastLook(job: Job): Job {
  return { ...job, step: 'access', from: START, plan: null, failed: [] }
}

/** One piece of work. @returns the job to store before the next; throws when it has to be tried again */
export async function advance(job: Job, deps: ErasureDeps): Promise<Job> {
  if (job.step === 'done') return job
  if (!job.plan) return { ...job, plan: await planOf(job, deps) }
  const failed = await carryOut(job, job.plan, deps)
  const removed = sum(job.removed, job.plan.counts)
  const all = job.step === 'failed' ? failed : [...job.failed, ...failed]
  const rest = { ...job, plan: null, removed, failed: all }
  if (job.plan.next) return { ...rest, from: job.plan.next }
  // Nothing is finished while something failed: the caller waits, and the step begins again.
  if (job.step === 'failed' && failed.length > 0) return rest
  return { ...rest, from: START, step: STEPS[STEPS.indexOf(job.step) + 1] ?? 'done' }
}

async function planOf(job: Job, deps: ErasureDeps): Promise<Plan> {
  const plan = (counts: Partial<RemovedCounts>): Plan => ({ places: [], counts, next: null })
  switch (job.step) {
    case 'conversations':
      return await planPlaces(job, deps)
    case 'usage': {
      const rows = await Promise.all(job.subjects.map((subject) => deps.countUsage(subject)))
      return plan({ usageRows: rows.reduce((all, n) => all + n, 0) })
    }
    case 'account':
      return plan(await deps.countAccount(job.userId))
    case 'failed':
      return { ...(await count(job.failed, deps)), next: null }
    default:
      return plan({})
  }
}

async function planPlaces({ subjects, from }: Job, deps: ErasureDeps): Promise<Plan> {
  const userId = subjects[from.subject]
  if (userId === undefined) return { places: [], counts: {}, next: null }
  const ids = await deps.placesOf(userId, from.after, AT_ONCE)
  const last = ids.length === AT_ONCE ? ids.at(-1) : undefined
  const isLastSubject = from.subject + 1 >= subjects.length
  return {
    ...(await count(
      ids.map((conversationId) => ({ conversationId, userId, counted: false })),
      deps,
    )),
    next:
      last !== undefined
        ? { subject: from.subject, after: last }
        : isLastSubject
          ? null
          : { subject: from.subject + 1, after: '' },
  }
}

/** Looks at what was not counted yet; a place that does not answer stays uncounted, and is left for later. */
async function count(places: readonly Place[], deps: ErasureDeps): Promise<Pick<Plan, 'places' | 'counts'>> {
  const counts = { conversations: 0, memberships: 0, messages: 0 }
  const seen = places.map(async (place): Promise<Place> => {
    if (place.counted) return place
    try {
      const trace = await deps.trace(place)
      counts.conversations += Number(trace?.owner ?? false)
      counts.memberships += Number(trace?.member ?? false)
      counts.messages += trace?.messages ?? 0
      return { ...place, counted: true }
    } catch (error) {
      deps.report(error, place)
      return place
    }
  })
  return { places: await Promise.all(seen), counts }
}

/** @returns what failed */
async function carryOut(job: Job, plan: Plan, deps: ErasureDeps): Promise<Place[]> {
  const { userId, subjects } = job
  const each = (run: (subject: string) => Promise<unknown>) => Promise.all(subjects.map(run))
  switch (job.step) {
    case 'access':
      await deps.putReceipt(job, false)
      await each((subject) => deps.lockOut(subject))
      return []
    case 'conversations':
    case 'failed':
      return await forgetAll(plan.places, deps)
    case 'usage':
      await each((subject) => deps.blankUsage(subject))
      return []
    case 'account':
      await deps.removeAccount(userId)
      return []
    case 'limits':
      await each((subject) => deps.forgetLimits(subject))
      return []
    case 'audit':
      for (const subject of subjects) while (!(await deps.forgetInAudit(subject)));
      return []
    case 'receipt':
      await deps.putReceipt(job, true)
      return []
    case 'done':
      return []
  }
}

async function forgetAll(places: readonly Place[], deps: ErasureDeps): Promise<Place[]> {
  const done = await Promise.all(
    places.map(async (place) => {
      try {
        return place.counted && (await deps.forget(place))
      } catch (error) {
        deps.report(error, place)
        return false
      }
    }),
  )
  return places.filter((_, index) => !done[index])
}

function sum(a: RemovedCounts, b: Partial<RemovedCounts>): RemovedCounts {
  const keys = Object.keys(a) as (keyof RemovedCounts)[]
  return Object.fromEntries(keys.map((key) => [key, a[key] + (b[key] ?? 0)])) as RemovedCounts
}
