/**
 * The Durable Object of one conversation: transport only. It accepts sockets, restores them after a sleep, and hands
 * each frame, call and alarm to `Conversation` in one line. It lends storage, time and the alarm, and decides nothing.
 *
 * The only callers are Workers of this application: they have verified who is asking.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import { AppError, type Result } from '../errors.ts'
import type { MessagePage, StopAnswer } from '../protocol/http.ts'
import { PING, PONG } from '../protocol/limits.ts'
import type { Conversation as ConversationShape, Message } from '../protocol/message.ts'
import { PRINCIPAL_HEADER, principal as principalShape, type Principal } from '../protocol/principal.ts'
import { conversationParts } from '../services.ts'
import type { ChatInput } from './chat-input.ts'
import { Conversation, notFound, type Accepted } from './conversation.ts'
import { applyMigrations, openDatabase, wasCreated, type Database } from './database.ts'
import type { ConversationDeps } from './deps.ts'
import { messageIdOf, turnIdOf } from './events.ts'
import { errorFrame, receive } from './frame-intake.ts'
import { SocketReader } from './socket-reader.ts'
import { TurnReader } from './turn-reader.ts'

export class ConversationObject extends DurableObject<Env> {
  readonly #db: Database
  readonly #deps: ConversationDeps
  #conversation: Conversation | null = null
  #recovered = false
  readonly #readers = new Map<WebSocket, SocketReader>()

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#db = openDatabase(ctx.storage)
    this.#deps = {
      ...conversationParts(env),
      now: () => Date.now(),
      after(ms, run) {
        const timer = setTimeout(run, ms)
        return () => clearTimeout(timer)
      },
      wakeAt: (time) => void ctx.storage.setAlarm(time),
      erase: () => this.#erase(),
    }
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG))
    void ctx.blockConcurrencyWhile(async () => {
      if (!wasCreated(ctx.storage)) return
      await applyMigrations(this.#db)
      this.#conversation = Conversation.load(this.#db, this.#deps)
      for (const socket of ctx.getWebSockets()) this.#restore(socket)
    })
  }

  /** Answers without touching storage: for the readiness probe. */
  ping(): 'pong' {
    return 'pong'
  }

  /** Creates the conversation, or finds that its owner did before. */
  async create(owner: Principal, id: string, title: string): Promise<Result<ConversationShape>> {
    return await settled(async () => {
      const conversation = await this.#created(owner, id, title)
      await conversation.settle()
      return conversation.describe()
    })
  }

  /** Creates the conversation with its first message; what is refused creates nothing. */
  async begin(owner: Principal, id: string, input: ChatInput): Promise<Result<Accepted>> {
    return await settled(async () => {
      const refusal = this.#conversation ? null : Conversation.refusalOfFirst(this.#deps, input)
      if (refusal) throw refusal
      const conversation = await this.#created(owner, id, '')
      const accepted = conversation.chat(owner, input)
      await conversation.settle()
      return accepted
    })
  }

  async describe(principal: Principal): Promise<Result<ConversationShape>> {
    return await settled(() => this.#current(principal).describe())
  }

  async rename(principal: Principal, title: string): Promise<Result<ConversationShape>> {
    return await settled(() => this.#current(principal).rename(title))
  }

  /** @returns whether the list knows it already */
  async remove(principal: Principal): Promise<Result<boolean>> {
    return await settled(() => this.#current(principal).remove())
  }

  async messages(
    principal: Principal,
    before: string | undefined,
    limit: number,
  ): Promise<Result<MessagePage>> {
    return await settled(() => this.#current(principal).page(before, limit))
  }

  async chat(principal: Principal, input: ChatInput): Promise<Result<Accepted>> {
    return await settled(() => this.#current(principal).chat(principal, input))
  }

  /** Waits for the end of a turn. */
  async answer(principal: Principal, turnId: string): Promise<Result<Message>> {
    return await settled(() => this.#current(principal).answer(turnId))
  }

  async stop(principal: Principal, turnId: string): Promise<Result<StopAnswer>> {
    return await settled(() => this.#current(principal).stop(turnId))
  }

  /** The frames of one turn, as JSON lines, until it ends. */
  async follow(
    principal: Principal,
    messageId: string,
    after: number,
    have: number | undefined,
  ): Promise<Result<ReadableStream<Uint8Array>>> {
    return await settled(() => {
      const conversation = this.#current(principal)
      const turn = conversation.turnOf(messageId)
      const names = { turnId: turnIdOf(turn.number), messageId: messageIdOf(turn.number) }
      const reader = new TurnReader(principal, names, (gone) => conversation.audience.leave(gone))
      if (!conversation.audience.follow(reader, turn, after, have)) reader.end()
      return reader.stream
    })
  }

  /** Opens a socket. The Worker has checked the ticket; the principal comes in a header that only it can set. */
  override async fetch(request: Request): Promise<Response> {
    const principal = principalShape.parse(JSON.parse(request.headers.get(PRINCIPAL_HEADER) ?? 'null'))
    const result = await settled(() => {
      this.#current(principal)
      const { 0: client, 1: server } = new WebSocketPair()
      this.ctx.acceptWebSocket(server)
      this.#readers.set(server, SocketReader.accept(server, principal))
      return new Response(null, { status: 101, webSocket: client })
    })
    return result.ok
      ? result.value
      : Response.json(result.error, { status: AppError.fromShape(result.error).status })
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    const requestId = crypto.randomUUID()
    const reader = this.#readers.get(socket) ?? this.#restore(socket)
    if (!reader) return
    let conversation: Conversation
    try {
      conversation = this.#current(reader.principal)
    } catch (error) {
      socket.send(JSON.stringify(errorFrame(error, requestId)))
      return
    }
    receive(conversation, reader, data, requestId, (error) =>
      this.#deps.report('frame_failed', error, { requestId, conversationId: conversation.describe().id }),
    )
  }

  override webSocketClose(socket: WebSocket): void {
    // The runtime answers no close of a hibernating socket: unanswered, the client waits, and ends with 1006.
    socket.close(1000)
    this.#forget(socket)
  }

  override webSocketError(socket: WebSocket): void {
    this.#forget(socket)
  }

  override async alarm(): Promise<void> {
    await this.#conversation?.alarm()
  }

  async #created(owner: Principal, id: string, title: string): Promise<Conversation> {
    if (!this.#conversation) {
      await applyMigrations(this.#db)
      this.#conversation ??= Conversation.create(this.#db, this.#deps, { id, ownerId: owner.userId, title })
    }
    return this.#current(owner)
  }

  /** @throws AppError `not_found` for a stranger as for nothing */
  #current(principal: Principal): Conversation {
    const conversation = this.#conversation
    if (!conversation) throw notFound()
    conversation.authorize(principal)
    if (!this.#recovered) {
      this.#recovered = true
      conversation.recover()
    }
    return conversation
  }

  #restore(socket: WebSocket): SocketReader | null {
    const reader = SocketReader.restore(socket)
    if (!reader) return null
    this.#readers.set(socket, reader)
    if (reader.joined) this.#conversation?.audience.restore(reader)
    return reader
  }

  #forget(socket: WebSocket): void {
    const reader = this.#readers.get(socket)
    this.#readers.delete(socket)
    if (reader?.joined) this.#conversation?.audience.leave(reader)
  }

  async #erase(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    this.#conversation = null
    this.#recovered = false
    this.#readers.clear()
  }
}

/** Expected failures leave as values: a thrown error loses its class on the way to the Worker. */
async function settled<T>(run: () => T | Promise<T>): Promise<Result<T>> {
  try {
    return { ok: true, value: await run() }
  } catch (error) {
    if (error instanceof AppError) return { ok: false, error: error.toShape() }
    throw error
  }
}
