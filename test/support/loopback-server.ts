/**
 * A server of ours on loopback, for what Parley talks to: where it is, and how it goes without waiting for anybody.
 */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** @param port any free one when left out */
export async function listen(server: Server, port = 0, host = '127.0.0.1'): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
}

/** `http://127.0.0.1:<port>` */
export function urlOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo
  return `http://${address}:${port}`
}

export async function closeNow(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}
