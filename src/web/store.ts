/**
 * State outside of components: an immutable snapshot, listeners, and the two ways in which a component follows one:
 * after each change, or at most once per animation frame.
 */
import { useLayoutEffect, useReducer } from 'preact/hooks'

export interface Readable<T> {
  readonly snapshot: T
  subscribe(listener: () => void): () => void
}

export class Store<T extends object> implements Readable<T> {
  readonly #listeners = new Set<() => void>()
  #snapshot: T

  constructor(initial: T) {
    this.#snapshot = initial
  }

  get snapshot(): T {
    return this.#snapshot
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  set(change: Partial<T>): void {
    this.#snapshot = { ...this.#snapshot, ...change }
    for (const listener of this.#listeners) listener()
  }
}

/** Renders again after each change. */
export function useStore<T>(store: Readable<T>): T {
  const [, render] = useReducer((count: number, _: void) => count + 1, 0)
  useLayoutEffect(() => {
    render()
    return store.subscribe(() => render())
  }, [store])
  return store.snapshot
}

/** A hidden page gets no animation frames; this keeps its title and its announcements going. */
const HIDDEN_PAGE_MS = 250

/** Renders at most once per animation frame, however often the store changes: for what follows a stream. */
export function useStoreByFrame<T>(store: Readable<T>): T {
  const [, render] = useReducer((count: number, _: void) => count + 1, 0)
  useLayoutEffect(() => {
    let cancel: (() => void) | null = null
    const run = () => {
      cancel = null
      render()
    }
    const schedule = () => {
      cancel ??= document.hidden ? after(HIDDEN_PAGE_MS, run) : atFrame(run)
    }
    // A frame that was asked for does not come once the page is hidden.
    const hide = () => {
      if (!cancel) return
      cancel()
      cancel = null
      schedule()
    }
    const unsubscribe = store.subscribe(schedule)
    document.addEventListener('visibilitychange', hide)
    render()
    return () => {
      unsubscribe()
      document.removeEventListener('visibilitychange', hide)
      cancel?.()
    }
  }, [store])
  return store.snapshot
}

function atFrame(run: () => void): () => void {
  const frame = requestAnimationFrame(run)
  return () => cancelAnimationFrame(frame)
}

function after(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}
