/**
 * Takes a CPU profile of a Worker through its inspector (Chrome DevTools Protocol), and adds up self times.
 */
import { once } from 'node:events'

/** As the protocol gives it; times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

export interface SelfTime {
  readonly selfMs: number
  /** Of all time in which the isolate was not idle. */
  readonly share: number
  readonly where: string
}

/** Fine enough for turns of some milliseconds. */
const SAMPLING_US = 200

/** @param inspectorUrl of the runtime; the Worker's isolate is found in its list */
export async function profile(inspectorUrl: string, run: () => Promise<void>): Promise<CpuProfile> {
  const list = await fetch(new URL('/json', inspectorUrl.replace(/^ws/, 'http')))
  const targets = (await list.json()) as { id: string; webSocketDebuggerUrl: string }[]
  const found = targets.find(({ id }) => id.startsWith('core:user:'))
  if (!found) throw new Error(`no Worker among ${targets.map(({ id }) => id).join(', ')}`)
  const socket = new WebSocket(found.webSocketDebuggerUrl)
  await once(socket, 'open')
  const call = caller(socket)
  await call('Profiler.enable')
  await call('Profiler.setSamplingInterval', { interval: SAMPLING_US })
  await call('Profiler.start')
  await run()
  const { profile } = (await call('Profiler.stop')) as { profile: CpuProfile }
  socket.close()
  return profile
}

/** Self time of each function, most first. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): SelfTime[] {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]))
  const self = new Map<string, number>()
  let total = 0
  for (const [i, id] of samples.entries()) {
    const frame = byId.get(id)
    const time = timeDeltas[i] ?? 0
    if (!frame || frame.functionName === '(idle)') continue
    const where = `${frame.functionName || '(anonymous)'} ${frame.url.split('/').at(-1) ?? ''}:${frame.lineNumber + 1}`
    self.set(where, (self.get(where) ?? 0) + time)
    total += time
  }
  return [...self]
    .map(([where, us]) => ({ where, selfMs: us / 1000, share: us / total }))
    .toSorted((a, b) => b.selfMs - a.selfMs)
}

function caller(socket: WebSocket): (method: string, params?: object) => Promise<unknown> {
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  let last = 0
  socket.addEventListener('message', ({ data }) => {
    const answer = JSON.parse(String(data)) as { id?: number; result?: unknown; error?: { message: string } }
    const call = answer.id === undefined ? undefined : waiting.get(answer.id)
    if (answer.error) call?.reject(new Error(answer.error.message))
    else call?.resolve(answer.result)
  })
  return (method, params = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject })
      socket.send(JSON.stringify({ id: last, method, params }))
    })
}
