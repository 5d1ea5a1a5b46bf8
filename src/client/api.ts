/**
 * The REST routes of conversations as typed calls. How a call is made, and what it throws, is `caller.ts`; the routes of
 * accounts, members, limits and administration have files of their own, which a page loads when it needs them.
 */
import * as http from '../protocol/http.ts'
import type {
  ChatAnswer,
  ChatBody,
  ContinueAnswer,
  ConversationPage,
  CreateConversationBody,
  MessagePage,
  StopAnswer,
} from '../protocol/http.ts'
import { conversation, type Conversation } from '../protocol/message.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'
import { conversationPath as at, search, type Call, type Caller } from './caller.ts'
import { ParleyError } from './parley-error.ts'
import { parseServerFrame } from './server-frame-parser.ts'
import { readSse } from './sse.ts'

export interface ChatEvent {
  readonly frame: ServerFrame
  /** Where to resume, as `Last-Event-ID`. */
  readonly id: string
}

export class Api {
  readonly #origin: string
  readonly #caller: Caller

  /** @param origin of the server */
  constructor(origin: string, caller: Caller) {
    this.#origin = origin
    this.#caller = caller
  }

  /** With an `idempotencyKey` a repeat after a lost answer finds the conversation that was made (rule I5). */
  async createConversation(body: CreateConversationBody = {}): Promise<Conversation> {
    return this.#caller.json({ method: 'POST', path: '/api/conversations', body }, conversation)
  }

  /** Newest activity first. */
  async listConversations(query: { limit?: number; cursor?: string } = {}): Promise<ConversationPage> {
    return this.#caller.json(
      { method: 'GET', path: `/api/conversations${search(query)}` },
      http.conversationPage,
    )
  }

  async getConversation(id: string): Promise<Conversation> {
    return this.#caller.json({ method: 'GET', path: at(id) }, conversation)
  }

  async renameConversation(id: string, title: string): Promise<Conversation> {
    return this.#caller.json({ method: 'PATCH', path: at(id), body: { title } }, conversation)
  }

  async deleteConversation(id: string): Promise<void> {
    await this.#caller.done({ method: 'DELETE', path: at(id) })
  }

  /** Oldest first; `before` of the answer reads the page before this one. */
  async listMessages(id: string, query: { limit?: number; before?: string } = {}): Promise<MessagePage> {
    return this.#caller.json({ method: 'GET', path: `${at(id)}/messages${search(query)}` }, http.messagePage)
  }

  async stopTurn(id: string, turnId: string): Promise<StopAnswer> {
    return this.#caller.json({ method: 'POST', path: `${at(id)}/stop`, body: { turnId } }, http.stopAnswer)
  }

  /** Has an answer that failed or was interrupted go on; only for who asked. */
  async continueTurn(id: string, turnId: string): Promise<ContinueAnswer> {
    const call = { method: 'POST', path: `${at(id)}/continue`, body: { turnId } } as const
    return this.#caller.json(call, http.continueAnswer)
  }

  /** Sends a message and waits for the finished answer, however long that takes. */
  async chat(body: ChatBody, signal?: AbortSignal): Promise<ChatAnswer> {
    const never = new AbortController().signal
    return this.#caller.json(
      { method: 'POST', path: '/api/chat', body, signal: signal ?? never },
      http.chatAnswer,
    )
  }

  /**
   * Sends a message and yields the events of its turn as they happen. Leaving the loop closes the connection and stops
   * nothing (rule T1). A stream that ends without an event that ends the turn, and without `conversation_deleted`, was cut
   * (rule C4): resume it.
   */
  async *streamChat(body: ChatBody, signal?: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    yield* this.#events({ method: 'POST', path: '/api/chat/stream', body, signal })
  }

  /** Continues a stream after the event `lastEventId`; without it, from the beginning of the turn (rule S3). */
  async *resumeStream(
    id: string,
    messageId: string,
    lastEventId?: string,
    signal?: AbortSignal,
  ): AsyncGenerator<ChatEvent, void, undefined> {
    const headers: Record<string, string> = lastEventId ? { 'last-event-id': lastEventId } : {}
    yield* this.#events({ method: 'GET', path: `${at(id)}/messages/${messageId}/stream`, headers, signal })
  }

  /** A single-use ticket, with which a browser opens a socket (rule W1). */
  async socketTicket(): Promise<string> {
    return (await this.#caller.json({ method: 'POST', path: '/api/auth/ticket' }, http.ticketAnswer)).ticket
  }

  /** For a socket that asks who is there. */
  async accessToken(): Promise<string> {
    return await this.#caller.token()
  }

  socketUrl(id: string, ticket: string): string {
    return `${this.#origin.replace(/^http/, 'ws')}${at(id)}/ws?ticket=${encodeURIComponent(ticket)}`
  }

  async *#events(call: Call): AsyncGenerator<ChatEvent, void, undefined> {
    const gone = new AbortController()
    const signal = call.signal ? AbortSignal.any([call.signal, gone.signal]) : gone.signal
    try {
      const response = await this.#caller.send({
        ...call,
        headers: { accept: 'text/event-stream', ...call.headers },
        signal,
      })
      if (!response.body) return
      for await (const event of readSse(response.body)) {
        const frame = parseServerFrame(event.data)
        if (frame && frame.type !== 'unknown_event') yield { frame, id: event.id }
      }
    } catch (error) {
      throw ParleyError.from(error)
    } finally {
      gone.abort()
    }
  }
}
