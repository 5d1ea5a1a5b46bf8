/**
 * A WebSocket client on a bare TCP socket, for load and for counting: it parses frame headers and hands over payloads as
 * they lie in the buffer, so that a benchmark measures the server and not its own client, and knows every byte.
 *
 * Client to RFC 6455 without extensions. Fragmented messages are refused: no server that we measure sends them.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const OP_TEXT = 0x1
const OP_CLOSE = 0x8
const OP_PING = 0x9
const OP_PONG = 0xa
const FIN = 0x80
const MASKED = 0x80
const NO_BYTES = Buffer.alloc(0)

/** Called with each text message and the bytes that it took on the wire. The payload is valid during the call only. */
export type OnText = (payload: Buffer, wireBytes: number) => void

/** Splits what arrives into frames, wherever the network has cut it. */
export class FrameReader {
  readonly #onFrame: (opcode: number, payload: Buffer, wireBytes: number) => void
  #rest: Buffer = NO_BYTES

  constructor(onFrame: (opcode: number, payload: Buffer, wireBytes: number) => void) {
    this.#onFrame = onFrame
  }

  /** @throws Error for what a server must not send to a client that offered no extension */
  push(bytes: Buffer): void {
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    let at = 0
    while (data.length - at >= 2) {
      const first = data[at] ?? 0
      const second = data[at + 1] ?? 0
      if ((first & 0xf0) !== FIN) throw new Error('fragmented frame, or extension bits')
      if (second & MASKED) throw new Error('masked frame from a server')
      const head = second < 126 ? 2 : second === 126 ? 4 : 10
      if (data.length - at < head) break
      const length =
        head === 2 ? second : head === 4 ? data.readUInt16BE(at + 2) : Number(data.readBigUInt64BE(at + 2))
      const end = at + head + length
      if (data.length < end) break
      this.#onFrame(first & 0x0f, data.subarray(at + head, end), head + length)
      at = end
    }
    this.#rest = at === data.length ? NO_BYTES : data.subarray(at)
  }
}

/** A masked frame, as clients must send them. */
export function clientFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const head = length < 126 ? 2 : length < 0x10000 ? 4 : 10
  const frame = Buffer.allocUnsafe(head + 4 + length)
  frame[0] = FIN | opcode
  frame[1] = MASKED | (head === 2 ? length : head === 4 ? 126 : 127)
  if (head === 4) frame.writeUInt16BE(length, 2)
  if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2)
  const mask = randomBytes(4)
  mask.copy(frame, head)
  for (let i = 0; i < length; i++) frame[head + 4 + i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0)
  return frame
}

export class RawSocket {
  readonly #socket: Socket
  /** To be set by the owner. */
  onText: OnText = () => {}
  /** Bytes of all frames sent, masks and headers included. */
  sentBytes = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    const reader = new FrameReader((opcode, payload, wireBytes) => {
      if (opcode === OP_TEXT) this.onText(payload, wireBytes)
      else if (opcode === OP_PING) socket.write(clientFrame(OP_PONG, payload))
      else if (opcode === OP_CLOSE) socket.end()
      else throw new Error(`unexpected opcode ${opcode}`)
    })
    socket.on('data', (bytes) => reader.push(bytes))
  }

  /**
   * @param url `ws:` or `http:`
   * @throws Error when the server does not switch protocols
   */
  static async open(url: string): Promise<RawSocket> {
    const { hostname, port, host, pathname, search } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    const key = randomBytes(16).toString('base64')
    socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    )
    const { head, rest } = await readHead(socket)
    const accept = createHash('sha1')
      .update(key + ACCEPT_GUID)
      .digest('base64')
    if (!head.startsWith('HTTP/1.1 101') || !head.includes(accept)) {
      socket.destroy()
      throw new Error(`no WebSocket at ${pathname}: ${head.split('\r\n', 1)[0]} ${rest.toString()}`)
    }
    const opened = new RawSocket(socket)
    if (rest.length > 0) socket.unshift(rest)
    socket.resume()
    return opened
  }

  send(text: string): void {
    const frame = clientFrame(OP_TEXT, Buffer.from(text))
    this.sentBytes += frame.length
    this.#socket.write(frame)
  }

  /** Says goodbye (close code 1000) and goes, without waiting for the server's. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return
    const closed = once(this.#socket, 'close')
    this.#socket.write(clientFrame(OP_CLOSE, Buffer.from([0x03, 0xe8])))
    this.#socket.destroySoon()
    await closed
  }
}

/** The response's head, and what came after it. */
async function readHead(socket: Socket): Promise<{ head: string; rest: Buffer }> {
  let data: Buffer = NO_BYTES
  for (;;) {
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    data = Buffer.concat([data, bytes])
    const end = data.indexOf('\r\n\r\n')
    if (end === -1) continue
    socket.pause()
    return { head: data.toString('latin1', 0, end), rest: data.subarray(end + 4) }
  }
}
