/**
 * A WebSocket upgrade as bare HTTP, because a browser's socket does not say why it was refused.
 */
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { problem, type Problem } from '../../src/protocol/http.ts'

export interface UpgradeAnswer {
  readonly status: number
  /** Of a refusal. */
  readonly problem: Problem | undefined
}

/** Asks for a socket, and closes it if it gets one. */
export async function upgrade(
  origin: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<UpgradeAnswer> {
  const asked = request(origin + path, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      // The example of RFC 6455: any 16 bytes will do.
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    },
  })
  asked.end()
  const upgraded = once(asked, 'upgrade').then(([response, socket]) => {
    socket.destroy()
    return response as IncomingMessage
  })
  const refused = once(asked, 'response').then(([response]) => response as IncomingMessage)
  const response = await Promise.race([upgraded, refused])
  const status = response.statusCode ?? 0
  return { status, problem: status === 101 ? undefined : problem.parse(JSON.parse(await text(response))) }
}
