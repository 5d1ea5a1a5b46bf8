/**
 * `npm run admin`: against a stand-in for wrangler, to see what it asks for, and once with the real one and a local database.
 */
import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'

const STAND_IN = `#!/usr/bin/env node
import { writeFileSync } from 'node:fs'
writeFileSync(process.env.CALL_FILE, JSON.stringify(process.argv.slice(2)))
if (process.env.FAILS) { console.error('no such table: users'); process.exit(1) }
console.log(JSON.stringify([{ results: process.env.NOBODY ? [] : [{ id: 'user:1' }], success: true }]))
`

const root = new URL('../..', import.meta.url).pathname
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-admin-test-'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'wrangler'), STAND_IN)
  chmodSync(join(folder, 'wrangler'), 0o755)
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

function admin(args: string[], env: Record<string, string> = {}) {
  const file = join(folder, 'call.json')
  writeFileSync(file, 'null')
  const path = `${folder}${delimiter}${process.env['PATH']}`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/make-admin.mjs', ...args], {
    cwd: root,
    env: { ...process.env, PATH: path, CALL_FILE: file, ...env },
    encoding: 'utf8',
  })
  return { status, stdout, stderr, call: JSON.parse(readFileSync(file, 'utf8')) as string[] | null }
}

const sqlFor = (key: string): string =>
  `UPDATE users SET role = 'admin' WHERE email_key = '${key}' RETURNING id`

test('grants in the local database, unless told otherwise, in one statement', () => {
  const { status, stdout, call } = admin(['grant', ' Ada@Bücher.example '])
  expect({ status, stdout }).toEqual({
    status: 0,
    stdout: expect.stringContaining('is now an admin (user:1)'),
  })
  expect(call).toEqual([
    'd1',
    'execute',
    'parley',
    '--json',
    '--command',
    sqlFor('ada@xn--bcher-kva.example'),
    '--local',
  ])
})

test('passes flags on: production, and where the local database is', () => {
  expect(admin(['grant', 'a@b.example', '--remote']).call?.slice(-3)).toEqual([
    '--env',
    'production',
    '--remote',
  ])
  const local = admin(['grant', 'a@b.example', '--persist-to', 'x'])
  expect(local.call?.slice(-3)).toEqual(['--local', '--persist-to', 'x'])
})

test('an address cannot leave its quotes', () => {
  expect(admin(['grant', "o'brien@b.example"]).call?.[5]).toBe(sqlFor("o''brien@b.example"))
  for (const address of ["x' OR '1'='1@b.example", 'x@b.example; DROP TABLE users', 'x', '', '@b.example']) {
    const { status, call } = admin(['grant', address])
    expect({ address, status, call }).toEqual({ address, status: 1, call: null })
  }
})

test('says how it is used, when nobody has that address, and when the database fails', () => {
  for (const args of [[], ['make'], ['constructor', 'a@b.example']]) {
    expect(admin(args)).toMatchObject({ status: 1, call: null, stderr: expect.stringContaining('Usage') })
  }
  const nobody = admin(['grant', 'a@b.example'], { NOBODY: '1' })
  expect(nobody).toMatchObject({ status: 1, stderr: expect.stringContaining('Nobody has registered') })
  const failed = admin(['grant', 'a@b.example'], { FAILS: '1' })
  expect(failed).toMatchObject({ status: 1, stderr: expect.stringContaining('no such table') })
})

test('with the real wrangler and a local database, makes an admin of the one who has the address', async () => {
  const env = {
    ...process.env,
    CI: 'true',
    WRANGLER_SEND_METRICS: 'false',
    NO_COLOR: '1',
    PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env['PATH']}`,
  }
  const run = (command: string, args: string[]) => promisify(execFile)(command, args, { cwd: root, env })
  const persist = ['--local', '--persist-to', join(folder, 'state')]
  await run('wrangler', ['d1', 'migrations', 'apply', 'parley', ...persist])
  const insert = (id: string): string =>
    `INSERT INTO users (id, email, email_key, name, role, plan, created_at) VALUES ('${id}', '${id}@b.example', '${id}@b.example', 'x', 'user', 'free', 1);`
  const execute = (sql: string) =>
    run('wrangler', ['d1', 'execute', 'parley', '--json', '--command', sql, ...persist])
  await execute(insert('ada') + insert('eve'))
  await run(process.execPath, ['src/make-admin.mjs', 'grant', 'ADA@b.example', ...persist])
  const { stdout } = await execute('SELECT id, role FROM users ORDER BY id')
  expect(JSON.parse(stdout)).toMatchObject([
    {
      results: [
        { id: 'ada', role: 'admin' },
        { id: 'eve', role: 'user' },
      ],
    },
  ])
}, 60_000)
