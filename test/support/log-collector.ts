/**
 * Takes log lines by HTTP from where there are no files, and hands them on.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface LogCollector {
  readonly url: string
  close(): Promise<void>
}

export async function collectLogs(take: (log: string) => void): Promise<LogCollector> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    take(await text(request))
    response.end()
  }
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  }
}
