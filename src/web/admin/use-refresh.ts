/**
 * Reading what changes by itself: again some seconds after each answer, while the page can be seen, and at once when it can
 * be seen again. A slow server is not asked faster than it answers.
 */
import { useEffect } from 'preact/hooks'
import { useLoad, type Loaded } from '../dialogs/use-task.ts'

const REFRESH_MS = 5_000

/** @param key names what is read */
export function useRefresh<T>(key: string, read: () => Promise<T>): Loaded<T> {
  const loaded = useLoad(key, read)
  const { data, error, reload } = loaded
  useEffect(() => {
    if (!data && !error) return
    let timer = document.hidden ? 0 : window.setTimeout(reload, REFRESH_MS)
    const change = () => {
      window.clearTimeout(timer)
      timer = 0
      if (!document.hidden) reload()
    }
    document.addEventListener('visibilitychange', change)
    return () => {
      window.clearTimeout(timer)
      document.removeEventListener('visibilitychange', change)
    }
  }, [data, error, reload])
  return loaded
}
