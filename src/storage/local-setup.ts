/**
 * What makes `wrangler dev` work with nothing set up: applies the D1 migrations to the local database, and keeps a
 * signing secret in it, made at the first start. Production does neither: its migrations come with the deployment, and
 * it has no secret but the one that was set.
 */
import directory from '../../migrations/d1/0001_directory.sql'
import accounts from '../../migrations/d1/0002_accounts.sql'
import usage from '../../migrations/d1/0003_usage.sql'
import members from '../../migrations/d1/0004_members.sql'
import audit from '../../migrations/d1/0005_audit.sql'
import auditRetention from '../../migrations/d1/0006_audit_retention.sql'
import answerCache from '../../migrations/d1/0007_answer_cache.sql'
import webhooks from '../../migrations/d1/0008_webhooks.sql'
import { statementsOf } from './sql-statements.ts'

/** In order; the names are those of the files, as `wrangler d1 migrations apply` records them. */
export const D1_MIGRATIONS: readonly { name: string; sql: string }[] = [
  { name: '0001_directory.sql', sql: directory },
  { name: '0002_accounts.sql', sql: accounts },
  { name: '0003_usage.sql', sql: usage },
  { name: '0004_members.sql', sql: members },
  { name: '0005_audit.sql', sql: audit },
  { name: '0006_audit_retention.sql', sql: auditRetention },
  { name: '0007_answer_cache.sql', sql: answerCache },
  { name: '0008_webhooks.sql', sql: webhooks },
]

/** Applies what is missing. Keeps wrangler's own table of what was applied, so the two can take turns. */
export async function migrateLocally(db: D1Database): Promise<void> {
  await db
    .prepare(
      'CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)',
    )
    .run()
  const applied = await appliedMigrations(db)
  for (const { name, sql } of D1_MIGRATIONS) {
    if (applied.has(name)) continue
    const statements = statementsOf(sql).map((statement) => db.prepare(statement))
    try {
      // One batch is one transaction, and the name is unique: of requests that race, one does it and the others fail whole.
      await db.batch([db.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name), ...statements])
    } catch (error) {
      if (!(await appliedMigrations(db)).has(name)) throw error
    }
  }
}

async function appliedMigrations(db: D1Database): Promise<Set<string>> {
  const { results } = await db.prepare('SELECT name FROM d1_migrations').all<{ name: string }>()
  return new Set(results.map((row) => row.name))
}

/** @returns the secret of this database, made now if there is none */
export async function localSecret(db: D1Database): Promise<string> {
  const made = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))
  await db.prepare("INSERT OR IGNORE INTO settings (name, value) VALUES ('auth_secret', ?)").bind(made).run()
  const row = await db
    .prepare("SELECT value FROM settings WHERE name = 'auth_secret'")
    .first<{ value: string }>()
  if (!row) throw new Error('the local secret was not stored')
  return row.value
}
