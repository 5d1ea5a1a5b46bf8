/**
 * The browser library: one `createParley()` gives the typed REST calls and live conversations over one session.
 * Everything that is meant for use is exported here, and nothing else.
 *
 *     const parley = createParley()
 *     const { id } = await parley.startConversation()
 *     const room = parley.connect(id)
 *     room.subscribe(() => console.log(room.snapshot.state.messages))
 *     room.open()
 *     room.send('Hello')
 */
import './no-eval.ts'
import { Api } from './api.ts'
import { ConversationConnection } from './connection.ts'
import { ConversationStarter } from './conversation-starter.ts'
import { browserEnvironment, type Environment, type KeyValueStore } from './environment.ts'
import { browserStore, Session } from './session.ts'
import type { Conversation } from '../protocol/message.ts'

export { Api, type ChatEvent } from './api.ts'
export { applyFrame } from './apply-frame.ts'
export { ConversationConnection, type ConversationSnapshot } from './connection.ts'
export {
  joinRequest,
  newConversationState,
  numberOf,
  runningTurn,
  type ConversationState,
  type PendingMessage,
  type Typist,
} from './conversation-state.ts'
export { browserEnvironment, type Environment, type KeyValueStore } from './environment.ts'
export type { LinkStatus } from './link-keeper.ts'
export { ParleyError, type ParleyErrorCode } from './parley-error.ts'
export { browserStore, memoryStore, Session } from './session.ts'

export interface ParleyOptions {
  /** Default: the browser, and the origin of the page. */
  readonly environment?: Environment
  /** Where the access token lives. Default: `localStorage`. */
  readonly tokenStore?: KeyValueStore
  /** Where unacknowledged messages outlive a reload. Default: `sessionStorage`. */
  readonly pendingStore?: KeyValueStore
}

export interface Parley {
  readonly session: Session
  readonly api: Api
  /** Makes a conversation. After a failure the next call finds the one that may have been made, instead of a second. */
  startConversation(): Promise<Conversation>
  /** A conversation that is not opened yet: subscribe, then `open()`. */
  connect(conversationId: string): ConversationConnection
}

export function createParley(options: ParleyOptions = {}): Parley {
  const env = options.environment ?? browserEnvironment()
  const session = new Session(env, options.tokenStore ?? browserStore('localStorage'))
  const api = new Api(env, session)
  const pendingStore = options.pendingStore ?? browserStore('sessionStorage')
  const starter = new ConversationStarter(env, api)
  return {
    session,
    api,
    startConversation: () => starter.start(),
    connect: (id) => new ConversationConnection(id, { env, api, pendingStore }),
  }
}
