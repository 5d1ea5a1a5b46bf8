/**
 * `npm run deploy`: creates what is missing in your Cloudflare account, migrates the database and deploys.
 *
 * Safe to run again: it looks first and creates only what is not there. The signing secret is made once, on this
 * machine, handed to wrangler in a file of mode 0600 and forgotten. Needs `npx wrangler login` or CLOUDFLARE_API_TOKEN.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const DATABASE = 'parley'
/** The second keeps what the first could not deliver. */
const QUEUES = ['parley-webhooks', 'parley-webhooks-dead']
const ENV = ['--env', 'production']

/** Runs wrangler with its output shown; ends this program when it fails. */
function wrangler(...args) {
  console.log(`\n> wrangler ${args.join(' ')}`)
  const { status } = spawnSync('wrangler', args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/** Runs wrangler out of sight. @returns what it printed */
function look(...args) {
  const { status, stdout, stderr } = spawnSync('wrangler', args, {
    stdio: ['inherit', 'pipe', 'pipe'],
    encoding: 'utf8',
  })
  return { worked: status === 0, stdout, said: `${stdout}${stderr}` }
}

/** The same, of JSON; `said` is what it printed when it fails. */
function ask(...args) {
  const { worked, stdout, said } = look(...args)
  return worked ? { answer: JSON.parse(stdout), said: '' } : { answer: null, said }
}

function giveUp(why, said) {
  console.error(`${said}\n${why}`)
  process.exit(1)
}

const databases = ask('d1', 'list', '--json')
if (!databases.answer) {
  giveUp(
    'Cannot read your Cloudflare account. Run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN.',
    databases.said,
  )
}
if (!databases.answer.some((database) => database.name === DATABASE)) wrangler('d1', 'create', DATABASE)
wrangler('d1', 'migrations', 'apply', DATABASE, '--remote', ...ENV)

for (const queue of QUEUES) {
  const { worked, said } = look('queues', 'info', queue)
  if (worked) continue
  // Any other failure says nothing about whether it is there.
  if (!/does not exist/.test(said)) giveUp(`Cannot look up the queue ${queue}.`, said)
  wrangler('queues', 'create', queue)
}

const secrets = ask('secret', 'list', '--format', 'json', ...ENV)
// Before the first deployment there is no Worker (10007), and so no secret. Any other failure must not make a new one:
// that would sign everybody out.
if (!secrets.answer && !/10007|does not exist/.test(secrets.said))
  giveUp('Cannot read the secrets.', secrets.said)
if (secrets.answer?.some((secret) => secret.name === 'AUTH_SECRET')) {
  wrangler('deploy', ...ENV, ...process.argv.slice(2))
} else {
  const folder = mkdtempSync(join(tmpdir(), 'parley-'))
  const file = join(folder, 'secrets.json')
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(file, JSON.stringify({ AUTH_SECRET: randomBytes(48).toString('base64url') }), { mode: 0o600 })
  wrangler('deploy', ...ENV, '--secrets-file', file, ...process.argv.slice(2))
}
