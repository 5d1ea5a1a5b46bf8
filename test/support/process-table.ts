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

/** @throws Error when no process of this group has files of this folder open */
export async function userOf(folder: string, group: number): Promise<number> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const pid = Number(entry)
    const stat = await readStat(pid).catch(() => undefined)
    if (stat?.group !== group) continue
    if ((await openFiles(pid)).some((path) => path.startsWith(folder))) return pid
  }
  throw new Error(`nobody in group ${group} uses ${folder}`)
}

/** TCP ports on which a process listens. */
export async function listeningPorts(pid: number): Promise<number[]> {
  const sockets = new Set((await openFiles(pid)).map((path) => /^socket:\[(\d+)\]$/.exec(path)?.[1]))
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')))
  return tables.flatMap((table) =>
    table.split('\n').flatMap((line) => {
      // Fields as in proc_pid_net(5): local address, state (0A: listens), inode.
      const fields = line.trim().split(/\s+/)
      const isOwn = fields[3] === '0A' && sockets.has(fields[9])
      return isOwn ? [Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)] : []
    }),
  )
}

/** What the descriptors of a process lead to. */
async function openFiles(pid: number): Promise<string[]> {
  const files = await readdir(`/proc/${pid}/fd`).catch(() => [])
  // One that is closed meanwhile leads nowhere.
  return await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')))
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
