/**
 * The browser as the client library sees it, moved by hand: a clock that stands still until told, sockets whose other
 * end is the test, and a `fetch` that asks a handler. Nothing here waits for real time.
 */
import type { Environment, Socket, SocketEvents } from '../../src/client/environment.ts'

/** Lets everything run that waits only for settled promises. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

export class FakeSocket implements Socket {
  readonly url: string
  readonly sent: string[] = []
  closedWith: number | undefined | null = null
  readonly #events: SocketEvents

  constructor(url: string, events: SocketEvents) {
    this.url = url
    this.#events = events
  }

  send(text: string): void {
    this.sent.push(text)
  }

  close(code?: number): void {
    this.closedWith = code
  }

  open(): void {
    this.#events.opened()
  }

  say(frame: object | string): void {
    this.#events.message(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  end(code = 1006): void {
    this.#events.closed(code)
  }

  /** The frames that the client sent, parsed; pings left out. */
  get frames(): { type: string; [field: string]: unknown }[] {
    return this.sent.filter((text) => text.startsWith('{')).map((text) => JSON.parse(text) as never)
  }
}

export interface FakeRequest {
  readonly method: string
  readonly path: string
  readonly token: string | null
  readonly body: unknown
  readonly signal: AbortSignal | null
}

export class FakeEnvironment implements Environment {
  readonly origin = 'http://parley.test'
  readonly sockets: FakeSocket[] = []
  readonly requests: FakeRequest[] = []
  online = true
  chance = 0.5
  /** Answers each request; throwing is a network that is gone. */
  respond: (request: FakeRequest) => Response | Promise<Response> = () => json(200, {})
  #now = Date.parse('2026-11-20T10:00:00Z')
  #ids = 0
  #timers: { at: number; run: () => void }[] = []
  readonly #wake = new Set<() => void>()
  readonly #offline = new Set<() => void>()
  readonly #stored = new Set<() => void>()
  /** The lock of each name: who asked for it last. */
  readonly #locks = new Map<string, Promise<unknown>>()

  async fetch(url: string, init: RequestInit): Promise<Response> {
    const { pathname, search } = new URL(url)
    const authorization = new Headers(init.headers).get('authorization')
    const request = {
      method: init.method ?? 'GET',
      path: pathname + search,
      token: authorization?.replace('Bearer ', '') ?? null,
      body: typeof init.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined,
      signal: init.signal ?? null,
    }
    this.requests.push(request)
    return await this.respond(request)
  }

  openSocket(url: string, events: SocketEvents): Socket {
    const socket = new FakeSocket(url, events)
    this.sockets.push(socket)
    return socket
  }

  now(): number {
    return this.#now
  }

  random(): number {
    return this.chance
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run }
    this.#timers.push(timer)
    return () => (this.#timers = this.#timers.filter((other) => other !== timer))
  }

  newId(): string {
    return `id-${++this.#ids}`
  }

  isOnline(): boolean {
    return this.online
  }

  onWake(run: () => void): () => void {
    this.#wake.add(run)
    return () => this.#wake.delete(run)
  }

  onOffline(run: () => void): () => void {
    this.#offline.add(run)
    return () => this.#offline.delete(run)
  }

  onStoreChange(run: () => void): () => void {
    this.#stored.add(run)
    return () => this.#stored.delete(run)
  }

  /** One after the other, as the browser's locks do among tabs: tabs of a test share one environment. */
  async exclusively<T>(name: string, run: () => Promise<T>): Promise<T> {
    const turn = (this.#locks.get(name) ?? Promise.resolve()).then(run, run)
    this.#locks.set(name, turn)
    return await turn
  }

  /** What the browser tells the other tabs when one has written. */
  storeChanged(): void {
    for (const run of this.#stored) run()
  }

  wake(): void {
    for (const run of this.#wake) run()
  }

  goOffline(): void {
    this.online = false
    for (const run of this.#offline) run()
  }

  /** Moves the clock, running what falls due in order, and what follows from it. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    for (;;) {
      await settle()
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0]
      if (!next || next.at > until) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
    this.#now = until
    await settle()
  }

  /** The socket opened last. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1)
    if (!socket) throw new Error('no socket was opened')
    return socket
  }
}

export function json(status: number, body: unknown): Response {
  return Response.json(body, { status })
}

export function problemOf(status: number, code: string, more: object = {}): Response {
  const body = {
    type: 'about:blank',
    title: code,
    status,
    detail: `${code} happened`,
    code,
    requestId: 'r1',
    retryable: false,
  }
  return Response.json(
    { ...body, ...more },
    { status, headers: { 'content-type': 'application/problem+json' } },
  )
}
