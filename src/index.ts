/**
 * The Worker's entry: exports the app and the Durable Objects, whose names wrangler.toml binds.
 * No logic.
 */
import { app } from './app.ts'

export { TicketObject } from './auth/ticket-object.ts'
export { ConversationObject } from './conversation/conversation-object.ts'

export default { fetch: app.fetch }
