/**
 * A list that is read page by page and starts over when what is asked for changes. An answer to an older question is
 * dropped. How a page is read is the caller's.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ParleyError } from '../../client/index.ts'

export interface Page<T> {
  readonly rows: readonly T[]
  readonly next: string | null
}

export interface Pages<T> {
  readonly rows: readonly T[]
  readonly isLoading: boolean
  readonly error: ParleyError | null
  /** Null at the end. */
  readonly more: (() => void) | null
  /** Puts one row in place of another. */
  readonly replace: (old: T, fresh: T) => void
}

/** @param key names what is asked for */
export function usePages<T>(key: string, read: (cursor: string | undefined) => Promise<Page<T>>): Pages<T> {
  const [rows, setRows] = useState<readonly T[]>([])
  const [next, setNext] = useState<string | null>(null)
  const [isLoading, setLoading] = useState(true)
  const [error, setError] = useState<ParleyError | null>(null)
  const asked = useRef(0)
  const reader = useRef(read)
  reader.current = read

  const load = useCallback(async (cursor: string | undefined) => {
    const mine = ++asked.current
    setLoading(true)
    try {
      const page = await reader.current(cursor)
      if (mine !== asked.current) return
      setRows((before) => (cursor === undefined ? page.rows : [...before, ...page.rows]))
      setNext(page.next)
      setError(null)
    } catch (thrown) {
      if (mine === asked.current) setError(ParleyError.from(thrown))
    } finally {
      if (mine === asked.current) setLoading(false)
    }
  }, [])

  useEffect(() => void load(undefined), [key])

  const replace = useCallback(
    (old: T, fresh: T) => setRows((before) => before.map((row) => (row === old ? fresh : row))),
    [],
  )
  return {
    rows,
    isLoading,
    error,
    more: next === null || isLoading ? null : () => void load(next),
    replace,
  }
}
