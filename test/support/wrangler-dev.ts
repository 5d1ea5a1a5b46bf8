/**
 * Parley as a person starts it: a real `wrangler dev` in a process group of its own, with its own persistence folder.
 *
 * `kill9` takes all of it at once (wrangler, its proxy and both workerd processes), so nothing is flushed, shut down or
 * told. Starting again on the same folder and port is what happens after a power cut or a crash of the machine.
 */
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { keepLog } from './log-reporter.ts'
import { ProcessGroup } from './process-group.ts'

export interface ParleyOptions {
  /** Where databases and objects live; what a restart finds again. */
  readonly persistDir: string
  /** Variables, over those of wrangler.toml. */
  readonly vars?: Readonly<Record<string, string | number>>
  /** Any free one when left out. */
  readonly port?: number | undefined
}

export interface ParleyProcess {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  readonly port: number
  /** Everything that it printed so far. */
  readonly logs: string
  /** Of the group of its processes. */
  readonly group: number
  /** Resolves when it takes requests. @throws Error with what was printed, when it ends before that */
  ready(): Promise<void>
  /** `kill -9` of every process of it, at any time; resolves when they are gone. */
  kill9(): Promise<void>
  /** As Ctrl-C does it; resolves when they are gone. */
  stop(): Promise<void>
}

export const ROOT = join(import.meta.dirname, '../..')

/** What a person waits for, too: cheaper and sooner than asking again and again on a machine that is busy starting. */
const READY = /Ready on http:\S+/

/** Keeps wrangler quiet and off the network, and what it writes besides out of the person's home. */
export function quietEnv(persistDir: string): Record<string, string> {
  return {
    WRANGLER_SEND_METRICS: 'false',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    WRANGLER_LOG_PATH: join(persistDir, 'wrangler-logs'),
    WRANGLER_REGISTRY_PATH: join(persistDir, 'wrangler-registry'),
    // Its recorder of traces keeps every statement of every object, for a page that nobody opens here.
    X_LOCAL_OBSERVABILITY: 'false',
    // As `npm run` and `npx` do: the page's build is started by the name of `node`.
    PATH: [join(ROOT, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter),
  }
}

export async function startParley(options: ParleyOptions): Promise<ParleyProcess> {
  const { port = await freePort() } = options
  const parley = spawnParley({ ...options, port })
  await parley.ready()
  return parley
}

/** Starts it without waiting, for tests that kill it while it starts. */
export function spawnParley({
  persistDir,
  vars = {},
  port,
}: ParleyOptions & { readonly port: number }): ParleyProcess {
  const args = ['dev', '--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0']
  // Instead of .dev.vars: the secrets of whoever runs the tests must not count.
  args.push('--persist-to', persistDir, '--env-file', '/dev/null')
  for (const [name, value] of Object.entries(vars)) args.push('--var', `${name}:${value}`)
  const env = { ...quietEnv(persistDir), WRANGLER_HIDE_BANNER: 'true' }
  // What it logs is read when all tests have ended.
  const group = new ProcessGroup(join(ROOT, 'node_modules/.bin/wrangler'), args, {
    cwd: ROOT,
    env,
    record: keepLog,
  })
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get logs() {
      return group.output
    },
    group: group.pid,
    ready: async () => void (await group.printed(READY)),
    kill9: () => group.kill9(),
    stop: () => group.interrupt(),
  }
}

/**
 * A port that is free, and that nobody is given by chance before it is used: systems hand out ports above 32767 to whoever
 * names none, be it a server or the near end of a connection.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve, reject) => {
      server.once('listening', () => resolve(true))
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
      )
      server.listen(port, '127.0.0.1')
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}
