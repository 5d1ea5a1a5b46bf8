/**
 * Admission over the bindings: who asks gets the queues of the providers of this installation, and a queue object its
 * limits and the way to the conversations that wait in it.
 */
import type { ConversationObject } from '../conversation/conversation-object.ts'
import { AppError } from '../errors.ts'
import { providerList } from '../protocol/provider-config.ts'
import type { QueueListener } from './admission.ts'
import {
  admissionOf,
  type Admission,
  type AdmissionNamespace,
  type QueuedProvider,
} from './admission-calls.ts'
import type { QueueDeps } from './admission-queue.ts'
import { readShardName, shardLimits } from './shards.ts'

/** The bindings and the variable that it needs. */
export interface AdmissionEnv {
  readonly ADMISSION: AdmissionNamespace
  readonly CONVERSATIONS: DurableObjectNamespace<ConversationObject>
}

export function createAdmission(env: AdmissionEnv, providers: readonly QueuedProvider[]): Admission {
  return admissionOf(env.ADMISSION, providers)
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
    tell: async (conversationId, turn, news) => await listenerOf(env, conversationId).queueNews(turn, news),
    warn,
  }
}

/** The conversation that waits, as what it is here. */
function listenerOf({ CONVERSATIONS }: AdmissionEnv, conversationId: string): QueueListener {
  const stub: unknown = CONVERSATIONS.get(CONVERSATIONS.idFromName(conversationId))
  return stub as QueueListener
}

/**
 * `MODEL_PROVIDERS` as a variable has it: JSON, as text or as a table. Nothing is no provider.
 *
 * @throws AppError `misconfigured`, without the value
 */
export function readProviders(variable: unknown): readonly QueuedProvider[] {
  if (variable === undefined || (typeof variable === 'string' && variable.trim() === '')) return []
  try {
    return providerList.parse(typeof variable === 'string' ? JSON.parse(variable) : variable)
  } catch {
    throw new AppError('misconfigured', 'The variable MODEL_PROVIDERS is invalid.')
  }
}
