/**
 * What is made once for each set of bindings, which is once for each isolate (and once for each installation in a test).
 * Only plain objects: what does I/O belongs to the request or object that made it.
 */
import type { Env } from './env.ts'

export function perIsolate<T>(make: (env: Env) => T): (env: Env) => T {
  const made = new WeakMap<Env, { readonly it: T }>()
  return (env) => {
    const known = made.get(env)
    if (known) return known.it
    const it = make(env)
    made.set(env, { it })
    return it
  }
}
