/**
 * What `cloudflare:workers` hands to a test: the bindings of wrangler.toml, and the Worker under test.
 */
declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import('../../src/index.ts')
    durableNamespaces: 'ConversationObject' | 'TicketObject'
  }
  interface Env {
    CONVERSATIONS: import('../../src/env.ts').Env['CONVERSATIONS']
    TICKETS: import('../../src/env.ts').Env['TICKETS']
    DB: D1Database
  }
}
