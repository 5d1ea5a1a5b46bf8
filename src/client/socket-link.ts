/**
 * One socket from opening to closing: notices a link that is dead without saying so (opening too slow, a ping without a
 * pong), and turns text into checked frames. It never reopens; that, and what frames mean, is `connection.ts`.
 */
import { PING, PONG } from '../protocol/limits.ts'
import type { ServerFrame } from '../protocol/server-frames.ts'
import type { Cancel, Environment, Socket } from './environment.ts'
import { parseServerFrame, type UnknownEvent } from './server-frame-parser.ts'

/** A socket that takes longer than this to open is given up. */
const OPEN_TIMEOUT_MS = 10_000

/** Silence after which a ping is sent. Proxies often cut what is silent for 60 s. */
const PING_AFTER_MS = 25_000

/** How long the other side has to say anything after a ping. */
const PONG_TIMEOUT_MS = 8_000

/** The same, where there is reason to suspect the link (the page woke up, the browser says "offline"). */
const PROBE_TIMEOUT_MS = 3_000

export interface LinkEvents {
  opened(): void
  frame(frame: ServerFrame | UnknownEvent): void
  /** Once, and nothing after it. `wasOpen` is false when the server refused, or was not reached. */
  closed(end: { code: number; wasOpen: boolean }): void
}

export class SocketLink {
  readonly #env: Environment
  readonly #events: LinkEvents
  readonly #socket: Socket
  #timer: Cancel = () => {}
  #wasOpen = false
  #ended = false

  constructor(env: Environment, url: string, events: LinkEvents) {
    this.#env = env
    this.#events = events
    this.#timer = env.after(OPEN_TIMEOUT_MS, () => this.#giveUp())
    this.#socket = env.openSocket(url, {
      opened: () => this.#opened(),
      message: (data) => this.#message(data),
      closed: (code) => this.#end(code),
    })
  }

  send(text: string): void {
    if (this.#wasOpen && !this.#ended) this.#socket.send(text)
  }

  /** Asks for a sign of life now; without one the link ends soon. */
  probe(): void {
    if (this.#wasOpen && !this.#ended) this.#ping(PROBE_TIMEOUT_MS)
  }

  /** Closes without telling `closed`. */
  drop(): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer()
    this.#socket.close(1000)
  }

  #opened(): void {
    if (this.#ended) return
    this.#wasOpen = true
    this.#heard()
    this.#events.opened()
  }

  #message(data: unknown): void {
    if (this.#ended) return
    this.#heard()
    if (typeof data !== 'string' || data === PONG) return
    const frame = parseServerFrame(data)
    if (frame) this.#events.frame(frame)
  }

  /** Anything that arrives proves the link; only silence needs a ping. */
  #heard(): void {
    this.#timer()
    this.#timer = this.#env.after(PING_AFTER_MS, () => this.#ping(PONG_TIMEOUT_MS))
  }

  #ping(timeoutMs: number): void {
    this.#timer()
    this.#timer = this.#env.after(timeoutMs, () => this.#giveUp())
    this.#socket.send(PING)
  }

  /** The browser's own `close` event may take minutes on a dead link, so it is not waited for. */
  #giveUp(): void {
    this.#socket.close(1000)
    this.#end(1006)
  }

  #end(code: number): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer()
    this.#events.closed({ code, wasOpen: this.#wasOpen })
  }
}
