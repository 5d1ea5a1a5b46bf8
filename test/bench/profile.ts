/**
 * Where the time goes: runs one kind of work against a server whose inspector is open, and prints the functions that the
 * CPU was in. `node test/bench/profile.ts [fan-out|first-token|many] [--target=parley|relay] [--json FILE]`; the file opens
 * in a browser's developer tools. Whatever runs in C++ below a function counts as that function's own.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { spawnModelServer } from '../support/model-server-process.ts'
import { cpuSeconds } from '../support/process-table.ts'
import { functionTimes, profile, type FunctionTime } from './cpu-profile.ts'
import { ParleyTarget } from './parley-target.ts'
import { RelayTarget } from './relay-target.ts'
import type { Room, Target } from './room.ts'

const LINES = 45

/** Opens the rooms, and returns what is to be profiled. */
const WORK: Record<string, (target: Target) => Promise<() => Promise<void>>> = {
  'first-token': async (target) => {
    const room = await target.open(1)
    return () => turns(room, 300, '[[tokens=5 delay=1]]')
  },
  'fan-out': async (target) => {
    const room = await target.open(10)
    return () => turns(room, 20, '[[tokens=4000 batch=1]]')
  },
  many: async (target) => {
    const rooms = await Promise.all(Array.from({ length: 200 }, () => target.open(1)))
    return async () =>
      void (await Promise.all(rooms.map((room) => turns(room, 1, '[[tokens=100 delay=10]]'))))
  },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { target: { type: 'string', default: 'parley' }, json: { type: 'string' } },
})
const name = positionals[0] ?? 'fan-out'
const prepare = WORK[name]
if (!prepare) throw new Error(`no such work: ${name}; there is ${Object.keys(WORK).join(', ')}`)

const model = await spawnModelServer()
const options = { modelUrl: model.client.baseUrl, inspector: true }
const target = await (values.target === 'relay'
  ? RelayTarget.start(options, 'relay-readable')
  : ParleyTarget.start(options, 'parley-readable'))
try {
  await turns(await target.open(1), 20, '[[tokens=20 delay=1]] warm')
  const work = await prepare(target)
  const before = await cpuSeconds(target.served.pid)
  const found = await profile(target.served.inspectorUrl ?? '', work)
  console.log(
    `${name} on ${target.name}: ${((await cpuSeconds(target.served.pid)) - before).toFixed(2)} CPU s`,
  )
  const times = functionTimes(found)
  console.log('\n      self       total   by self time')
  for (const each of times.slice(0, LINES)) console.log(line(each))
  console.log('\n      self       total   by total time')
  for (const each of times.toSorted((a, b) => b.totalMs - a.totalMs).slice(0, LINES)) console.log(line(each))
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify(found))
} finally {
  await Promise.all([target.stop(), model.stop()])
}

async function turns(room: Room, count: number, message: string): Promise<void> {
  for (let i = 0; i < count; i++) await room.turn(`${message} ${i}`)
}

function line({ where, selfMs, totalMs }: FunctionTime): string {
  return `${selfMs.toFixed(1).padStart(8)} ms ${totalMs.toFixed(1).padStart(8)} ms   ${where}`
}
