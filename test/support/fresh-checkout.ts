/**
 * The repository as somebody finds it after `git clone` and `npm ci`: its files in a folder of their own, with no state of
 * earlier runs and no secrets, and an environment without what this process got from npm, the test runner or CI.
 */
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { ProcessGroup } from './process-group.ts'
import { ROOT } from './wrangler-dev.ts'

/** Not in the repository, or (`.git`) of no use to it. */
const LEFT_OUT = new Set(['.git', 'node_modules', '.wrangler', '.build', '.dev.vars', '.env', 'test-results'])

/** What would make wrangler, npm or Parley behave otherwise than in a newcomer's shell. */
const FOREIGN = /^(npm_|cloudflare_|wrangler_|openai_|vitest|node_env$|init_cwd$|ci$)/i

export class FreshCheckout {
  readonly dir: string

  private constructor(dir: string) {
    this.dir = dir
  }

  static async make(): Promise<FreshCheckout> {
    const dir = await mkdtemp(join(tmpdir(), 'parley-fresh-'))
    await cp(ROOT, dir, { recursive: true, filter: (source) => !LEFT_OUT.has(basename(source)) })
    await symlink(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
    return new FreshCheckout(dir)
  }

  /** Runs a command as typed into a shell in this folder. */
  run(command: string, args: readonly string[]): ProcessGroup {
    const env: Record<string, string | undefined> = {}
    for (const name of Object.keys(process.env)) if (FOREIGN.test(name)) env[name] = undefined
    const path = process.env['PATH']?.split(delimiter).filter((folder) => !folder.includes('node_modules'))
    return new ProcessGroup(command, args, { cwd: this.dir, env: { ...env, PATH: path?.join(delimiter) } })
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true })
  }
}
