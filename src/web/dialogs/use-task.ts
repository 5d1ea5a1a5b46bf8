/**
 * Asking the server from a component: reading something when it is shown, and doing something when a button is pressed.
 * Both keep what went wrong, so that it can be said where it happened.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ParleyError } from '../../client/index.ts'

export interface Loaded<T> {
  readonly data: T | null
  readonly error: ParleyError | null
  readonly reload: () => void
}

/**
 * Reads when first shown, when `key` changes, and when told. What was read stays until the next answer is here.
 *
 * @param key names what is read
 */
export function useLoad<T>(key: string, read: () => Promise<T>): Loaded<T> {
  const [held, setHeld] = useState<{ data: T | null; error: ParleyError | null }>({ data: null, error: null })
  const [count, setCount] = useState(0)
  const reader = useRef(read)
  reader.current = read

  useEffect(() => {
    let isStale = false
    reader.current().then(
      (data) => !isStale && setHeld({ data, error: null }),
      (error: unknown) => !isStale && setHeld(({ data }) => ({ data, error: ParleyError.from(error) })),
    )
    return () => (isStale = true)
  }, [key, count])

  const reload = useCallback(() => setCount((before) => before + 1), [])
  return { ...held, reload }
}

export interface Task {
  readonly isBusy: boolean
  readonly error: ParleyError | null
  /** Does nothing while the one before is under way. @returns whether it was done */
  readonly run: (work: () => Promise<void>) => Promise<boolean>
}

export function useTask(): Task {
  const [{ isBusy, error }, set] = useState<{ isBusy: boolean; error: ParleyError | null }>({
    isBusy: false,
    error: null,
  })
  const busy = useRef(false)
  const run = useCallback(async (work: () => Promise<void>) => {
    if (busy.current) return false
    busy.current = true
    set({ isBusy: true, error: null })
    try {
      await work()
      set({ isBusy: false, error: null })
      return true
    } catch (thrown) {
      set({ isBusy: false, error: ParleyError.from(thrown) })
      return false
    } finally {
      busy.current = false
    }
  }, [])
  return { isBusy, error, run }
}
