/**
 * What `cloudflare:workers` hands to a test: the bindings of wrangler.toml, and the Worker under test.
 */
declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import('../../src/index.ts')
    durableNamespaces:
      | 'AdmissionObject'
      | 'ConversationObject'
      | 'TicketObject'
      | 'LimiterObject'
      | 'AttemptsObject'
      | 'ErasureObject'
      | 'IncidentsObject'
      | 'OperationsObject'
  }
  interface Env {
    ADMISSION: import('../../src/env.ts').Env['ADMISSION']
    CONVERSATIONS: import('../../src/env.ts').Env['CONVERSATIONS']
    ATTEMPTS: import('../../src/env.ts').Env['ATTEMPTS']
    TICKETS: import('../../src/env.ts').Env['TICKETS']
    LIMITER: import('../../src/env.ts').Env['LIMITER']
    /** A flood guard of few requests, for its test. */
    FLOOD_TEST: RateLimit
    ERASURES: import('../../src/env.ts').Env['ERASURES']
    INCIDENTS: import('../../src/env.ts').Env['INCIDENTS']
    OPERATIONS: import('../../src/env.ts').Env['OPERATIONS']
    DB: D1Database
    WEBHOOK_QUEUE: import('../../src/env.ts').Env['WEBHOOK_QUEUE']
  }
}

/** A file as its text, by Vite. */
declare module '*?raw' {
  const text: string
  export default text
}
