/**
 * Migrations are a promise to databases that exist already: what was released never changes, every list of them says
 * the same, and what they make is what the code expects. The tools are the real ones.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { getTableConfig } from 'drizzle-orm/sqlite-core'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getPlatformProxy } from 'wrangler'
import * as accountsSchema from '../../src/storage/accounts-schema.ts'
import * as answerCacheSchema from '../../src/storage/answer-cache-schema.ts'
import * as auditSchema from '../../src/storage/audit-schema.ts'
import * as membersSchema from '../../src/storage/members-schema.ts'
import * as schema from '../../src/storage/schema.ts'
import * as usageSchema from '../../src/storage/usage-schema.ts'
import * as webhooksSchema from '../../src/storage/webhooks-schema.ts'

const d1Schema = {
  ...schema,
  ...accountsSchema,
  ...usageSchema,
  ...membersSchema,
  ...auditSchema,
  ...answerCacheSchema,
  ...webhooksSchema,
}

/**
 * SHA-256 of each released file. A new migration is a new line here; a line never changes, because databases that ran
 * the file will not run it again.
 */
const RELEASED: Readonly<Record<string, string>> = {
  'migrations/conversation/0000_init.sql': '8718ff5a3aab76320c8d76028e25207b552f324ea76c13643a1ad02024a3fceb',
  'migrations/d1/0001_directory.sql': '70270b8d0d03292d3ee9109de7ce1090af7a6eec103f25d41a68ef78ae6c6b32',
  'migrations/conversation/0001_members.sql':
    'a07929c7be29ed4827835ce6b90b8c21573514ccc3ae232833a3675912400329',
  'migrations/d1/0002_accounts.sql': '597459616ddfb26921f7e98826358f71982dc191efd4408523623ea20257a72e',
  'migrations/d1/0003_usage.sql': 'd524d53a862c7cb229b1e605d560c5da292393fb8d41521605b8a222ef935f72',
  'migrations/d1/0004_members.sql': 'f1f34086c2c4f8b7671e360788679fe0031589e625c3eae6937ed8f78b0c0b1f',
  'migrations/conversation/0002_payer.sql':
    '4296d40ef073e182e8b43f054849d58fce05419ee8c463dd6d692223af1ae002',
  'migrations/d1/0005_audit.sql': 'f7bb9cc6a0ba66cf410610b4fb60753b9cd14bc1293ec5dffb66886a8617f7e1',
  'migrations/conversation/0003_removed_members.sql':
    '1a98c7438da3a573671f2256dd141e8aa773395b92117e6b90a2978583dafc55',
  'migrations/d1/0006_audit_retention.sql':
    'd1edbaf9ae79c2b9af69f4eac6c5efb78bd13153455168930132a760adafba71',
  'migrations/conversation/0004_resumed_turns.sql':
    '0c790908709bffac1432e61436c35da2de2ee8e8db65183931f408f37305bc50',
  'migrations/d1/0007_answer_cache.sql': '624956df7de3ee941627f0b5959aa13b9c871eeba5e0190e0dab8be99b26699e',
  'migrations/d1/0008_webhooks.sql': '5204abe507c6b6d6691b133c2359ffca2d7f192e326aa9cda854044e7c073ed4',
}

const ROOT = join(import.meta.dirname, '../..')
const run = promisify(execFile)
const inRoot = (path: string): string => join(ROOT, path)

async function filesOf(folder: string, ending: string): Promise<string[]> {
  const names = await readdir(inRoot(folder))
  return names.filter((name) => name.endsWith(ending)).toSorted()
}

/** What is used of D1 here. */
interface Database {
  prepare(sql: string): { all(): Promise<{ results: Record<string, string>[] }> }
}

interface LocalSetup {
  readonly D1_MIGRATIONS: readonly { readonly name: string; readonly sql: string }[]
  readonly migrateLocally: (db: Database) => Promise<void>
}

