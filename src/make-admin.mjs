/**
 * `npm run admin -- grant <email> [--remote]`: makes an admin of somebody who has registered. The first one is made so, by
 * whoever holds the database, and never by being the first to come.
 *
 * Without `--remote` it is the local database; other flags (`--persist-to …`) reach wrangler. One statement finds and changes
 * the row, so two at once do no harm. Tokens that are out keep their role until they are refreshed: at most 15 minutes.
 */
import { spawnSync } from 'node:child_process'

const USAGE = 'Usage: npm run admin -- grant|revoke <email> [--remote]'
const ROLES = { grant: 'admin', revoke: 'user' }

function giveUp(why) {
  console.error(why)
  process.exit(1)
}

const [command, email = '', ...flags] = process.argv.slice(2)
const role = Object.hasOwn(ROLES, command ?? '') ? ROLES[command] : giveUp(USAGE)

// As protocol/email.ts makes it; what has other letters in its local part cannot have registered.
const plain = email.normalize('NFKC').trim()
const at = plain.lastIndexOf('@')
const domain = plain.slice(at + 1)
if (at < 1 || !/^[\w!#$%&'*+/=?^`{|}~.-]+$/.test(plain.slice(0, at)) || !URL.canParse(`http://${domain}`)) {
  giveUp(`"${email}" is not an email address.\n${USAGE}`)
}
const key = `${plain.slice(0, at)}@${new URL(`http://${domain}`).hostname}`.toLowerCase()

// Wrangler takes no parameters. A quote is the only sign that ends a text in SQLite.
const quoted = `'${key.replaceAll("'", "''")}'`
const sql = `UPDATE users SET role = '${role}' WHERE email_key = ${quoted} RETURNING id`

const isRemote = flags.includes('--remote')
const where = isRemote ? ['--env', 'production'] : flags.includes('--local') ? [] : ['--local']
const { status, stdout, stderr } = spawnSync(
  'wrangler',
  ['d1', 'execute', 'parley', '--json', '--command', sql, ...where, ...flags],
  { stdio: ['inherit', 'pipe', 'pipe'], encoding: 'utf8' },
)
if (status !== 0) giveUp(`${stdout}${stderr}\nThe database could not be changed.`)
const changed = JSON.parse(stdout).flatMap(({ results }) => results)
if (changed.length === 0)
  giveUp(`Nobody has registered as ${key}${isRemote ? '' : ' in the local database'}.`)
console.log(`${key} is now ${role === 'admin' ? 'an admin' : 'an ordinary user'} (${changed[0].id}).`)
