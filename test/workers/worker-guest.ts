/**
 * Somebody who uses the Worker under test: a guest with an access token, HTTP requests, and sockets. Also the model
 * server's client and the stub of a conversation's object, for what a guest cannot do.
 */
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { inject } from 'vitest'
import type { ConversationStub } from '../../src/services.ts'
import {
  guestAnswer,
  messagePage,
  ticketAnswer,
  type ChatAnswer,
  type Problem,
} from '../../src/protocol/http.ts'
import { conversation, type Message } from '../../src/protocol/message.ts'
import { ModelServerClient } from '../support/model-server-client.ts'
import { MESSAGE_MARK } from '../support/private-marks.ts'
import { TestSocket } from './test-socket.ts'

const ORIGIN = 'http://parley.test'

export const model = new ModelServerClient(inject('modelUrl'))

/** Asks the Worker. */
export function ask(path: string, init: RequestInit = {}): Promise<Response> {
  return exports.default.fetch(ORIGIN + path, init)
}

export function stubOf(conversationId: string): ConversationStub {
  return env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(conversationId))
}

/** When the alarm of a conversation's object is due. */
export const alarmOf = (conversationId: string): Promise<number | null> =>
  runInDurableObject(stubOf(conversationId), (_, { storage }) => storage.getAlarm())

/** A word that no other test says, so that a call of the model can be told from those of others. */
export const unique = (): string => crypto.randomUUID()

/** A message with directives for the model server; `tag` tells its call from others. */
export const message = (tag: string, directives = ''): string => `${MESSAGE_MARK} ${tag} [[${directives}]]`

export class Guest {
  readonly token: string
  readonly userId: string
  readonly name: string

  private constructor(token: string, user: { id: string; name: string }) {
    this.token = token
    this.userId = user.id
    this.name = user.name
  }

  static async arrive(): Promise<Guest> {
    const response = await ask('/api/auth/guest', { method: 'POST' })
    const { accessToken, user } = guestAnswer.parse(await response.json())
    return new Guest(accessToken, user)
  }

  /** @param body sent as JSON, unless it is text already */
  request(method: string, path: string, body?: unknown, headers: HeadersInit = {}): Promise<Response> {
    const all = new Headers(headers)
    all.set('authorization', `Bearer ${this.token}`)
    if (body === undefined) return ask(path, { method, headers: all })
    if (!all.has('content-type')) all.set('content-type', 'application/json')
    return ask(path, { method, headers: all, body: typeof body === 'string' ? body : JSON.stringify(body) })
  }

  async createConversation(title?: string): Promise<string> {
    const response = await this.request('POST', '/api/conversations', title === undefined ? {} : { title })
    return conversation.parse(await response.json()).id
  }

  /** Sends a message and waits for its answer. */
  async chat(body: Record<string, unknown>): Promise<ChatAnswer> {
    const response = await this.request('POST', '/api/chat', body)
    if (!response.ok) throw new Error(`chat: ${response.status} ${await response.text()}`)
    return await response.json()
  }

  async messages(conversationId: string): Promise<Message[]> {
    const response = await this.request('GET', `/api/conversations/${conversationId}/messages?limit=200`)
    return messagePage.parse(await response.json()).messages
  }

  async ticket(): Promise<string> {
    const response = await this.request('POST', '/api/auth/ticket')
    return ticketAnswer.parse(await response.json()).ticket
  }

  /** Opens a socket; it has not joined yet. */
  async connect(conversationId: string): Promise<TestSocket> {
    const response = await this.upgrade(conversationId, await this.ticket())
    if (!response.webSocket) throw new Error(`no socket: ${response.status} ${await response.text()}`)
    return new TestSocket(response.webSocket)
  }

  /** Opens a socket and joins. */
  async join(conversationId: string, options: Record<string, unknown> = {}): Promise<TestSocket> {
    const socket = await this.connect(conversationId)
    await socket.join(options)
    return socket
  }

  upgrade(conversationId: string, ticket: string): Promise<Response> {
    const query = new URLSearchParams({ ticket })
    const headers = { upgrade: 'websocket' }
    return ask(`/api/conversations/${conversationId}/ws?${query.toString()}`, { headers })
  }
}

/** What an error says, apart from its request id, which is never the same. */
export async function problemOf(response: Response): Promise<Omit<Problem, 'requestId'>> {
  const { requestId: _, ...problem } = await response.json<Problem>()
  return problem
}
