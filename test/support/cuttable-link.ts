/**
 * A bad network: a TCP relay before the server whose connections can be cut at any moment, with a reset in both
 * directions and no goodbye. One for each client that is to lose its network while the others keep theirs; or before a
 * provider that is to be unplugged for a while.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class CuttableLink {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isPlugged = true
  #refused = 0

  private constructor(target: URL) {
    this.#server = createServer((near) => {
      if (!this.#isPlugged) {
        this.#refused++
        near.on('error', () => {})
        near.resetAndDestroy()
        return
      }
      const far = connect(Number(target.port), target.hostname)
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket)
        socket.setNoDelay(true)
        socket.pipe(other)
        // A reset is told as an error; "close" follows it.
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
      }
    })
  }

  static async to(url: string): Promise<CuttableLink> {
    const link = new CuttableLink(new URL(url))
    link.#server.listen(0, '127.0.0.1')
    await once(link.#server, 'listening')
    return link
  }

  /** Where clients are to connect. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resets every connection that is open; new ones work. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** From now on no connection works, until {@link plug}. */
  unplug(): void {
    this.#isPlugged = false
    this.cut()
  }

  plug(): void {
    this.#isPlugged = true
  }

  /** Connections that came while it was unplugged. */
  get refused(): number {
    return this.#refused
  }

  async close(): Promise<void> {
    this.#server.close()
    this.cut()
    await once(this.#server, 'close')
  }
}
