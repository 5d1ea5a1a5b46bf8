/**
 * The way back of the device (a gesture or a button of the phone, Escape), for what lies over the page and is no dialog:
 * dialogs have it from the browser. Where the browser cannot tell, going back leaves the page as ever.
 */
interface CloseWatcher extends EventTarget {
  destroy(): void
}
/** Newer than the types of the DOM. */
declare const CloseWatcher: (new () => CloseWatcher) | undefined

/** @returns ends it */
export function onWayBack(run: () => void): () => void {
  if (typeof CloseWatcher === 'undefined') return () => {}
  const watcher = new CloseWatcher()
  watcher.addEventListener('close', run)
  return () => watcher.destroy()
}
