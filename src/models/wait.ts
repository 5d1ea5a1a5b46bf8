/**
 * Waiting that ends at once when its caller gives up, and leaves neither a timer nor a listener behind. For pauses of our
 * own; waiting for a provider is call-guard.ts's.
 */

/** @throws the signal's reason as soon as it is aborted */
export function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
