/**
 * D1 as a request finds it whose caller went away: its first question is never answered, because the runtime drops the
 * I/O of a cancelled request and settles nothing. Later questions go to the real one.
 */
import { env } from 'cloudflare:workers'

const never = (): Promise<never> => new Promise<never>(() => {})

export function silentAtFirst(): D1Database {
  let isFirst = true
  return new Proxy(env.DB, {
    get(db, name) {
      if (name === 'prepare' && isFirst) {
        isFirst = false
        const statement = { bind: () => statement, first: never, run: never, all: never }
        return () => statement
      }
      return (Reflect.get(db, name) as (...args: unknown[]) => unknown).bind(db)
    },
  })
}
