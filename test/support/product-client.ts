/**
 * The product's own client library as a person's browser runs it, in Node: real fetch, real sockets, real time. What it
 * holds is compared with what is stored; unlike test-client.ts it reconnects by itself.
 */
import {
  createParley,
  memoryStore,
  type ConversationConnection,
  type ConversationSnapshot,
  type Environment,
} from '../../src/client/index.ts'
import { textOf } from '../../src/protocol/message.ts'
import type { TestUser } from './test-user.ts'

export function nodeEnvironment(origin: string): Environment {
  return {
    origin,
    fetch: (url, init) => fetch(url, init),
    openSocket(url, events) {
      const socket = new WebSocket(url)
      socket.addEventListener('open', () => events.opened())
      socket.addEventListener('message', ({ data }) => events.message(data))
      socket.addEventListener('close', ({ code }) => events.closed(code))
      return { send: (text) => socket.send(text), close: (code) => socket.close(code) }
    },
    now: () => Date.now(),
    random: () => Math.random(),
    after(ms, run) {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
    newId: () => crypto.randomUUID(),
    isOnline: () => true,
    onWake: () => () => {},
    onOffline: () => () => {},
    onStoreChange: () => () => {},
    exclusively: (_name, run) => run(),
  }
}

/** A window of this person on a conversation, opened and not yet joined. */
export function openProductClient(user: TestUser, conversationId: string): ProductClient {
  const tokenStore = memoryStore()
  const farAway = Date.now() + 3600_000
  const session = {
    accessToken: user.token,
    expiresAt: farAway,
    renewAt: farAway,
    user: { id: user.id, name: 'Guest', role: 'guest' },
  }
  tokenStore.setItem('parley.session', JSON.stringify(session))
  const environment = nodeEnvironment(user.origin)
  const parley = createParley({ environment, tokenStore, pendingStore: memoryStore() })
  return new ProductClient(parley.connect(conversationId))
}

export class ProductClient {
  readonly connection: ConversationConnection

  constructor(connection: ConversationConnection) {
    this.connection = connection
    connection.open()
  }

  /** Ids, states and texts, in order, as `RoomView.transcript` has them. */
  get transcript(): string[] {
    return this.connection.snapshot.state.messages.map(
      (message) => `${message.id} ${message.role} ${message.status}: ${textOf(message)}`,
    )
  }

  /** Resolves when the snapshot is as wanted: now, or after some change. */
  async until(wanted: (snapshot: ConversationSnapshot) => boolean): Promise<void> {
    if (wanted(this.connection.snapshot)) return
    await new Promise<void>((resolve) => {
      const cancel = this.connection.subscribe(() => {
        if (!wanted(this.connection.snapshot)) return
        cancel()
        resolve()
      })
    })
  }

  close(): void {
    this.connection.close()
  }
}
