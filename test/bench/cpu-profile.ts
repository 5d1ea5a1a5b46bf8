/**
 * Takes a CPU profile of a Worker through its inspector (Chrome DevTools Protocol), and adds up the times of each function.
 */
import { once } from 'node:events'

/** As the protocol gives it; times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

export interface FunctionTime {
  readonly where: string
  /** In the function itself, and in what it called as well. */
  readonly selfMs: number
  readonly totalMs: number
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

/** Times of each function, those with the most self time first. Idle time is left out. */
export function functionTimes({ nodes, samples, timeDeltas }: CpuProfile): FunctionTime[] {
  const names = new Map<number, string>()
  const parents = new Map<number, number>()
  for (const { id, callFrame, children = [] } of nodes) {
    const file = callFrame.url.split('/').at(-1) ?? ''
    names.set(id, `${callFrame.functionName || '(anonymous)'} ${file}:${callFrame.lineNumber + 1}`)
    for (const child of children) parents.set(child, id)
  }
  const self = new Map<string, number>()
  const total = new Map<string, number>()
  for (const [i, sample] of samples.entries()) {
    const ms = (timeDeltas[i] ?? 0) / 1000
    const leaf = names.get(sample) ?? ''
    if (leaf.startsWith('(idle)')) continue
    self.set(leaf, (self.get(leaf) ?? 0) + ms)
    const stack = new Set<string>()
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id))
      stack.add(names.get(id) ?? '')
    for (const where of stack) total.set(where, (total.get(where) ?? 0) + ms)
  }
  return [...total]
    .map(([where, totalMs]) => ({ where, selfMs: self.get(where) ?? 0, totalMs }))
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
