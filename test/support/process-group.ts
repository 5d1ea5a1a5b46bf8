/**
 * A command with all its descendants, as one thing that can be killed at one moment.
 *
 * It runs in a process group of its own. `kill9` signals the whole group at once, so no member sees another one die and
 * shuts down in order. A guard, a shell that reads from a pipe of ours, kills the group when this process ends for
 * whatever reason: no test run leaves processes behind. POSIX only.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

export interface GroupOptions {
  readonly cwd: string
  /** Over this process's own environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Is handed all that it prints, as it comes. */
  readonly record?: (text: string) => void
}

/** The kernel does not tell when the last member of a group has gone, so it is asked this often. */
const GONE_POLL_MS = 5
/** A group that was asked to end and does not is killed after this. */
const STOP_GRACE_MS = 10_000

export class ProcessGroup {
  readonly #child: ChildProcess
  readonly #guard: ChildProcess
  readonly #exited: Promise<unknown>
  #output = ''
  #waiters: (() => void)[] = []

  constructor(command: string, args: readonly string[], { cwd, env, record }: GroupOptions) {
    this.#child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // "close" comes after the last output, "exit" may come before it.
    this.#exited = once(this.#child, 'close').then(() => this.#wake())
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        record?.(text)
        this.#wake()
      })
    }
    this.#guard = spawn('/bin/sh', ['-c', `read -r _; kill -s KILL -- -${this.pid}`], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
  }

  /** Of the group, and of its leader. */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the process could not be started')
    return this.#child.pid
  }

  /** Everything that was printed so far. */
  get output(): string {
    return this.#output
  }

  /** Resolves as soon as the output matches. @throws Error with the output, when the leader ends first */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#output)
      if (match) return match
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        await this.#exited
        throw new Error(`it ended before it printed ${pattern}:\n${this.#output}`)
      }
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    }
  }

  /** SIGKILL to every member; resolves when none is left. */
  async kill9(): Promise<void> {
    signal(this.pid, 'SIGKILL')
    await this.#gone()
  }

  /** SIGINT to every member, as Ctrl-C in a terminal; resolves when none is left. */
  async interrupt(): Promise<void> {
    signal(this.pid, 'SIGINT')
    const impatient = setTimeout(() => signal(this.pid, 'SIGKILL'), STOP_GRACE_MS)
    await this.#gone()
    clearTimeout(impatient)
  }

  async #gone(): Promise<void> {
    while (hasMembers(this.pid)) await pause(GONE_POLL_MS)
    this.#guard.kill('SIGKILL')
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake()
  }
}

function signal(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function hasMembers(group: number): boolean {
  try {
    process.kill(-group, 0)
  } catch {
    return false
  }
  return livingMembers(group) !== 0
}

/**
 * How many members live: dead ones that nobody waited for still count for the kernel. A process whose first thread is dead
 * lives on while another one finishes a write, and what is on the disk may still change. Null where it is not told.
 */
function livingMembers(group: number): number | null {
  let pids: string[]
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return null
  }
  return pids.filter((pid) => {
    try {
      // "pid (command) state ppid pgrp …"; the command may hold spaces and parentheses.
      const [state, , pgrp] = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      if (Number(pgrp) !== group) return false
      return (state !== 'Z' && state !== 'X') || readdirSync(`/proc/${pid}/task`).length > 1
    } catch {
      // It ended between the two looks.
      return false
    }
  }).length
}
