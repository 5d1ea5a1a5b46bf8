/**
 * Parley as a server under measure, spoken to the way its own client does: a guest, a ticket for each socket, and deltas in
 * the compact form.
 */
import type { JsonLineProcess } from '../support/json-line-process.ts'
import type { ServedWorker } from '../support/parley-process.ts'
import { RawSocket } from '../support/raw-socket.ts'
import { Room, type Target } from './room.ts'
import { serve, type Build, type ServeOptions } from './serve.ts'
import { TurnWatch } from './turn-watch.ts'

/** Presence and the like, told to those who joined first, has arrived by then. */
const SETTLE_MS = 50

export interface JoinOptions {
  readonly after?: number
  readonly have?: { readonly messageId: string; readonly offset: number }
  /** True, as the product's client asks for. */
  readonly compact?: boolean
}

/** What the benchmark reads of a frame. */
export interface ParleyFrame {
  readonly type: string
  readonly seq?: number
  readonly messageId?: string
  readonly offset?: number
  readonly delta?: string
}

export class ParleyTarget implements Target {
  readonly name = 'Parley'
  readonly served: ServedWorker
  readonly stop: () => Promise<void>
  readonly #token: string
  #asked = 0

  private constructor({ line, stop }: JsonLineProcess<ServedWorker>, token: string) {
    this.served = line
    this.stop = stop
    this.#token = token
  }

  /** Where the Worker answers. */
  get url(): string {
    return this.served.directUrl
  }

  static async start(options: ServeOptions, build: Build = 'parley'): Promise<ParleyTarget> {
    const process = await serve(build, options)
    const guest = await post<{ accessToken: string }>(`${process.line.directUrl}/api/auth/guest`)
    return new ParleyTarget(process, guest.accessToken)
  }

  async open(viewers: number, join: JoinOptions = {}): Promise<Room> {
    return await this.enter(await this.create(), viewers, join)
  }

  /** @returns the id of a new conversation */
  async create(): Promise<string> {
    return (await post<{ id: string }>(`${this.url}/api/conversations`, this.#token, {})).id
  }

  async enter(conversationId: string, viewers: number, join: JoinOptions = {}): Promise<Room> {
    const watches: TurnWatch[] = []
    for (let i = 0; i < viewers; i++) {
      const socket = await this.socket(conversationId)
      await joinWith(socket, join)
      watches.push(new TurnWatch(socket, readParleyFrame, { keepText: i === 0 }))
    }
    if (viewers > 1) await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    return new Room(watches, (asker, message) => this.ask(asker.socket, message))
  }

  /** A socket that has not joined. */
  async socket(conversationId: string): Promise<RawSocket> {
    const { ticket } = await post<{ ticket: string }>(`${this.url}/api/auth/ticket`, this.#token)
    return await RawSocket.open(`${this.url}/api/conversations/${conversationId}/ws?ticket=${ticket}`)
  }

  ask(socket: RawSocket, content: string): void {
    socket.send(JSON.stringify({ type: 'stream_chat', id: `b${++this.#asked}`, content }))
  }
}

/** Joins and resolves when the server has said so. */
export async function joinWith(
  socket: RawSocket,
  { compact = true, ...rest }: JoinOptions = {},
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.onText = (payload) => {
      const { type } = JSON.parse(payload.toString()) as ParleyFrame
      if (type === 'conversation_joined') resolve()
      else reject(new Error(`instead of conversation_joined: ${payload.toString()}`))
    }
    socket.send(joinText({ compact, ...rest }))
  })
}

export function joinText({ compact = true, ...rest }: JoinOptions): string {
  return JSON.stringify({ type: 'join_conversation', compact, ...rest })
}

const BRACE = 0x7b
const COLON = 0x3a

export function readParleyFrame(payload: Buffer, watch: TurnWatch): void {
  if (payload[0] !== BRACE) {
    const start = payload.indexOf(COLON) + 1
    const offset = Number.parseInt(payload.toString('latin1', payload.indexOf('.') + 1, start - 1), 36)
    takeText(watch, offset, payload, start, payload.length)
    return
  }
  const frame = JSON.parse(payload.toString()) as ParleyFrame
  if (frame.type === 'stream_complete') watch.end()
  else if (frame.type === 'stream_chunk') {
    const delta = Buffer.from(frame.delta ?? '')
    takeText(watch, frame.offset ?? 0, delta, 0, delta.length)
  } else if (/error|failed|interrupted|stopped/.test(frame.type)) throw new Error(payload.toString())
}

function takeText(watch: TurnWatch, offset: number, payload: Buffer, start: number, end: number): void {
  if (offset !== watch.chars) throw new Error(`text at ${offset} after ${watch.chars} characters`)
  watch.text(payload, start, end)
}

async function post<T>(url: string, token?: string, body?: object): Promise<T> {
  const headers: Record<string, string> = {}
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  const response = await fetch(url, { method: 'POST', headers, ...(body && { body: JSON.stringify(body) }) })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}
