/**
 * Opens the conversation's database: whether anybody created this conversation, and its migrations.
 *
 * Looking writes nothing: an object that is asked about a made-up id must stay empty, so tables come with `create`.
 */
import { drizzle, type DrizzleSqliteDODatabase } from 'drizzle-orm/durable-sqlite'
import { migrate } from 'drizzle-orm/durable-sqlite/migrator'
import migrations from '../../migrations/conversation/migrations.js'

export type Database = DrizzleSqliteDODatabase & { readonly $client: DurableObjectStorage }

export function openDatabase(storage: DurableObjectStorage): Database {
  return drizzle(storage, { casing: 'snake_case' })
}

/** Whether the tables are there; reads the schema only. */
export function wasCreated(storage: DurableObjectStorage): boolean {
  return storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'conversation'").toArray().length > 0
}

/** Applies what is missing, in one transaction. */
export async function applyMigrations(database: Database): Promise<void> {
  await migrate(database, migrations)
}
