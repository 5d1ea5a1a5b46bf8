/**
 * A reader on a WebSocket that may sleep: what it is lives in the socket's attachment, because memory does not survive
 * hibernation.
 */
import * as z from 'zod'
import { principal, type Principal } from '../protocol/principal.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'
import type { LastingReader } from './frame-intake.ts'

const attachment = z.object({
  principal,
  joined: z.boolean(),
  compact: z.boolean(),
  asked: z.boolean().default(false),
})
type Attachment = z.infer<typeof attachment>

export class SocketReader implements LastingReader {
  readonly present = true
  readonly #socket: WebSocket
  #attachment: Attachment

  private constructor(socket: WebSocket, attachment: Attachment) {
    this.#socket = socket
    this.#attachment = attachment
  }

  static accept(socket: WebSocket, principal: Principal): SocketReader {
    const reader = new SocketReader(socket, { principal, joined: false, compact: false, asked: false })
    reader.#save()
    return reader
  }

  /** The reader of a socket that survived a sleep; null when its attachment is not ours. */
  static restore(socket: WebSocket): SocketReader | null {
    const parsed = attachment.safeParse(socket.deserializeAttachment())
    return parsed.success ? new SocketReader(socket, parsed.data) : null
  }

  get principal(): Principal {
    return this.#attachment.principal
  }

  get compact(): boolean {
    return this.#attachment.compact
  }

  get joined(): boolean {
    return this.#attachment.joined
  }

  get asked(): boolean {
    return this.#attachment.asked
  }

  markAsked(): void {
    this.#attachment = { ...this.#attachment, asked: true }
    this.#save()
  }

  renew(principal: Principal): void {
    this.#attachment = { ...this.#attachment, principal, asked: false }
    this.#save()
  }

  /** Keeps across sleeps whether it reads along, and how. */
  remember(joined: boolean, compact: boolean): void {
    if (joined === this.#attachment.joined && compact === this.#attachment.compact) return
    this.#attachment = { ...this.#attachment, joined, compact }
    this.#save()
  }

  send(_frame: ServerFrame, text: string): void {
    this.#socket.send(text)
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  #save(): void {
    this.#socket.serializeAttachment(this.#attachment)
  }
}
