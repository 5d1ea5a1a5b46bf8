/**
 * The address bar: `/` is a new conversation, `/c/<id>` is one that exists. Anything else becomes `/`.
 * Whether a conversation of that id exists is for the server to say.
 */

/** @returns the id of the conversation that the address names */
export function readRoute(): string | null {
  return /^\/c\/([0-9a-f-]{36})\/?$/i.exec(location.pathname)?.[1]?.toLowerCase() ?? null
}

export const pathOf = (conversationId: string | null) => (conversationId ? `/c/${conversationId}` : '/')

export function writeRoute(conversationId: string | null, replace = false): void {
  const path = pathOf(conversationId)
  if (path === location.pathname) return
  if (replace) history.replaceState(null, '', path)
  else history.pushState(null, '', path)
}

export function onRouteChange(run: () => void): void {
  addEventListener('popstate', run)
}
