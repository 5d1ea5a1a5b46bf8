/**
 * The Durable Object of operations: transport only. There is one for the whole installation; it keeps its few facts as
 * rows, and hands each call to `Operations` in one line. Sums are in memory and may be lost with it.
 *
 * Its callers are Workers and conversations of this application.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import type { SwitchTarget } from '../protocol/operations.ts'
import { operationsParts } from '../operating.ts'
import type { FactStore } from './facts.ts'
import { Operations, type Batch, type Overview } from './operations.ts'
import type { Pause, Snapshot } from './snapshot.ts'

const CREATE =
  'CREATE TABLE IF NOT EXISTS facts (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID'
const PUT =
  'INSERT INTO facts (kind, name, value) VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value'

export class OperationsObject extends DurableObject<Env> {
  readonly #operations: Operations

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#operations = new Operations({
      ...operationsParts(env),
      facts: storeOf(ctx.storage),
      now: () => Date.now(),
      after(ms, run) {
        const timer = setTimeout(run, ms)
        return () => clearTimeout(timer)
      },
    })
  }

  sync(batch: Batch | null): Snapshot {
    return this.#operations.sync(batch)
  }

  probe(provider: string, model: string): boolean {
    return this.#operations.probe(provider, model)
  }

  pause(target: SwitchTarget, reason: string, by: string, stopRunning: boolean): Pause | null {
    return this.#operations.pause(target, reason, by, stopRunning)
  }

  resume(target: SwitchTarget, by: string): boolean {
    return this.#operations.resume(target, by)
  }

  reset(provider: string, model: string | null, by: string): string[] {
    return this.#operations.reset(provider, model, by)
  }

  overview(): Overview {
    return this.#operations.overview()
  }
}

/** Nothing is written while all is well: not even the table exists. */
function storeOf({ sql }: DurableObjectStorage): FactStore {
  let exists = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'facts'").toArray().length > 0
  return {
    load(kind) {
      if (!exists) return []
      const rows = sql.exec<{ name: string; value: string }>(
        'SELECT name, value FROM facts WHERE kind = ? ORDER BY name',
        kind,
      )
      return rows.toArray().map(({ name, value }) => [name, JSON.parse(value) as unknown] as const)
    },
    put(kind, name, value) {
      if (!exists) sql.exec(CREATE)
      exists = true
      sql.exec(PUT, kind, name, JSON.stringify(value))
    },
    remove(kind, name) {
      if (exists) sql.exec('DELETE FROM facts WHERE kind = ? AND name = ?', kind, name)
    },
  }
}
