/**
 * Admission over the bindings: who asks gets the queues of the providers of this installation, and a queue object its
 * limits and the way to the conversations that wait in it.
 */
import type { ConversationObject } from '../conversation/conversation-object.ts'
import { AppError } from '../errors.ts'
import type { ProviderQueue } from '../protocol/queue.ts'
import {
  admissionOf,
  type Admission,
  type AdmissionNamespace,
  type QueuedProvider,
  type WhoAnswers,
} from './admission-calls.ts'
import type { QueueDeps } from './admission-queue.ts'
import { readDeadLetterId, reportOf } from './queue-report.ts'
import { readShardName, shardLimits } from './shards.ts'

/** The bindings and the variable that it needs. */
export interface AdmissionEnv {
  readonly ADMISSION: AdmissionNamespace
  readonly CONVERSATIONS: DurableObjectNamespace<ConversationObject>
}

/** What operators see and do. Its calls throw `unavailable` when a queue cannot be reached. */
export interface Queues {
  /** In the order of the configuration. */
  report(): Promise<ProviderQueue[]>
  /** @returns null when there is none of this id */
  findDeadLetter(id: string): Promise<(ProviderQueue['deadLetters'][number] & { provider: string }) | null>
  /** @returns false when there is none of this id (any more) */
  requeue(id: string): Promise<boolean>
}

export function queuesOf(admission: Admission): Queues {
  const report = async (): Promise<ProviderQueue[]> => {
    const statuses = await reached(admission.statuses())
    return statuses.map((status) => reportOf(status))
  }
  return {
    report,
    async findDeadLetter(id) {
      const at = readDeadLetterId(id)
      if (!at) return null
      const queue = (await report()).find(({ provider }) => provider === at.provider)
      const letter = queue?.deadLetters.find((each) => each.id === id)
      return letter ? { ...letter, provider: at.provider } : null
    },
    async requeue(id) {
      const at = readDeadLetterId(id)
      return at !== null && (await reached(admission.requeue(at.provider, at.shard, at.id)))
    },
  }
}

/** @throws AppError `unavailable` */
async function reached<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (cause) {
    throw new AppError('unavailable', 'The queue cannot be reached right now.', { cause })
  }
}

export function createAdmission(
  env: AdmissionEnv,
  providers: readonly QueuedProvider[],
  who: WhoAnswers,
): Admission {
  return admissionOf(env.ADMISSION, providers, who)
}

/** What the queue object of this name gets from the outside. */
export function queueParts(
  env: AdmissionEnv,
  providers: readonly QueuedProvider[],
  name: string,
  warn: QueueDeps['warn'],
): Pick<QueueDeps, 'limits' | 'tell' | 'warn'> {
  const { provider, index } = readShardName(name)
  const limits = providers.find((each) => each.name === provider)?.limits
  return {
    // Of a provider that has no limits any more, or is gone: all that still waits may go.
    limits: shardLimits(limits ?? {}, index),
    // A stub whose object died stays broken: each call takes a new one.
    tell: async (conversationId, turn, news) =>
      await env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(conversationId)).queueNews(turn, news),
    warn,
  }
}
