/**
 * How everyone reaches the queues: with one repeat when a call is lost on the way (a deployment, a move of the object). All
 * calls may be repeated. Which provider has a queue, and which object of it is meant, is known here, from memory.
 */
import type { QueuesTold, ToldSlots } from '../incidents/observation.ts'
import type { Lease } from '../models/provider-gate.ts'
import type { ProviderLimits } from '../protocol/provider-limits.ts'
import type { QueueAnswer, AdmissionQueue } from './admission.ts'
import type { AdmissionObject } from './admission-object.ts'
import { observedOf } from './queue-observations.ts'
import type { QueueInterval, QueueStatus } from './queue-status.ts'
import { isLimited, shardCount, shardName, shardOf } from './shards.ts'

export type AdmissionNamespace = DurableObjectNamespace<AdmissionObject>
/** What has to be known of a provider here. */
export interface QueuedProvider {
  readonly name: string
  readonly limits?: ProviderLimits | undefined
}

/** A lease is renewed three times in its life, so that one lost renewal is no lost place. */
const RENEW_EVERY_MS = 10_000

export interface Admission extends AdmissionQueue {
  /** As `ProviderGate.tryEnter`: never throws; a queue that cannot be asked has no room. */
  tryEnter(provider: string, tokens: () => number): Promise<Lease | null> | undefined
  /** Of all objects of all providers that have a queue; `null` for an object in which nothing has been yet. */
  statuses(): Promise<readonly ProviderStatus[]>
  /** @returns false when there is no such dead letter */
  requeue(provider: string, shard: number, id: number): Promise<boolean>
  /** What is over and was not told to the incidents. @param told as the answer before this one says */
  observe(told: ToldSlots): Promise<QueuesTold>
}

export interface ProviderStatus {
  readonly provider: string
  readonly limits: ProviderLimits
  /** One per shard, in their order. */
  readonly shards: readonly (QueueStatus | null)[]
}

/** What is known of who can answer, from memory. @see AdmissionQueue */
export interface WhoAnswers {
  /** The provider that is to be asked first now for what is named; null when nobody can be asked. */
  first(model: string, goesOn: boolean): string | null
  mayAnswer(provider: string, model: string, goesOn: boolean): boolean
}

export function admissionOf(
  queues: AdmissionNamespace,
  providers: readonly QueuedProvider[],
  who: WhoAnswers,
): Admission {
  const limited = new Map<string, ProviderLimits>()
  for (const { name, limits } of providers) if (isLimited(limits)) limited.set(name, limits)

  /** There are as many as shards, and working one out costs as much as a grant. */
  const ids = new Map<string, DurableObjectId>()
  const idOf = (name: string): DurableObjectId => {
    const id = ids.get(name) ?? queues.idFromName(name)
    ids.set(name, id)
    return id
  }

  async function ask<T>(name: string, call: (stub: DurableObjectStub<AdmissionObject>) => Promise<T>) {
    // A stub whose object died stays broken: each call takes a new one.
    const once = (): Promise<T> => call(queues.get(idOf(name)))
    try {
      return await once()
    } catch {
      return await once()
    }
  }

  const objectOf = (provider: string, conversationId: string): string => {
    const limits = limited.get(provider)
    return shardName(provider, limits ? shardOf(conversationId, limits) : 0)
  }
  const objectsOf = (provider: string, limits: ProviderLimits): string[] =>
    Array.from({ length: shardCount(limits) }, (_, i) => shardName(provider, i))
  const each = <T>(
    call: (stub: DurableObjectStub<AdmissionObject>) => Promise<T>,
  ): Promise<{ provider: string; limits: ProviderLimits; shards: T[] }[]> =>
    Promise.all(
      [...limited].map(async ([provider, limits]) => {
        const shards = await Promise.all(objectsOf(provider, limits).map((name) => ask(name, call)))
        return { provider, limits, shards }
      }),
    )

  const admission: Admission = {
    queueOf(model, goesOn) {
      if (limited.size === 0) return null
      const provider = who.first(model, goesOn)
      return provider !== null && limited.has(provider) ? provider : null
    },
    isOfUse: (provider, model, goesOn) => who.mayAnswer(provider, model, goesOn),
    enter(entry) {
      const name = objectOf(entry.provider, entry.conversationId)
      return ask<QueueAnswer>(name, async (stub) => await stub.enter(name, entry))
    },
    leave: ({ provider, conversationId, turn }) =>
      ask(objectOf(provider, conversationId), (stub) => stub.leave({ conversationId, turn })),
    renew: ({ provider, grantId }, conversationId) =>
      ask(objectOf(provider, conversationId), (stub) => stub.renew(grantId, conversationId)),
    release: ({ provider, grantId }, conversationId, usedTokens) =>
      ask(objectOf(provider, conversationId), (stub) => stub.release(grantId, conversationId, usedTokens)),
    tryEnter: (provider, tokens) =>
      limited.has(provider) ? enterInPassing(provider, tokens()).catch(() => null) : undefined,
    statuses: () => each<QueueStatus | null>(async (stub) => await stub.status()),
    async requeue(provider, shard, id) {
      const limits = limited.get(provider)
      if (!limits || shard >= shardCount(limits)) return false
      return await ask(shardName(provider, shard), (stub) => stub.requeue(id))
    },
    observe: (told) =>
      observedOf(
        [...limited].map(([provider, limits]) => ({ provider, objects: objectsOf(provider, limits) })),
        told,
        (name, after) => ask<QueueInterval | null>(name, async (stub) => await stub.interval(after)),
      ),
  }

  async function enterInPassing(provider: string, tokens: number): Promise<Lease | null> {
    const id = `call:${crypto.randomUUID()}`
    const name = objectOf(provider, id)
    const given = await ask(name, async (stub) => await stub.pass(name, { provider, tokens }, id))
    if (!given) return null
    const grant = { provider, ...given }
    const stop = (): void => clearInterval(timer)
    const timer = setInterval(() => {
      admission.renew(grant, id).then(
        (isHeld) => void (isHeld || stop()),
        () => {
          // The next one may come through; if none does, the place is free again.
        },
      )
    }, RENEW_EVERY_MS)
    let isHeld = true
    return {
      release(usedTokens) {
        if (!isHeld) return
        isHeld = false
        stop()
        admission.release(grant, id, usedTokens).catch(() => {
          // Its lease ends by itself.
        })
      },
    }
  }

  return admission
}