/** The module as it is bundled for the Worker, where SQL files are text. */
async function loadLocalSetup(): Promise<LocalSetup> {
  const { outputFiles } = await build({
    entryPoints: [inRoot('src/storage/local-setup.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    loader: { '.sql': 'text' },
  })
  const code = Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')
  return (await import(/* @vite-ignore */ `data:text/javascript;base64,${code}`)) as LocalSetup
}

let scratch = ''
let setup: LocalSetup
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'parley-migrations-'))
  setup = await loadLocalSetup()
})
afterAll(() => rm(scratch, { recursive: true, force: true }))

describe('released migrations', () => {
  test('are all recorded, and none was changed since', async () => {
    const found: Record<string, string> = {}
    for (const folder of ['migrations/conversation', 'migrations/d1']) {
      for (const name of await filesOf(folder, '.sql')) {
        const content = await readFile(inRoot(`${folder}/${name}`))
        found[`${folder}/${name}`] = createHash('sha256').update(content).digest('hex')
      }
    }
    expect(found).toEqual(RELEASED)
  })

  test('are numbered without gaps', async () => {
    const numbers = async (folder: string): Promise<number[]> =>
      (await filesOf(folder, '.sql')).map((name) => Number(name.slice(0, 4)))
    for (const [folder, first] of [
      ['migrations/conversation', 0],
      ['migrations/d1', 1],
    ] as const) {
      const found = await numbers(folder)
      expect(found).toEqual(found.map((_, index) => index + first))
    }
  })
})

