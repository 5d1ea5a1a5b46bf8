/**
 * Starts one of our programs that prints a line of JSON once it serves, as parley-process.ts does.
 * It lives `--with-parent`: it must end when its standard input does, so that a crashed benchmark leaves nothing behind.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export interface JsonLineProcess<T> {
  /** What it printed. */
  readonly line: T
  /** Ends it with SIGTERM; resolves when it is gone. */
  readonly stop: () => Promise<void>
}

/** @throws Error when it ends before it has printed its line */
export async function startJsonLineProcess<T>(
  main: string,
  args: readonly string[],
): Promise<JsonLineProcess<T>> {
  const child = spawn(process.execPath, [main, ...args, '--with-parent'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const first = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    exited.then(() => undefined),
  ])
  if (first === undefined) throw new Error(`${main} ended before it served`)
  return {
    line: JSON.parse(String(first[0])) as T,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
