/**
 * Builds and starts what is measured, each server in a process of its own with a folder of its own.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { buildWorker, PARLEY_CONFIG } from '../support/built-worker.ts'
import { startJsonLineProcess, type JsonLineProcess } from '../support/json-line-process.ts'
import type { ServedWorker } from '../support/parley-process.ts'
import { ROOMY_VARS } from '../support/roomy-limits.ts'

const MAIN = join(import.meta.dirname, '../support/parley-process.ts')
const DATA = join(import.meta.dirname, '../../.build/bench/data')
const WORKERS = join(import.meta.dirname, '../workers/bench')

/** The product and the floor as they are deployed, that is minified; both with readable names; the product with its writes counted. */
export const BUILDS = {
  parley: { config: PARLEY_CONFIG, outdir: '.build/bench/parley', minify: true },
  relay: { config: join(WORKERS, 'relay.toml'), outdir: '.build/bench/relay', minify: true },
  'parley-readable': { config: PARLEY_CONFIG, outdir: '.build/bench/parley-readable' },
  'relay-readable': { config: join(WORKERS, 'relay.toml'), outdir: '.build/bench/relay-readable' },
  deployed: { config: PARLEY_CONFIG, outdir: '.build/bench/deployed', environment: 'production' },
  counting: {
    config: PARLEY_CONFIG,
    outdir: '.build/bench/counting',
    entry: join(WORKERS, 'counting-worker.ts'),
  },
  admission: {
    config: PARLEY_CONFIG,
    outdir: '.build/bench/admission',
    entry: join(WORKERS, 'admission-worker.ts'),
    minify: true,
  },
  'bare-model': {
    config: PARLEY_CONFIG,
    outdir: '.build/bench/bare-model',
    entry: join(WORKERS, 'bare-model-worker.ts'),
    minify: true,
  },
  limiter: {
    config: PARLEY_CONFIG,
    outdir: '.build/bench/limiter',
    entry: join(WORKERS, 'limiter-worker.ts'),
    minify: true,
  },
} as const

export type Build = keyof typeof BUILDS

export interface ServeOptions {
  /** The model's base URL, up to and including `/v1`. */
  readonly modelUrl: string
  readonly inspector?: boolean
  /** Further variables, over limits that stand in nobody's way. */
  readonly vars?: Readonly<Record<string, string>>
}

const built = new Map<Build, Promise<string>>()

/** The folder of a build, which is made once. */
export function build(name: Build): Promise<string> {
  let directory = built.get(name)
  if (!directory) built.set(name, (directory = buildWorker(BUILDS[name])))
  return directory
}

export async function serve(
  name: Build,
  { modelUrl, inspector = false, vars = {} }: ServeOptions,
): Promise<JsonLineProcess<ServedWorker>> {
  await mkdir(DATA, { recursive: true })
  const persist = await mkdtemp(join(DATA, `${name}-`))
  const args = ['--worker', await build(name), '--config', BUILDS[name].config, '--persist', persist]
  // The relay has no page; what routes requests to static files is not the Worker's work.
  args.push('--without-page')
  const all = { ...ROOMY_VARS, ...vars, OPENAI_BASE_URL: modelUrl }
  for (const [variable, value] of Object.entries(all)) args.push('--var', `${variable}=${value}`)
  if (inspector) args.push('--inspector', '0')
  const served = await startJsonLineProcess<ServedWorker>(MAIN, args)
  return {
    line: served.line,
    async stop() {
      await served.stop()
      await rm(persist, { recursive: true, force: true })
    },
  }
}
