/**
 * The Durable Object of one conversation: transport only. It accepts sockets, restores them after a sleep, and hands
 * each frame, call and alarm to `Conversation` in one line. It lends storage, time and the alarm, and decides nothing.
 *
 * The only callers are Workers of this application: they have verified who is asking.
 */
import { DurableObject } from 'cloudflare:workers'
import type { QueueNews } from '../admission/admission.ts'
import type { Env } from '../env.ts'
import { AppError, ERRORS, type ErrorCode, type Result } from '../errors.ts'
import type { ContinueAnswer, MessagePage, StopAnswer } from '../protocol/http.ts'
import { PING, PONG } from '../protocol/limits.ts'
import type {
  AcceptInviteAnswer,
  CreateInviteBody,
  CreateShareBody,
  GivenRole,
  Invite,
  Member,
  MemberList,
  Share,
  SharedBranch,
} from '../protocol/members.ts'
import type { Conversation as ConversationShape, Message } from '../protocol/message.ts'
import type { MemberAction } from '../protocol/permissions.ts'
import { PRINCIPAL_HEADER, principal as principalShape, type Principal } from '../protocol/principal.ts'
import { conversationParts } from '../lending.ts'
import { Caretaker, type OwnPart, type Trace } from './caretaker.ts'
import type { ChatInput } from './chat-input.ts'
import { refusalOfFirst, type Accepted } from './acceptance.ts'
import { notFound } from './access.ts'
import { Conversation } from './conversation.ts'
import { applyMigrations, openDatabase, wasCreated, type Database } from './database.ts'
import type { ConversationDeps } from './deps.ts'
import type { Doors } from './doors.ts'
import { errorFrame, receive } from './frame-intake.ts'
import { platformParts } from './platform.ts'
import { settled } from './settled.ts'
import { SocketReader } from './socket-reader.ts'
import { reserveFirst } from './turn-quota.ts'

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
      ...platformParts(ctx.storage),
      erase: () => this.#erase(),
    }
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG))
    void ctx.blockConcurrencyWhile(async () => {
      if (!wasCreated(ctx.storage)) return
      await applyMigrations(this.#db)
      this.#conversation = Conversation.load(this.#db, this.#deps, await ctx.storage.getAlarm())
      for (const socket of ctx.getWebSockets()) this.#restore(socket)
    })
  }

  /** For the readiness probe: touches no storage. */
  ping(): 'pong' {
    return 'pong'
  }

  /** Creates the conversation, or finds that its owner did before. */
  async create(owner: Principal, id: string, title: string): Promise<Result<ConversationShape>> {
    return await settled(async () => {
      const conversation = await this.#created(owner, id, title)
      await conversation.settle()
      return conversation.describe(owner.userId)
    })
  }

  /** Creates the conversation with its first message; what is refused creates nothing. */
  async begin(owner: Principal, id: string, input: ChatInput): Promise<Result<Accepted>> {
    return await settled(async () => {
      if (!this.#conversation) await this.#deps.fresh()
      const refusal = this.#conversation ? null : refusalOfFirst(this.#deps, input)
      if (refusal) throw refusal
      if (!this.#conversation) await reserveFirst(this.#deps, owner, id, input)
      const conversation = await this.#created(owner, id, '')
      const accepted = await conversation.chat(owner, input)
      await conversation.settle()
      return accepted
    })
  }

  async describe(principal: Principal): Promise<Result<ConversationShape>> {
    return await settled(() => this.#current(principal, 'conversation:read').describe(principal.userId))
  }

  async rename(principal: Principal, title: string): Promise<Result<ConversationShape>> {
    return await settled(async () => {
      const conversation = this.#current(principal, 'conversation:rename')
      await conversation.rename(title)
      return conversation.describe(principal.userId)
    })
  }

  /** @returns whether the list knows it already */
  async remove(principal: Principal): Promise<Result<boolean>> {
    return await settled(() => this.#current(principal, 'conversation:delete').remove())
  }

  async messages(
    principal: Principal,
    before: string | undefined,
    limit: number,
  ): Promise<Result<MessagePage>> {
    return await settled(() => this.#current(principal, 'conversation:read').page(before, limit))
  }

  async chat(principal: Principal, input: ChatInput): Promise<Result<Accepted>> {
    return await settled(() => this.#current(principal, 'conversation:write').chat(principal, input))
  }

  /** Waits for the end of a turn. */
  async answer(principal: Principal, turnId: string): Promise<Result<Message>> {
    return await settled(async () => {
      const message = await this.#current(principal, 'conversation:read').answer(turnId)
      // Whoever was removed while they waited hears nothing of it.
      this.#current(principal, 'conversation:read')
      return message
    })
  }

  async stop(principal: Principal, turnId: string): Promise<Result<StopAnswer>> {
    return await settled(() => this.#current(principal, 'conversation:write').stop(turnId))
  }

  async resume(principal: Principal, turnId: string): Promise<Result<ContinueAnswer>> {
    return await settled(() => this.#current(principal, 'conversation:write').resume(principal, turnId))
  }

  /** What a provider's queue says of a turn of this conversation. */
  queueNews(turn: number, news: QueueNews): boolean {
    return this.#awake()?.queueNews(turn, news) ?? false
  }

  async members(principal: Principal): Promise<Result<MemberList>> {
    return await settled(() => this.#current(principal, 'conversation:read').doors.access.list(principal))
  }

  async addMember(principal: Principal, userId: string, role: GivenRole): Promise<Result<Member>> {
    return await settled(() =>
      this.#current(principal, 'conversation:members').doors.access.add(userId, role),
    )
  }

  async changeMember(principal: Principal, userId: string, role: GivenRole): Promise<Result<Member>> {
    return await settled(() =>
      this.#current(principal, 'conversation:members').doors.access.change(userId, role),
    )
  }

  /** Removes a member, or lets one leave. */
  async removeMember(principal: Principal, userId: string): Promise<Result<void>> {
    return await settled(() =>
      this.#current(principal, 'conversation:read').doors.access.remove(principal, userId),
    )
  }

  async createInvite(principal: Principal, input: CreateInviteBody, hash: string): Promise<Result<Invite>> {
    return await settled(() => this.#there().invites.create(principal, input, hash))
  }

  async invites(principal: Principal): Promise<Result<Invite[]>> {
    return await settled(() => this.#there().invites.list(principal))
  }

  async revokeInvite(principal: Principal, id: string): Promise<Result<void>> {
    return await settled(() => this.#there().invites.revoke(principal, id))
  }

  async acceptInvite(principal: Principal, hash: string): Promise<Result<AcceptInviteAnswer>> {
    return await settled(() => this.#there().invites.accept(principal, hash))
  }

  async createShare(principal: Principal, input: CreateShareBody, hash: string): Promise<Result<Share>> {
    return await settled(() => this.#there().shares.create(principal, input, hash))
  }

  async shares(principal: Principal): Promise<Result<Share[]>> {
    return await settled(() => this.#there().shares.list(principal))
  }

  async revokeShare(principal: Principal, id: string): Promise<Result<void>> {
    return await settled(() => this.#there().shares.revoke(principal, id))
  }

  /** What a share link shows, to whoever holds it. */
  async shared(hash: string, isSignedIn: boolean): Promise<Result<SharedBranch>> {
    return await settled(() => this.#there().shares.read(hash, isSignedIn))
  }

  /** What is here of a person; null when there is nothing at all. For erasures. */
  tracesOf(userId: string): Trace | null {
    return this.#caretaker()?.trace(userId) ?? null
  }

  /** Removes what is here of a person. @returns false when it is not done yet: ask again */
  async forgetPerson(userId: string): Promise<boolean> {
    return (await this.#caretaker()?.forget(userId)) ?? true
  }

  /** A part of what is a person's here, for their export. */
  ownPart(userId: string, after: number, limit: number): OwnPart | null {
    return this.#caretaker()?.part(userId, after, limit) ?? null
  }

  /** @param before ms since the epoch. @returns whether it is gone from here and from the list */
  async removeIfIdle(before: number): Promise<boolean> {
    return (await this.#caretaker()?.removeIfIdle(before)) ?? true
  }

  /**
   * Ends all that a person receives here, whoever they are by membership: they were suspended, or signed out.
   *
   * @param sessionId only what that session opened
   */
  disconnect(userId: string, code: ErrorCode, sessionId?: string): void {
    this.#conversation?.doors.connections.cut(
      (who) => who.userId === userId && (sessionId === undefined || who.sessionId === sessionId),
      new AppError(code, ERRORS[code].title),
    )
  }

  /** The frames of one turn, as JSON lines, until it ends. */
  async follow(
    principal: Principal,
    messageId: string,
    after: number,
    have: number | undefined,
  ): Promise<Result<ReadableStream<Uint8Array>>> {
    return await settled(() =>
      this.#current(principal, 'conversation:read').follow(principal, messageId, after, have),
    )
  }

  /** Opens a socket. The Worker has checked the ticket; the principal comes in a header that only it can set. */
  override async fetch(request: Request): Promise<Response> {
    const principal = principalShape.parse(JSON.parse(request.headers.get(PRINCIPAL_HEADER) ?? 'null'))
    const result = await settled(() => {
      const { connections } = this.#current(principal, 'conversation:read').doors
      connections.admit(principal)
      const { 0: client, 1: server } = new WebSocketPair()
      this.ctx.acceptWebSocket(server)
      const reader = SocketReader.accept(server, principal)
      this.#readers.set(server, reader)
      connections.add(reader)
      return new Response(null, { status: 101, webSocket: client })
    })
    return result.ok
      ? result.value
      : Response.json(result.error, { status: AppError.fromShape(result.error).status })
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): void | Promise<void> {
    const requestId = crypto.randomUUID()
    const reader = this.#readers.get(socket) ?? this.#restore(socket)
    if (!reader) return
    const conversation = this.#awake()
    if (!conversation) return socket.send(JSON.stringify(errorFrame(notFound(), requestId)))
    // One that was cut is closing: what it said before it knew is not listened to.
    if (!conversation.doors.connections.hears(reader)) return
    return receive(conversation, reader, data, requestId, (error) =>
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
      const { userId: ownerId, name: ownerName } = owner
      this.#conversation ??= Conversation.create(this.#db, this.#deps, { id, ownerId, ownerName, title })
    }
    return this.#current(owner, 'conversation:write')
  }

  /** @throws AppError `not_found` for a stranger as for nothing, `forbidden` for a member who may not */
  #current(principal: Principal, action: MemberAction): Conversation {
    if (!this.#conversation) throw notFound()
    this.#conversation.doors.access.authorize(principal, action)
    return this.#awake() ?? this.#conversation
  }

  /** For what looks at its caller by itself. */
  #there(): Doors {
    const doors = this.#awake()?.doors
    if (!doors) throw notFound()
    return doors
  }

  #awake(): Conversation | null {
    if (this.#conversation && !this.#recovered) {
      this.#recovered = true
      this.#conversation.recover()
    }
    return this.#conversation
  }

  #caretaker(): Caretaker | null {
    const awake = this.#awake()
    return awake && new Caretaker(this.#db, awake)
  }

  #restore(socket: WebSocket): SocketReader | null {
    const reader = SocketReader.restore(socket)
    if (!reader) return null
    this.#readers.set(socket, reader)
    this.#conversation?.doors.connections.restore(reader)
    return reader
  }

  #forget(socket: WebSocket): void {
    const reader = this.#readers.get(socket)
    this.#readers.delete(socket)
    if (reader) this.#conversation?.doors.connections.remove(reader)
  }

  async #erase(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    this.#conversation = null
    this.#recovered = false
    this.#readers.clear()
  }
}
