/**
 * The control API of the model server, for tests in other processes; model-server-client.ts is its client.
 *
 *   GET  /control/calls                    what was asked of the model, oldest first
 *   GET  /control/wait?match=&state=&tokens=&count=&timeout=    the calls that match, once there are `count` of them
 *   POST /control/gates/NAME/open          lets calls pass that name this gate
 *   POST /control/reset                    forgets calls and shuts gates; calls that run go on
 */
import type { ServerResponse } from 'node:http'
import { z } from 'zod'
import type { CallLog, Gates } from './model-calls.ts'

/** A wait that would never end must fail its test with something to read. */
const DEFAULT_WAIT_MS = 30_000

const callQuery = z.strictObject({
  match: z.string().optional(),
  state: z.enum(['started', 'streaming', 'aborted', 'finished']).optional(),
  tokens: z.coerce.number().optional(),
  count: z.coerce.number().optional(),
  timeout: z.coerce.number().default(DEFAULT_WAIT_MS),
})

export async function answerControl(
  method: string,
  url: URL,
  response: ServerResponse,
  { log, gates }: { readonly log: CallLog; readonly gates: Gates },
  gone: AbortSignal,
): Promise<void> {
  const route = `${method} ${url.pathname}`
  const gate = /^POST \/control\/gates\/([^/]+)\/open$/.exec(route)?.[1]
  if (gate !== undefined) {
    gates.open(decodeURIComponent(gate))
    sendJson(response, 200, {})
  } else if (route === 'POST /control/reset') {
    log.reset()
    gates.reset()
    sendJson(response, 200, {})
  } else if (route === 'GET /control/calls') {
    sendJson(response, 200, log.calls)
  } else if (route === 'GET /control/wait') {
    const query = callQuery.safeParse(Object.fromEntries(url.searchParams))
    if (!query.success) {
      sendJson(response, 400, { error: z.prettifyError(query.error) })
      return
    }
    const late = AbortSignal.timeout(query.data.timeout)
    try {
      sendJson(response, 200, await log.wait(query.data, AbortSignal.any([gone, late])))
    } catch {
      sendJson(response, 504, { error: 'no such calls in time', calls: log.calls })
    }
  } else sendJson(response, 404, { error: `no such route: ${route}` })
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
