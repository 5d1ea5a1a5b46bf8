/**
 * The operators' part of the composition root: the objects that look after providers and incidents, what they get from the
 * outside, and the gate in front of every model call.
 */
import type { Admission } from './admission/admission-calls.ts'
import { createAdmission, queueParts } from './admission/wiring.ts'
import { readConfig, type Env } from './env.ts'
import type { DeskDeps } from './incidents/incident-desk.ts'
import type { IncidentsObject } from './incidents/incidents-object.ts'
import { firstToAsk, type Candidate } from './models/candidates.ts'
import { costOf } from './models/prices.ts'
import type { Model } from './models/model.ts'
import type { ProviderGate, Verdict } from './models/provider-gate.ts'
import { linkTo } from './operations/operations-calls.ts'
import type { OperationsLink } from './operations/operations-link.ts'
import type { OperationsDeps } from './operations/operations.ts'
import { perIsolate } from './per-isolate.ts'
import { chainOf, providersFor } from './providers.ts'
import { createServices, loggerOf } from './services.ts'

/** The object that knows all incidents; asked for anew each time, because one that failed once stays broken. */
export function incidentsOf(env: Env): DurableObjectStub<IncidentsObject> {
  return env.INCIDENTS.get(env.INCIDENTS.idFromName('global'))
}

/** What the incidents object gets from the outside; the rest it lends itself. */
export function incidentParts(env: Env): Pick<DeskDeps, 'rules' | 'webhooks' | 'note' | 'report'> {
  const logger = loggerOf(env)
  return {
    rules: readConfig(env).INCIDENT_RULES,
    webhooks: {
      send: async (events) => {
        // Also for whoever watches the log.
        for (const { id, type, data } of events) logger.warn('incident_notice', { id, type, data })
        const services = createServices(env)
        await services.ready()
        await services.webhooks.send(events)
      },
    },
    note: (event, details) => logger.warn(event, details),
    report: (event, error) => logger.error(event, error),
  }
}

/** What the object of operations gets from the outside; the rest it lends itself. */
export function operationsParts(
  env: Env,
): Pick<OperationsDeps, 'breaker' | 'isOffered' | 'log' | 'cost' | 'observe' | 'queues'> {
  const config = readConfig(env)
  return {
    breaker: config.BREAKER,
    isOffered: (provider, model) =>
      providersFor(env).list.some(
        ({ name, models, tiers }) =>
          name === provider && (models.includes(model) || Object.values(tiers).includes(model)),
      ),
    log: (event, details) => loggerOf(env).warn(event, details),
    cost: (_provider, model, tokens) => costOf(providersFor(env).prices, model, tokens).micros,
    observe: async (observation) => await incidentsOf(env).observe(observation),
    queues: async (told) => await admissionFor(env).observe(told),
  }
}

/** One for all requests and conversations of an isolate. */
export const operationsLinkOf = perIsolate((env): OperationsLink =>
  linkTo(env.OPERATIONS, readConfig(env).BREAKER.slowMs),
)

/** The queues in front of providers that have limits. */
export const admissionFor = perIsolate((env): Admission => {
  const { list, candidates } = providersFor(env)
  const link = operationsLinkOf(env)
  const going = new Set(list.filter(({ continuation }) => continuation !== 'none').map(({ name }) => name))
  const able = (model: string, goesOn: boolean): readonly Candidate[] =>
    goesOn ? candidates(model).filter(({ provider }) => going.has(provider)) : candidates(model)
  const verdictOf = (each: Candidate): Verdict => link.latelyOf(each.provider, each.model)
  return createAdmission(env, list, {
    first: (model, goesOn) => firstToAsk(able(model, goesOn), verdictOf)?.provider ?? null,
    mayAnswer: (provider, model, goesOn) =>
      firstToAsk(
        able(model, goesOn).filter((each) => each.provider === provider),
        verdictOf,
      ) !== null,
  })
})

/** What stands in front of every model call. */
const gateOf = perIsolate((env): ProviderGate =>
  operationsLinkOf(env).gateFor({
    // An object lives as long as it waits for anything.
    waitUntil: () => undefined,
    tryEnter: (provider, tokens) => admissionFor(env).tryEnter(provider, tokens),
  }),
)

/** All providers as one model, behind what is known of them. */
export const modelOf = perIsolate((env): Model => chainOf(env, gateOf(env)))

/** What a queue object gets from the outside. @param name of the object */
export function admissionParts(env: Env, name: string): ReturnType<typeof queueParts> {
  const { list } = providersFor(env)
  return queueParts(env, list, name, (event, details) => loggerOf(env).warn(event, details))
}
