/**
 * The lower floor: a client that reads the model server directly, over HTTP on one kept connection. On a bare TCP socket
 * like the clients of the servers under measure, so that the difference is the server's.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { monotonicMs } from '../support/monotonic.ts'

export interface DirectTurn {
  readonly sentAt: number
  readonly firstAt: number
  readonly endAt: number
}

/** The first piece of text that is not empty: the chunk before it names the role only. */
const FIRST_TEXT = /"content":"[^"]/
const END = 'data: [DONE]'
/** The last chunk of a chunked body; the connection can be used again. */
const BODY_END = '\r\n0\r\n\r\n'

export class DirectClient {
  readonly #socket: Socket
  readonly #host: string
  readonly #path: string

  private constructor(socket: Socket, url: URL) {
    this.#socket = socket
    this.#host = url.host
    this.#path = `${url.pathname}/chat/completions`
  }

  /** @param modelUrl up to and including `/v1` */
  static async open(modelUrl: string): Promise<DirectClient> {
    const url = new URL(modelUrl)
    const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
    await once(socket, 'connect')
    return new DirectClient(socket, url)
  }

  async turn(content: string): Promise<DirectTurn> {
    const body = JSON.stringify({ model: 'direct', stream: true, messages: [{ role: 'user', content }] })
    const head = `POST ${this.#path} HTTP/1.1\r\nHost: ${this.#host}\r\nContent-Type: application/json\r\n`
    let firstAt = 0
    let endAt = 0
    let text = ''
    const sentAt = monotonicMs()
    this.#socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    while (!text.endsWith(BODY_END)) {
      const [bytes] = (await once(this.#socket, 'data')) as [Buffer]
      text += bytes.toString('latin1')
      if (firstAt === 0 && FIRST_TEXT.test(text)) firstAt = monotonicMs()
      if (endAt === 0 && text.includes(END)) endAt = monotonicMs()
    }
    return { sentAt, firstAt, endAt }
  }

  close(): void {
    this.#socket.destroy()
  }
}
