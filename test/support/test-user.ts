/**
 * A guest as the REST API sees one: plain `fetch` with a token, and every answer checked against its shape.
 * Sockets are test-client.ts's.
 */
import type { z } from 'zod'
import {
  chatAnswer,
  conversationPage,
  guestAnswer,
  messagePage,
  problem,
  ticketAnswer,
  type ChatAnswer,
  type ConversationPage,
  type Problem,
} from '../../src/protocol/http.ts'
import { conversation, textOf, type Message } from '../../src/protocol/message.ts'
import { serverFrame, type ServerFrame } from '../../src/protocol/server-frames.ts'

export interface RequestOptions {
  /** An object is sent as JSON, a string as it is. */
  readonly body?: object | string | undefined
  /** Over the standard ones; undefined takes one away. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
}

export interface StreamEvent {
  readonly id: string
  readonly frame: ServerFrame
}

export class TestUser {
  readonly origin: string
  readonly token: string
  readonly id: string

  constructor(origin: string, token: string, id: string) {
    this.origin = origin
    this.token = token
    this.id = id
  }

  static async guest(origin: string): Promise<TestUser> {
    const response = await fetch(`${origin}/api/auth/guest`, { method: 'POST' })
    const { accessToken, user } = guestAnswer.parse(await response.json())
    return new TestUser(origin, accessToken, user.id)
  }

  /** The same person, on another way to the server. */
  by(origin: string): TestUser {
    return new TestUser(origin, this.token, this.id)
  }

  async request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const { body, headers, signal } = options
    const all: Record<string, string | undefined> = { authorization: `Bearer ${this.token}` }
    if (body !== undefined) all['content-type'] = 'application/json'
    Object.assign(all, headers)
    const kept = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)
    return await fetch(this.origin + path, {
      method,
      headers: kept,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
    })
  }

  async json<T>(shape: z.ZodType<T>, method: string, path: string, options?: RequestOptions): Promise<T> {
    const response = await this.request(method, path, options)
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return shape.parse(await response.json())
  }

  /** For requests that must fail. */
  async problem(method: string, path: string, options?: RequestOptions): Promise<Problem> {
    return await problemOf(await this.request(method, path, options))
  }

  async newConversation(): Promise<string> {
    return (await this.json(conversation, 'POST', '/api/conversations', { body: {} })).id
  }

  async conversations(): Promise<ConversationPage['conversations']> {
    return (await this.json(conversationPage, 'GET', '/api/conversations')).conversations
  }

  /** All of them, oldest first. */
  async messages(conversationId: string): Promise<Message[]> {
    const messages: Message[] = []
    let before: string | null = null
    do {
      const query: string = before === null ? '' : `&before=${before}`
      const path = `/api/conversations/${conversationId}/messages?limit=200${query}`
      const page = await this.json(messagePage, 'GET', path)
      messages.unshift(...page.messages)
      before = page.before
    } while (before !== null)
    return messages
  }

  /** Ids, states and texts of what is stored, as `RoomView.transcript` has them. */
  async transcript(conversationId: string): Promise<string[]> {
    const messages = await this.messages(conversationId)
    return messages.map((message) => `${message.id} ${message.role} ${message.status}: ${textOf(message)}`)
  }

  async chat(body: object): Promise<ChatAnswer> {
    return await this.json(chatAnswer, 'POST', '/api/chat', { body })
  }

  async ticket(): Promise<string> {
    return (await this.json(ticketAnswer, 'POST', '/api/auth/ticket')).ticket
  }
}

/** @throws Error when it is not a failure told in the house's form */
export async function problemOf(response: Response): Promise<Problem> {
  const type = response.headers.get('content-type')
  const text = await response.text()
  if (type !== 'application/problem+json')
    throw new Error(`${response.status} as ${type}: ${text.slice(0, 500)}`)
  const body = problem.parse(JSON.parse(text))
  if (body.status !== response.status)
    throw new Error(`status ${response.status} says that it is ${body.status}`)
  return body
}

/** The events of an SSE answer, until it ends. Leaving the loop closes the connection. */
export async function* readEvents(response: Response): AsyncGenerator<StreamEvent, void, undefined> {
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  let rest = ''
  for await (const text of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      if (block.startsWith(':')) continue
      const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]))
      const frame = serverFrame.parse(JSON.parse(fields.get('data') ?? 'null'))
      if (fields.get('event') !== frame.type)
        throw new Error(`event ${fields.get('event')} holds a ${frame.type}`)
      yield { id: fields.get('id') ?? '', frame }
    }
  }
}
