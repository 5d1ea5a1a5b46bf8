/**
 * One window of a person, at the level of the wire: a raw socket that records every frame, applies it to a view of the
 * room (room-view.ts), and lets tests wait for frames. It comes back only when a test says so, and holds what it had.
 */
import { decodeCompactChunk } from '../../src/protocol/compact-chunk.ts'
import type { ClientFrame, JoinConversation } from '../../src/protocol/client-frames.ts'
import { PONG } from '../../src/protocol/limits.ts'
import {
  isTurnEnded,
  serverFrame,
  type FrameOf,
  type ServerFrame,
  type TurnEnded,
} from '../../src/protocol/server-frames.ts'
import { RoomView } from './room-view.ts'
import type { TestUser } from './test-user.ts'

/** A test that waits in vain must end with something to read, before the runner ends it with nothing. */
const WAIT_MS = 40_000

interface Waiter {
  readonly test: (frame: ServerFrame) => boolean
  readonly found: (frame: ServerFrame) => void
}

export class TestClient {
  readonly user: TestUser
  readonly conversationId: string
  /** All that came, over all connections, oldest first. */
  readonly frames: ServerFrame[] = []
  readonly room = new RoomView()
  #socket: WebSocket | null = null
  readonly #waiters = new Set<Waiter>()
  #closed: Promise<number> = Promise.resolve(0)
  readonly #waitMs: number

  /** @param waitMs how long a frame is waited for before that is a failure */
  constructor(user: TestUser, conversationId: string, waitMs = WAIT_MS) {
    this.user = user
    this.conversationId = conversationId
    this.#waitMs = waitMs
  }

  static async join(user: TestUser, conversationId: string): Promise<TestClient> {
    const client = new TestClient(user, conversationId)
    await client.connect()
    return client
  }

  /** Opens a socket and joins with what is held; resolves when it is answered. */
  async connect(options: Omit<JoinConversation, 'type' | 'after' | 'have'> = {}): Promise<void> {
    await this.open()
    const from = this.frames.length
    this.send({ ...this.room.joinFrame(), ...options })
    await this.next((frame) => frame.type === 'conversation_joined', from)
  }

  /** Opens a socket and says nothing. @throws Error when it is refused */
  async open(): Promise<void> {
    const { origin } = this.user
    const ticket = await this.user.ticket()
    const url = `${origin.replace(/^http/, 'ws')}/api/conversations/${this.conversationId}/ws?ticket=${ticket}`
    const socket = new WebSocket(url)
    this.#socket = socket
    this.#closed = new Promise((resolve) =>
      socket.addEventListener('close', ({ code }) => resolve(code), { once: true }),
    )
    socket.addEventListener('message', ({ data }) => {
      // What an old socket still delivers belongs to a view that has moved on.
      if (this.#socket === socket) this.#receive(String(data))
    })
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve(), { once: true })
      socket.addEventListener('error', () => reject(new Error('the socket was refused')), { once: true })
    })
  }

  /** Resolves with the close code when the newest socket closes. */
  get closed(): Promise<number> {
    return this.#closed
  }

  send(frame: ClientFrame): void {
    this.sendRaw(JSON.stringify(frame))
  }

  sendRaw(data: string | Uint8Array<ArrayBuffer>): void {
    if (!this.#socket) throw new Error('there is no socket')
    this.#socket.send(data)
  }

  /** Sends a message. @returns its client id */
  ask(
    content: string,
    options: Partial<Omit<FrameOfClient<'stream_chat'>, 'type' | 'content'>> = {},
  ): string {
    const id = options.id ?? crypto.randomUUID()
    this.send({ type: 'stream_chat', content, ...options, id })
    return id
  }

  /** Sends a message and waits until it is accepted. */
  async say(content: string, options: { id?: string } = {}): Promise<FrameOf<'message_accepted'>> {
    const id = this.ask(content, options)
    return await this.accepted(id)
  }

  async accepted(id: string, from?: number): Promise<FrameOf<'message_accepted'>> {
    return await this.next(
      (frame): frame is FrameOf<'message_accepted'> => frame.type === 'message_accepted' && frame.id === id,
      from,
    )
  }

  /** The end of the turn that writes this message. */
  async ended(messageId: string): Promise<TurnEnded> {
    return await this.next((frame): frame is TurnEnded => isTurnEnded(frame) && frame.messageId === messageId)
  }

  /** The first frame that matches, from `from` (an index of `frames`) on: one that came, or one that will. */
  next<T extends ServerFrame>(test: (frame: ServerFrame) => frame is T, from?: number): Promise<T>
  next(test: (frame: ServerFrame) => boolean, from?: number): Promise<ServerFrame>
  async next(test: (frame: ServerFrame) => boolean, from = 0): Promise<ServerFrame> {
    const there = this.frames.slice(from).find((frame) => test(frame))
    if (there) return there
    return await new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(new Error(`no such frame in ${this.#waitMs} ms; the last ones: ${this.#tail()}`))
      }, this.#waitMs)
      const found = (frame: ServerFrame): void => {
        clearTimeout(late)
        resolve(frame)
      }
      const waiter = { test, found }
      this.#waiters.add(waiter)
    })
  }

  /** Resolves when the view is as wanted: now, or after some frame. */
  async until(wanted: (room: RoomView) => boolean): Promise<void> {
    if (!wanted(this.room)) await this.next(() => wanted(this.room), this.frames.length)
  }

  /** Closes the socket; what it held stays. */
  async drop(): Promise<void> {
    this.#socket?.close()
    await this.#closed
    this.#socket = null
  }

  #receive(text: string): void {
    const frame = text.startsWith('{') ? serverFrame.parse(JSON.parse(text)) : decodeCompactChunk(text)
    if (!frame) {
      if (text !== PONG) this.room.breaches.push(`W3: not a frame: ${text}`)
      return
    }
    this.frames.push(frame)
    this.room.apply(frame)
    for (const waiter of this.#waiters) {
      if (!waiter.test(frame)) continue
      this.#waiters.delete(waiter)
      waiter.found(frame)
    }
  }

  #tail(): string {
    return this.frames
      .slice(-8)
      .map((frame) => JSON.stringify(frame).slice(0, 200))
      .join('\n')
  }
}

type FrameOfClient<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>
