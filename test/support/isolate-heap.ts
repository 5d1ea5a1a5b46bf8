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

/** Now and then an inspector takes a question and does not answer it. */
const PATIENCE_MS = 10_000

const answer = z.object({ id: z.number(), result: z.unknown() })

/**
 * Bytes of objects and of what they hold outside of the heap.
 *
 * @param pid of the runtime
 * @returns undefined when it could not be asked: the inspector serves one at a time, and the proxy may have come back
 */
export async function heapBytes(pid: number): Promise<number | undefined> {
  const url = await debuggerUrl(pid)
  if (url === undefined) return undefined
  const socket = new WebSocket(url)
  let timer: ReturnType<typeof setTimeout> | undefined
  const isLost = new Promise<undefined>((resolve) => {
    socket.addEventListener('close', () => resolve(undefined), { once: true })
    socket.addEventListener('error', () => resolve(undefined), { once: true })
    timer = setTimeout(() => resolve(undefined), PATIENCE_MS)
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
    clearTimeout(timer)
    socket.close()
  }
}

async function debuggerUrl(pid: number): Promise<string | undefined> {
  for (const port of await listeningPorts(pid)) {
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const response = await fetch(`http://127.0.0.1:${port}/json`, { signal }).catch(() => undefined)
    const shown = targets.safeParse(await response?.json().catch(() => undefined))
    const own = shown.data?.find(({ id }) => id === OWN_ISOLATE)
    if (own) return own.webSocketDebuggerUrl
  }
  return undefined
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
