/**
 * A built Worker in a process of its own, through Miniflare's API: no development proxy, no file watcher in the path.
 *
 *   node test/support/parley-process.ts --worker DIR [--config FILE] [--persist DIR] [--port N] [--inspector N]
 *     [--var NAME=VALUE]… [--without-page] [--with-parent]
 *
 * Prints one line of JSON once it serves: `url` (as a browser reaches it), `directUrl` (past Miniflare's own entry Worker),
 * `pid` of the runtime, `inspectorUrl` if asked for. DIR is what built-worker.ts made. Without `--persist` nothing outlives
 * the process. `--without-page` leaves out the static assets, whose router is a Worker of its own in front of ours. Ends
 * with SIGTERM and, if told to live `--with-parent`, when its standard input ends.
 */
import { parseArgs } from 'node:util'
import { convertV4MiniflareOptions, Miniflare, NoOpLog } from 'miniflare'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { builtModules, PARLEY_CONFIG } from './built-worker.ts'
import { childNamed } from './process-table.ts'

export interface ServedWorker {
  readonly url: string
  readonly directUrl: string
  /** Of the runtime (workerd), where all work is done. */
  readonly pid: number
  readonly inspectorUrl?: string
}

const { values } = parseArgs({
  options: {
    worker: { type: 'string' },
    config: { type: 'string', default: PARLEY_CONFIG },
    persist: { type: 'string' },
    port: { type: 'string', default: '0' },
    inspector: { type: 'string' },
    var: { type: 'string', multiple: true, default: [] },
    'without-page': { type: 'boolean', default: false },
    'with-parent': { type: 'boolean', default: false },
  },
})
if (values.worker === undefined) throw new Error('--worker names the folder of a built Worker')

const { workerOptions } = unstable_getMiniflareWorkerOptions(values.config)
const vars = values.var.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    ...workerOptions,
    ...(values['without-page'] && { assets: undefined }),
    bindings: { ...(workerOptions.bindings as Record<string, string>), ...Object.fromEntries(vars) },
    modules: await builtModules(values.worker),
    modulesRoot: values.worker,
    host: '127.0.0.1',
    port: Number(values.port),
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
    // Without this it asks the network for the properties of a request.
    cf: false,
    log: new NoOpLog(),
    ...(values.persist !== undefined && { resourcePersistencePath: values.persist }),
    ...(values.inspector !== undefined && { inspectorPort: Number(values.inspector) }),
  }),
)
const end = (): void => void miniflare.dispose().then(() => process.exit())
process.once('SIGTERM', end)
if (values['with-parent']) process.stdin.once('end', end).resume()

const served: ServedWorker = {
  url: (await miniflare.ready).origin,
  directUrl: (await miniflare.unsafeGetDirectURL()).origin,
  pid: await childNamed(process.pid, 'workerd'),
  ...(values.inspector !== undefined && { inspectorUrl: (await miniflare.getInspectorURL()).href }),
}
console.log(JSON.stringify(served))
