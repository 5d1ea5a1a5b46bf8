/**
 * The JavaScript heap of Parley's isolate, as it is after a collection: what Cloudflare limits to 128 MB. Asked by way of the
 * runtime's own inspector, for the one that `wrangler dev` opens is a proxy for people.
 */
import * as z from 'zod'
import { listeningPorts } from './process-table.ts'

const targets = z.array(z.object({ id: z.string(), webSocketDebuggerUrl: z.string() }))
const usage = z.object({ usedSize: z.number(), backingStorageSize: z.number().optional() })
/** As the local runtime names the Worker of wrangler.toml. */
const OWN_ISOLATE = 'core:user:parley'

const answer = z.object({ id: z.number(), result: z.unknown() })

/**
 * Collects the garbage of all isolates of a runtime: beside Parley's there are those that the local runtime answers requests
 * with, and each leaves its garbage, and what that holds outside of its heap, until it thinks itself full.
 *
 * @param pid of the runtime
 * @returns bytes of Parley's objects and of what they hold outside of the heap; undefined when it could not be asked: its
 * inspector serves one at a time, and the proxy may have come back
 */
export async function collectGarbage(pid: number): Promise<number | undefined> {
  let own: number | undefined
  for (const { id, webSocketDebuggerUrl } of await isolates(pid)) {
    const bytes = await collectOne(webSocketDebuggerUrl)
    if (id === OWN_ISOLATE) own = bytes
  }
  return own
}

async function collectOne(url: string): Promise<number | undefined> {
  const socket = new WebSocket(url)
  const isLost = new Promise<undefined>((resolve) => {
    socket.addEventListener('close', () => resolve(undefined), { once: true })
    socket.addEventListener('error', () => resolve(undefined), { once: true })
  })
  const isOpen = new Promise((resolve) =>
    socket.addEventListener('open', () => resolve(true), { once: true }),
  )
  try {
    if (!(await Promise.race([isOpen, isLost]))) return undefined
    const asked = ask(socket, 1, 'HeapProfiler.collectGarbage').then(() =>
      ask(socket, 2, 'Runtime.getHeapUsage'),
    )
    const heard = await Promise.race([asked, isLost])
    if (heard === undefined) return undefined
    const { usedSize, backingStorageSize = 0 } = usage.parse(heard)
    return usedSize + backingStorageSize
  } finally {
    socket.close()
  }
}

/** None when the runtime does not tell at this moment. */
async function isolates(pid: number): Promise<z.infer<typeof targets>> {
  for (const port of await listeningPorts(pid)) {
    const response = await fetch(`http://127.0.0.1:${port}/json`).catch(() => undefined)
    const shown = targets.safeParse(await response?.json().catch(() => undefined))
    if (shown.data?.some(({ id }) => id === OWN_ISOLATE)) return shown.data
  }
  return []
}

function ask(socket: WebSocket, id: number, method: string): Promise<unknown> {
  return new Promise((resolve) => {
    const hear = ({ data }: MessageEvent): void => {
      const heard = answer.safeParse(JSON.parse(String(data)))
      // It tells of other things as well.
      if (heard.data?.id !== id) return
      socket.removeEventListener('message', hear)
      resolve(heard.data.result)
    }
    socket.addEventListener('message', hear)
    socket.send(JSON.stringify({ id, method, params: {} }))
  })
}
