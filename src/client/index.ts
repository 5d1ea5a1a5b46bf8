/**
 * The browser library: one `createParley()` gives the typed REST calls and live conversations over one session.
 * Only the calls of `api-*.ts` are not exported here, so that a page can load each of them when it needs it.
 *
 *     const parley = createParley()
 *     const { id } = await parley.startConversation()
 *     const room = parley.connect(id)
 *     room.subscribe(() => console.log(room.snapshot.state.messages))
 *     room.open()
 *     room.send('Hello')
 */
import './no-eval.ts'
import { Account } from './account.ts'
import { Api } from './api.ts'
import { Caller } from './caller.ts'
import { ConversationConnection } from './connection.ts'
import { ConversationStarter } from './conversation-starter.ts'
import { browserEnvironment, type Environment, type KeyValueStore } from './environment.ts'
import { Session } from './session.ts'
import { browserStore } from './stores.ts'
import type { Conversation } from '../protocol/message.ts'

export { Account } from './account.ts'
export { Api, type ChatEvent } from './api.ts'
export { applyFrame } from './apply-frame.ts'
export { ConversationConnection, type ConversationSnapshot } from './connection.ts'
export {
  joinRequest,
  mayWrite,
  newConversationState,
  numberOf,
  runningTurn,
  type ConversationState,
  type PendingMessage,
  type Typist,
} from './conversation-state.ts'
export { browserEnvironment, type Environment, type KeyValueStore } from './environment.ts'
export type { LinkStatus } from './link-keeper.ts'
export { ParleyError, type ParleyErrorCode, type SendError } from './parley-error.ts'
export { Session, type SessionSnapshot, type SessionUser } from './session.ts'
export { browserStore, memoryStore } from './stores.ts'

export interface ParleyOptions {
  /** Default: the browser, and the origin of the page. */
  readonly environment?: Environment
  /** Where the tokens live. Default: `localStorage`. */
  readonly tokenStore?: KeyValueStore
  /** Where unacknowledged messages outlive a reload. Default: `sessionStorage`. */
  readonly pendingStore?: KeyValueStore
}

export interface Parley {
  readonly session: Session
  readonly account: Account
  readonly api: Api
  /** What the calls of `api-*.ts` are made with. */
  readonly caller: Caller
  /** Makes a conversation. After a failure the next call finds the one that may have been made, instead of a second. */
  startConversation(): Promise<Conversation>
  /** A conversation that is not opened yet: subscribe, then `open()`. */
  connect(conversationId: string): ConversationConnection
}

export function createParley(options: ParleyOptions = {}): Parley {
  const env = options.environment ?? browserEnvironment()
  const session = new Session(env, options.tokenStore ?? browserStore('localStorage'))
  const caller = new Caller(env, session)
  const api = new Api(env.origin, caller)
  const pendingStore = options.pendingStore ?? browserStore('sessionStorage')
  const starter = new ConversationStarter(env, api)
  return {
    session,
    account: new Account(env, session),
    api,
    caller,
    startConversation: () => starter.start(),
    connect: (id) => new ConversationConnection(id, { env, api, pendingStore }),
  }
}