describe('the migrations of a conversation', () => {
  test('are the same in the folder, in the journal and in the bundle', async () => {
    const files = await filesOf('migrations/conversation', '.sql')
    const journal = JSON.parse(
      await readFile(inRoot('migrations/conversation/meta/_journal.json'), 'utf8'),
    ) as { entries: { tag: string; idx: number; when: number }[] }
    expect(journal.entries.map((entry) => `${entry.tag}.sql`)).toEqual(files)
    expect(journal.entries.map((entry) => entry.idx)).toEqual(files.map((_, index) => index))
    // The migrator goes by time: one with an earlier `when` than its predecessor's would be left out for ever.
    const times = journal.entries.map((entry) => entry.when)
    expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b))
    const bundle = await readFile(inRoot('migrations/conversation/migrations.js'), 'utf8')
    expect([...bundle.matchAll(/from '\.\/(.+\.sql)'/g)].map((match) => match[1])).toEqual(files)
  })

  test('say what the schema says: generating them again changes nothing', async () => {
    const { scripts } = JSON.parse(await readFile(inRoot('package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const [tool, ...args] = scripts['migrations:conversation']?.split(' ') ?? []
    expect(tool).toBe('drizzle-kit')
    const copy = join(scratch, 'conversation')
    await cp(inRoot('migrations/conversation'), copy, { recursive: true })
    const generate = args.map((arg) => (arg === 'migrations/conversation' ? relative(ROOT, copy) : arg))
    const { stdout } = await run(inRoot('node_modules/.bin/drizzle-kit'), generate, { cwd: ROOT })
    expect(stdout).toContain('No schema changes')
    expect((await readdir(copy)).toSorted()).toEqual(
      (await readdir(inRoot('migrations/conversation'))).toSorted(),
    )
  })
})

describe('the migrations of D1', () => {
  test('are the same in the folder and in what a local start applies', async () => {
    const files = await filesOf('migrations/d1', '.sql')
    expect(setup.D1_MIGRATIONS.map(({ name }) => name)).toEqual(files)
    for (const { name, sql } of setup.D1_MIGRATIONS) {
      expect(sql).toBe(await readFile(inRoot(`migrations/d1/${name}`), 'utf8'))
    }
  })

  test('make the tables that the code expects', async () => {
    const db = new DatabaseSync(':memory:')
    for (const { sql } of setup.D1_MIGRATIONS) db.exec(sql)
    for (const table of Object.values(d1Schema)) {
      const { name, columns, primaryKeys } = getTableConfig(table)
      const key = primaryKeys.flatMap((each) => each.columns.map((column) => column.name))
      const made = db.prepare('SELECT name, type, "notnull", pk FROM pragma_table_info(?)').all(name)
      const expected = columns.map((column) => ({
        name: column.name,
        type: column.getSQLType().toUpperCase(),
        notnull: column.notNull ? 1 : 0,
        pk: column.primary ? 1 : key.indexOf(column.name) + 1,
      }))
      expect(made.map((row) => ({ ...row }))).toEqual(expected)
    }
    db.close()
  })

  test('can be applied by wrangler and by a local start, in either order', async () => {
    const first = join(scratch, 'wrangler-first')
    expect(await applyByWrangler(first)).toContain('0001_directory.sql')
    const afterWrangler = await withDatabase(first, dump)
    const afterBoth = await withDatabase(first, async (db) => {
      await setup.migrateLocally(db)
      return await dump(db)
    })
    expect(afterBoth).toEqual(afterWrangler)

    const second = join(scratch, 'start-first')
    const afterStart = await withDatabase(second, async (db) => {
      await setup.migrateLocally(db)
      await setup.migrateLocally(db)
      return await dump(db)
    })
    expect(await applyByWrangler(second)).toContain('No migrations to apply')
    expect(afterStart).toEqual(afterWrangler)
    expect(await withDatabase(second, dump)).toEqual(afterWrangler)
  }, 60_000)

  test('are applied once when two starts race', async () => {
    await withDatabase(join(scratch, 'race'), async (db) => {
      const starts = await Promise.allSettled(Array.from({ length: 8 }, () => setup.migrateLocally(db)))
      expect(starts.some((start) => start.status === 'fulfilled')).toBe(true)
      await setup.migrateLocally(db)
      const { applied } = await dump(db)
      expect(applied).toEqual(setup.D1_MIGRATIONS.map(({ name }) => name))
    })
  })
})

async function applyByWrangler(folder: string): Promise<string> {
  const wrangler = inRoot('node_modules/.bin/wrangler')
  const args = ['d1', 'migrations', 'apply', 'DB', '--local', '--persist-to', folder]
  const env = { ...process.env, CI: 'true', WRANGLER_SEND_METRICS: 'false', NO_COLOR: '1' }
  const { stdout } = await run(wrangler, args, { cwd: ROOT, env })
  return stdout
}

/** Opens the local D1 that wrangler keeps in `folder`. */
async function withDatabase<T>(folder: string, use: (db: Database) => Promise<T>): Promise<T> {
  const id = /database_id = "([^"]+)"/.exec(await readFile(inRoot('wrangler.toml'), 'utf8'))?.[1]
  // A configuration of its own: the real one binds objects that only the Worker has.
  const configPath = join(scratch, 'wrangler.json')
  const d1_databases = [{ binding: 'DB', database_name: 'parley', database_id: id }]
  const config = { name: 'migrations', compatibility_date: '2026-08-15', d1_databases }
  await writeFile(configPath, JSON.stringify(config))
  const proxy = await getPlatformProxy<{ DB: Database }>({
    configPath,
    persist: { path: join(folder, 'v3') },
  })
  try {
    return await use(proxy.env.DB)
  } finally {
    await proxy.dispose()
  }
}

/** The schema, and which migrations are recorded as applied. */
async function dump(db: Database): Promise<{ schema: unknown[]; applied: string[] }> {
  const schema = await db
    .prepare(
      "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%' AND name <> 'd1_migrations' ORDER BY name",
    )
    .all()
  // SQLite keeps the text of a statement; comments and spaces in it mean nothing.
  const bare = (sql: string): string => sql.replace(/--.*$/gm, '').replace(/\s+/g, ' ')
  const applied = await db.prepare('SELECT name FROM d1_migrations ORDER BY id').all()
  return {
    schema: schema.results.map((row) => ({ ...row, sql: bare(row['sql'] ?? '') })),
    applied: applied.results.map((row) => row['name'] ?? ''),
  }
}
