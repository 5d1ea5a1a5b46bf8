/**
 * Starts the model server as a process of its own, for tests that kill things and for benchmarks, where it must not
 * share a thread with what is measured.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ModelServerClient } from './model-server-client.ts'

export interface ModelServerProcess {
  readonly client: ModelServerClient
  readonly pid: number
  stop(): Promise<void>
}

/** @throws Error when the process ends before it listens */
export async function spawnModelServer({ port = 0 } = {}): Promise<ModelServerProcess> {
  const main = join(import.meta.dirname, 'model-server-main.ts')
  const child = spawn(process.execPath, [main, '--port', String(port), '--with-parent'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const line = await Promise.race([once(lines, 'line'), exited.then(() => undefined)])
  if (line === undefined || child.pid === undefined) throw new Error('the model server did not start')
  const { url } = JSON.parse(String(line[0])) as { url: string }
  return {
    client: new ModelServerClient(url),
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
