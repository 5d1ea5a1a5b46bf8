/**
 * `npm run deploy` against a stand-in for wrangler, since a test has no Cloudflare account: a program of that name which
 * keeps an account in a file and answers as wrangler 4 does. Proves what is created, in which order, and only once.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

interface Account {
  signedIn: boolean
  databases: string[]
  queues: string[]
  queuesDown?: boolean
  worker: boolean
  secrets: string[]
  secretsDown?: boolean
}

const STAND_IN = `#!/usr/bin/env node
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
const file = process.env.ACCOUNT_FILE
const account = JSON.parse(readFileSync(file, 'utf8'))
const args = process.argv.slice(2)
const fail = (text) => { console.error(text); process.exit(1) }
const secretsFile = args.includes('--secrets-file') ? args[args.indexOf('--secrets-file') + 1] : undefined
appendFileSync(file + '.calls', args.filter((arg) => arg !== secretsFile).join(' ') + '\\n')
if (!account.signedIn) fail('You must be logged in to use wrangler.')
const command = args.join(' ')
if (command.startsWith('d1 list')) console.log(JSON.stringify(account.databases.map((name) => ({ name }))))
else if (command.startsWith('d1 create')) account.databases.push(args[2])
else if (command.startsWith('d1 migrations apply')) { if (!account.databases.includes(args[3])) fail('no such database') }
else if (command.startsWith('queues info')) {
  if (account.queuesDown) fail('Internal error [code: 10000]')
  if (!account.queues.includes(args[2])) fail('Queue "' + args[2] + '" does not exist. To create it, run: wrangler queues create ' + args[2])
  console.log('Queue Name: ' + args[2])
} else if (command.startsWith('queues create')) account.queues.push(args[2])
else if (command.startsWith('secret list')) {
  if (account.secretsDown) fail('Internal error [code: 10000]')
  if (!account.worker) fail('This Worker does not exist on your account. [code: 10007]')
  console.log(JSON.stringify(account.secrets.map((name) => ({ name, type: 'secret_text' }))))
} else if (command.startsWith('deploy')) {
  account.worker = true
  if (args.includes('--secrets-file')) {
    const secrets = JSON.parse(readFileSync(secretsFile, 'utf8'))
    account.secrets.push(...Object.keys(secrets))
    account.secretChars = secrets.AUTH_SECRET.length
    account.secretsFile = secretsFile
  }
} else fail('unknown command ' + command)
writeFileSync(file, JSON.stringify(account))
`

// Up to ten programs are started one after the other, which takes a while on a busy machine.
vi.setConfig({ testTimeout: 30_000 })

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-deploy-test-'))
  file = join(folder, 'account.json')
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'wrangler'), STAND_IN)
  chmodSync(join(folder, 'wrangler'), 0o755)
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

function deploy(account: Account) {
  writeFileSync(file, JSON.stringify(account))
  writeFileSync(`${file}.calls`, '')
  const { status, stderr } = spawnSync(process.execPath, ['src/deploy.mjs'], {
    env: { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH']}`, ACCOUNT_FILE: file },
    encoding: 'utf8',
  })
  const calls = readFileSync(`${file}.calls`, 'utf8').trim().split('\n')
  const after = JSON.parse(readFileSync(file, 'utf8')) as Account & {
    secretChars?: number
    secretsFile?: string
  }
  return { status, stderr, calls, after }
}

test('an empty account gets a database, its tables, queues, a secret and the Worker, in this order', () => {
  const { status, calls, after } = deploy({
    signedIn: true,
    databases: [],
    queues: [],
    worker: false,
    secrets: [],
  })
  expect(status).toBe(0)
  expect(calls).toEqual([
    'd1 list --json',
    'd1 create parley',
    'd1 migrations apply parley --remote --env production',
    'queues info parley-webhooks',
    'queues create parley-webhooks',
    'queues info parley-webhooks-dead',
    'queues create parley-webhooks-dead',
    'secret list --format json --env production',
    'deploy --env production --secrets-file',
  ])
  expect(after).toMatchObject({
    databases: ['parley'],
    queues: ['parley-webhooks', 'parley-webhooks-dead'],
    worker: true,
    secrets: ['AUTH_SECRET'],
    secretChars: 64,
  })
  expect(() => readFileSync(after.secretsFile ?? '')).toThrow('ENOENT')
})

test('a second deployment migrates and deploys, and keeps the secret', () => {
  const { status, calls, after } = deploy({
    signedIn: true,
    databases: ['parley'],
    queues: ['parley-webhooks', 'parley-webhooks-dead'],
    worker: true,
    secrets: ['AUTH_SECRET'],
  })
  expect(status).toBe(0)
  expect(calls).toEqual([
    'd1 list --json',
    'd1 migrations apply parley --remote --env production',
    'queues info parley-webhooks',
    'queues info parley-webhooks-dead',
    'secret list --format json --env production',
    'deploy --env production',
  ])
  expect(after.secretChars).toBeUndefined()
})

test('without an account it says what to do, and creates nothing', () => {
  const { status, stderr, calls } = deploy({
    signedIn: false,
    databases: [],
    queues: [],
    worker: false,
    secrets: [],
  })
  expect(status).toBe(1)
  expect(stderr).toContain('npx wrangler login')
  expect(calls).toEqual(['d1 list --json'])
})

test('when the secrets cannot be read it stops, rather than make a new one', () => {
  const account = {
    signedIn: true,
    databases: ['parley'],
    queues: ['parley-webhooks', 'parley-webhooks-dead'],
    worker: true,
    secrets: ['AUTH_SECRET'],
    secretsDown: true,
  }
  const { status, calls } = deploy(account)
  expect(status).toBe(1)
  expect(calls.at(-1)).toBe('secret list --format json --env production')
})

test('when a queue cannot be looked up it stops, rather than guess', () => {
  const account = {
    signedIn: true,
    databases: ['parley'],
    queues: [],
    queuesDown: true,
    worker: true,
    secrets: ['AUTH_SECRET'],
  }
  const { status, calls } = deploy(account)
  expect(status).toBe(1)
  expect(calls.at(-1)).toBe('queues info parley-webhooks')
})
