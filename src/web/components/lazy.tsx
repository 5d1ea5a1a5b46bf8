/**
 * A component whose code is loaded when it is first shown, so that the first visit does not pay for what few open.
 * When the code cannot be had (no network, or the server has a new version since), it says so instead of staying empty.
 */
import type { ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'

interface Outcome<P> {
  readonly component?: ComponentType<P>
  readonly failed?: boolean
}

/** @param load is called once until it succeeds */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined
  return function Lazy(props: P) {
    const [{ component: Loaded = loaded, failed }, settle] = useState<Outcome<P>>({})
    useEffect(() => {
      if (loaded) return
      load().then(
        (component) => settle({ component: (loaded = component) }),
        () => settle({ failed: true }),
      )
    }, [])
    if (Loaded) return <Loaded {...props} />
    return failed ? <NotLoaded /> : null
  }
}

function NotLoaded() {
  return (
    <div class="not-loaded" role="alert">
      <p>This part of the page could not be loaded.</p>
      <button type="button" class="button small" onClick={() => location.reload()}>
        Reload the page
      </button>
    </div>
  )
}
