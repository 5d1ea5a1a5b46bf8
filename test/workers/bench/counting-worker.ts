/**
 * Parley, with what it writes counted as it is billed: rows and index entries written by SQL in conversations
 * (`cursor.rowsWritten`), one for each alarm that is set, and rows written to D1. For the benchmark only; no part of the
 * product knows of it.
 *
 * `GET /bench/rows` answers the totals since the last time it was asked.
 */
import { ConversationObject as Product } from '../../../src/conversation/conversation-object.ts'
import type { Env } from '../../../src/env.ts'
import product from '../../../src/index.ts'
import { LimiterObject as ProductLimiter } from '../../../src/limits/limiter-object.ts'
import type { RowsWritten } from '../../support/rows-written.ts'

// What is counted takes the place of what goes by the same name.
export * from '../../../src/index.ts'

interface Written {
  readonly rowsWritten: number
}

/** Objects and Worker share an isolate here, as Miniflare runs one. */
const cursors: Written[] = []
const limiterCursors: Written[] = []
let alarms = 0
let d1 = 0
let watchesD1 = false

export class ConversationObject extends Product {
  constructor(ctx: DurableObjectState, env: Env) {
    watchStorage(ctx.storage, cursors)
    watchD1(env.DB)
    super(ctx, env)
  }
}

export class LimiterObject extends ProductLimiter {
  constructor(ctx: DurableObjectState, env: Env) {
    watchStorage(ctx.storage, limiterCursors)
    super(ctx, env)
  }
}

/** Replaces the methods on this object alone; the product calls them without knowing. */
function watchStorage(storage: DurableObjectStorage, written: Written[]): void {
  const { sql } = storage
  const exec = sql.exec.bind(sql)
  sql.exec = <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: unknown[]) => {
    const cursor = exec<T>(query, ...bindings)
    // What a cursor wrote is known when it was read to its end.
    written.push(cursor)
    return cursor
  }
  const setAlarm = storage.setAlarm.bind(storage)
  storage.setAlarm = (time, options) => {
    alarms++
    return setAlarm(time, options)
  }
}

function watchD1(db: D1Database): void {
  if (watchesD1) return
  watchesD1 = true
  const batch = db.batch.bind(db)
  db.batch = async <T>(statements: D1PreparedStatement[]): Promise<D1Result<T>[]> => {
    const results = await batch<T>(statements)
    d1 += sum(results.map(({ meta }) => meta.rows_written))
    return results
  }
  const statement = Object.getPrototypeOf(db.prepare('SELECT 1')) as D1PreparedStatement
  for (const method of ['run', 'all'] as const) {
    const original = statement[method]
    statement[method] = async function counted<T>(this: D1PreparedStatement): Promise<D1Result<T>> {
      const result = await original.call<D1PreparedStatement, [], Promise<D1Result<T>>>(this)
      d1 += result.meta.rows_written
      return result
    }
  }
}

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    if (new URL(request.url).pathname !== '/bench/rows') return await product.fetch(request, env, ctx)
    const total = (of: readonly Written[]): number => sum(of.map(({ rowsWritten }) => rowsWritten))
    const rows: RowsWritten = {
      conversation: total(cursors),
      limits: total(limiterCursors),
      alarms,
      d1,
    }
    cursors.length = limiterCursors.length = alarms = d1 = 0
    return Response.json(rows)
  },
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
