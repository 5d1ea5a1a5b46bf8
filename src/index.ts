/**
 * The Worker's entry: exports the app and the Durable Objects, whose names wrangler.toml binds.
 * No logic.
 */
import { app } from './app.ts'
import type { Env } from './env.ts'
import { runQueue, runRetention } from './services.ts'

export { AdmissionObject } from './admission/admission-object.ts'
export { AttemptsObject } from './auth/attempts-object.ts'
export { TicketObject } from './auth/ticket-object.ts'
export { ConversationObject } from './conversation/conversation-object.ts'
export { IncidentsObject } from './incidents/incidents-object.ts'
export { LimiterObject } from './limits/limiter-object.ts'
export { ErasureObject } from './privacy/erasure-object.ts'
export { OperationsObject } from './operations/operations-object.ts'

export default {
  fetch: app.fetch,
  queue: (batch, env) => runQueue(env, batch),
  scheduled: (_controller, env) => runRetention(env),
} satisfies ExportedHandler<Env>
