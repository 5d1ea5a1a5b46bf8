/**
 * Where things are kept in a browser: Web Storage, or memory where it is denied. What is kept there, and how, is for
 * those who use it.
 */
import type { KeyValueStore } from './environment.ts'

/** A store for one page view. */
export function memoryStore(): KeyValueStore {
  const values = new Map<string, string>()
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  }
}

/** `localStorage`, or a store in memory where it is denied (reading the property itself may throw). */
export function browserStore(kind: 'localStorage' | 'sessionStorage' = 'localStorage'): KeyValueStore {
  try {
    const store = globalThis[kind]
    store.getItem('parley')
    return store
  } catch {
    return memoryStore()
  }
}
