/**
 * A socket's other end: remembers every frame, checks each against the protocol, and waits for those to come. A wait
 * that is in vain fails with what came instead.
 */
import { decodeCompactChunk } from '../../src/protocol/compact-chunk.ts'
import { PONG } from '../../src/protocol/limits.ts'
import { serverFrame, type FrameOf, type ServerFrame } from '../../src/protocol/server-frames.ts'

/** Longer than anything takes, shorter than a test's time: so that a failure says what came. */
const PATIENCE_MS = 4_000

type Type = ServerFrame['type']

export class TestSocket {
  readonly socket: WebSocket
  /** Everything that came, pongs as text and frames parsed, in order. */
  readonly received: ServerFrame[] = []
  /** The texts of the same. */
  readonly texts: string[] = []
  pongs = 0
  /** The code that the server closed with. */
  readonly closed: Promise<number>
  readonly #wakers = new Set<() => void>()
  /** Frames before this were handed out by {@link next}. */
  #read = 0
  #problem: Error | null = null

  constructor(socket: WebSocket) {
    this.socket = socket
    this.closed = new Promise((resolve) => {
      socket.addEventListener('close', (event) => resolve(event.code))
    })
    socket.addEventListener('message', (event) => this.#take(event.data))
    socket.accept()
  }

  send(frame: object | string | ArrayBuffer): void {
    this.socket.send(
      typeof frame === 'string' || frame instanceof ArrayBuffer ? frame : JSON.stringify(frame),
    )
  }

  async join(options: Record<string, unknown> = {}): Promise<FrameOf<'conversation_joined'>> {
    this.send({ type: 'join_conversation', ...options })
    return await this.next('conversation_joined')
  }

  /** Sends a message; resolves when it is accepted. */
  async chat(
    content: string,
    options: Record<string, unknown> & { id?: string | undefined } = {},
  ): Promise<FrameOf<'message_accepted'>> {
    const id = options.id ?? crypto.randomUUID()
    this.send({ type: 'stream_chat', content, ...options, id })
    return await this.next('message_accepted', (frame) => frame.id === id)
  }

  /** The next frame of this type, from where the last `next` ended; those between are passed over. */
  async next<T extends Type>(type: T, matches?: (frame: FrameOf<T>) => boolean): Promise<FrameOf<T>> {
    for (;;) {
      while (this.#read < this.received.length) {
        const frame = this.received[this.#read++]
        if (frame?.type !== type) continue
        const found = frame as FrameOf<T>
        if (!matches || matches(found)) return found
      }
      await this.#more(`a ${type}`)
    }
  }

  /** Waits until what has been received so far satisfies the test. */
  async until(done: (frames: readonly ServerFrame[]) => boolean): Promise<void> {
    while (!done(this.received)) await this.#more('what the test waits for')
  }

  /** The first frame of this type that came, ever. */
  all<T extends Type>(type: T): FrameOf<T>[] {
    return this.received.filter((frame): frame is FrameOf<T> => frame.type === type)
  }

  /** All types in order, repeated chunks as one. */
  get types(): Type[] {
    const types = this.received.map((frame) => frame.type)
    return types.filter((type, index) => type !== 'stream_chunk' || types[index - 1] !== 'stream_chunk')
  }

  /** A ping goes past the conversation; its answer shows that what was sent before it has arrived. */
  async ping(): Promise<void> {
    const before = this.pongs
    this.socket.send('ping')
    while (this.pongs === before) await this.#more('a pong')
  }

  /**
   * Resolves when all that the conversation had to say up to now is here: a frame at fault is answered in its turn.
   * Leaves the answer out of `received`.
   */
  async settle(): Promise<void> {
    this.socket.send('{"type":"settle"}')
    await this.until((frames) => frames.at(-1)?.type === 'error')
    this.received.pop()
    this.texts.pop()
    this.#read = Math.min(this.#read, this.received.length)
  }

  close(code = 1000): void {
    this.socket.close(code, 'done')
  }

  #take(data: string | ArrayBuffer): void {
    try {
      if (typeof data !== 'string') throw new Error('a binary frame came')
      if (data === PONG) this.pongs++
      else {
        this.received.push(data.startsWith('{') ? serverFrame.parse(JSON.parse(data)) : compact(data))
        this.texts.push(data)
      }
    } catch (error) {
      this.#problem = error as Error
    }
    for (const wake of this.#wakers) wake()
    this.#wakers.clear()
  }

  async #more(what: string): Promise<void> {
    if (this.#problem) throw this.#problem
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const fail = () => reject(new Error(`waited in vain for ${what}; came:\n${this.texts.join('\n')}`))
      timer = setTimeout(fail, PATIENCE_MS)
    })
    try {
      await Promise.race([late, new Promise<void>((resolve) => this.#wakers.add(resolve))])
    } finally {
      clearTimeout(timer)
    }
    if (this.#problem) throw this.#problem
  }
}

function compact(text: string): FrameOf<'stream_chunk'> {
  const chunk = decodeCompactChunk(text)
  if (!chunk) throw new Error(`this is no frame: ${text}`)
  return chunk
}
