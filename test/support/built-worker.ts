/**
 * Builds a Worker as a deployment would, by wrangler's own bundling, and reads the result as Miniflare's modules.
 *
 * For tests and benchmarks that run the built Worker with no development proxy in the path. Serving it is
 * parley-process.ts.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile, rm } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import type { V4ModuleDefinition } from 'miniflare'

const ROOT = join(import.meta.dirname, '../..')
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')

/** Where the product's Worker is configured. */
export const PARLEY_CONFIG = join(ROOT, 'wrangler.toml')

export interface BuildOptions {
  /** Folder for the result, relative to the repository; what was there is removed. `.build/…` is never committed. */
  readonly outdir: string
  /** Parley's, when left out. */
  readonly config?: string | undefined
  /** An entry other than the configuration's `main`. */
  readonly entry?: string | undefined
  /** Of the configuration; the top level when left out. */
  readonly environment?: string | undefined
  /** As configured, when left out. */
  readonly minify?: boolean | undefined
}

/**
 * @returns the folder of the built Worker
 * @throws Error with wrangler's output when it does not build
 */
export async function buildWorker(options: BuildOptions) {
  const { outdir, config = PARLEY_CONFIG, entry, environment, minify } = options
  const directory = join(ROOT, outdir)
  await rm(directory, { recursive: true, force: true })
  const args = [WRANGLER, 'deploy', ...(entry === undefined ? [] : [entry]), '--config', config]
  if (environment !== undefined) args.push('--env', environment)
  args.push('--dry-run', '--outdir', directory, ...(minify === undefined ? [] : [`--minify=${minify}`]))
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false' }
  try {
    await promisify(execFile)(process.execPath, args, { cwd: ROOT, env })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`the Worker did not build:\n${stdout}\n${stderr}`, { cause: error })
  }
  return directory
}

/** What Miniflare is to run; the entry comes first. */
export async function builtModules(directory: string): Promise<V4ModuleDefinition[]> {
  const modules: V4ModuleDefinition[] = []
  for (const path of (await readdir(directory)).toSorted()) {
    const type = MODULE_TYPES[extname(path)]
    if (type === undefined) continue
    const module = { type, path: join(directory, path), contents: await readFile(join(directory, path)) }
    if (type === 'ESModule') modules.unshift(module)
    else modules.push(module)
  }
  if (modules[0]?.type !== 'ESModule') throw new Error(`there is no built Worker in ${directory}`)
  return modules
}

/** As in wrangler's standard rules: the bundle is one module, and what it imports beside it is text, data or WebAssembly. */
const MODULE_TYPES: Partial<Record<string, V4ModuleDefinition['type']>> = {
  '.js': 'ESModule',
  '.sql': 'Text',
  '.txt': 'Text',
  '.html': 'Text',
  '.bin': 'Data',
  '.wasm': 'CompiledWasm',
}
