/**
 * The REST routes as typed calls. Each sends the session's token, replaces a refused one once, checks the answer's shape,
 * and throws a {@link ParleyError} for everything that is not the answer. Nothing is retried here: who calls knows better.
 */
import type * as z from 'zod'
import * as http from '../protocol/http.ts'
import type {
  ChatAnswer,
  ChatBody,
  ConversationPage,
  CreateConversationBody,
  MessagePage,
  StopAnswer,
} from '../protocol/http.ts'
import { conversation, type Conversation } from '../protocol/message.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'
import type { Environment } from './environment.ts'
import { ParleyError } from './parley-error.ts'
import { parseServerFrame } from './server-frame-parser.ts'
import type { Session } from './session.ts'
import { readSse } from './sse.ts'

/** Answers that take longer than this count as lost. `chat`, which waits for a model, has no such limit. */
const REQUEST_TIMEOUT_MS = 20_000

interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** Absent: the standard time-out. */
  readonly signal?: AbortSignal | undefined
}

export interface ChatEvent {
  readonly frame: ServerFrame
  /** Where to resume, as `Last-Event-ID`. */
  readonly id: string
}

export class Api {
  readonly #env: Environment
  readonly #session: Session

  constructor(env: Environment, session: Session) {
    this.#env = env
    this.#session = session
  }

  /** With an `idempotencyKey` a repeat after a lost answer finds the conversation that was made (rule I5). */
  async createConversation(body: CreateConversationBody = {}): Promise<Conversation> {
    return this.#json({ method: 'POST', path: '/api/conversations', body }, conversation)
  }

  /** Newest activity first. */
  async listConversations(query: { limit?: number; cursor?: string } = {}): Promise<ConversationPage> {
    return this.#json({ method: 'GET', path: `/api/conversations${search(query)}` }, http.conversationPage)
  }

  async getConversation(id: string): Promise<Conversation> {
    return this.#json({ method: 'GET', path: at(id) }, conversation)
  }

  async renameConversation(id: string, title: string): Promise<Conversation> {
    return this.#json({ method: 'PATCH', path: at(id), body: { title } }, conversation)
  }

  async deleteConversation(id: string): Promise<void> {
    const response = await this.#send({ method: 'DELETE', path: at(id) })
    await response.body?.cancel()
  }

  /** Oldest first; `before` of the answer reads the page before this one. */
  async listMessages(id: string, query: { limit?: number; before?: string } = {}): Promise<MessagePage> {
    return this.#json({ method: 'GET', path: `${at(id)}/messages${search(query)}` }, http.messagePage)
  }

  async stopTurn(id: string, turnId: string): Promise<StopAnswer> {
    return this.#json({ method: 'POST', path: `${at(id)}/stop`, body: { turnId } }, http.stopAnswer)
  }

  /** Sends a message and waits for the finished answer. */
  async chat(body: ChatBody, signal?: AbortSignal): Promise<ChatAnswer> {
    const never = new AbortController().signal
    return this.#json({ method: 'POST', path: '/api/chat', body, signal: signal ?? never }, http.chatAnswer)
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
    return (await this.#json({ method: 'POST', path: '/api/auth/ticket' }, http.ticketAnswer)).ticket
  }

  socketUrl(id: string, ticket: string): string {
    return `${this.#env.origin.replace(/^http/, 'ws')}${at(id)}/ws?ticket=${encodeURIComponent(ticket)}`
  }

  async *#events(call: Call): AsyncGenerator<ChatEvent, void, undefined> {
    const gone = new AbortController()
    const signal = call.signal ? AbortSignal.any([call.signal, gone.signal]) : gone.signal
    try {
      const response = await this.#send({
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

  async #json<T>(call: Call, shape: z.ZodType<T>): Promise<T> {
    const response = await this.#send(call)
    const body: unknown = await response.json().catch(() => undefined)
    const answer = shape.safeParse(body)
    if (answer.success) return answer.data
    throw new ParleyError({
      code: 'bad_answer',
      detail: 'The server answered with something that this page does not understand.',
      status: response.status,
      retryable: true,
      cause: answer.error,
    })
  }

  async #send(call: Call): Promise<Response> {
    const token = await this.#session.token()
    const response = await this.#fetch(call, token)
    if (response.status !== 401) return await okOrThrow(response)
    await response.body?.cancel()
    return await okOrThrow(await this.#fetch(call, await this.#session.replace(token)))
  }

  async #fetch({ method, path, body, headers, signal }: Call, token: string): Promise<Response> {
    try {
      return await this.#env.fetch(this.#env.origin + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: signal ?? AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
    } catch (error) {
      throw ParleyError.network(error)
    }
  }
}

async function okOrThrow(response: Response): Promise<Response> {
  if (response.ok) return response
  throw await ParleyError.fromResponse(response)
}

const at = (conversationId: string) => `/api/conversations/${encodeURIComponent(conversationId)}`

function search(query: Record<string, string | number | undefined>): string {
  const entries = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)]],
  )
  const text = new URLSearchParams(entries).toString()
  return text && `?${text}`
}
