/**
 * What the kernel says of processes, from `/proc`: whose child is whose, CPU time and resident memory. Linux only, as
 * there is no portable way without a native module.
 */
import { readdir, readFile, readlink } from 'node:fs/promises'

/** `USER_HZ`: the kernel tells CPU time to programs in this unit on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

interface ProcessStat {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly name: string
  /** Seconds in user and kernel mode, of the process and of its children that have ended. */
  readonly cpuSeconds: number
}

/** @throws Error when there is no such child */
export async function childNamed(parent: number, name: string): Promise<number> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readStat(Number(entry)).catch(() => undefined)
    if (stat?.parent === parent && stat.name === name) return stat.pid
  }
  throw new Error(`process ${parent} has no child named ${name}`)
}

export async function cpuSeconds(pid: number): Promise<number> {
  return (await readStat(pid)).cpuSeconds
}

/** Resident memory in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
  if (kib === undefined) throw new Error(`process ${pid} has no resident memory`)
  return Number(kib) * 1024
}

/** Of all processes of a group that have files of this folder open, in bytes. */
export async function residentBytesOfUsers(group: number, folder: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number)
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      // One that ends meanwhile has none.
      const stat = await readStat(pid).catch(() => undefined)
      if (stat?.group !== group || !(await hasOpen(pid, folder))) return 0
      return await residentBytes(pid).catch(() => 0)
    }),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

async function hasOpen(pid: number, folder: string): Promise<boolean> {
  const files = await readdir(`/proc/${pid}/fd`).catch(() => [])
  for (const file of files) {
    const path = await readlink(`/proc/${pid}/fd/${file}`).catch(() => '')
    if (path.startsWith(folder)) return true
  }
  return false
}

/** Fields as in proc_pid_stat(5). */
async function readStat(pid: number): Promise<ProcessStat> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name is in parentheses, and may hold spaces and parentheses itself.
  const end = text.lastIndexOf(')')
  const name = text.slice(text.indexOf('(') + 1, end)
  const fields = text.slice(end + 2).split(' ')
  const number = (field: number): number => Number(fields[field - 3])
  const ticks = number(14) + number(15) + number(16) + number(17)
  return { pid, parent: number(4), group: number(5), name, cpuSeconds: ticks / TICKS_PER_SECOND }
}
